"""The `relight` command: shell words become one call."""
