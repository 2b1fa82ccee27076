"""The steps of build.py, a tool a file; they need Python alone, not the package."""
