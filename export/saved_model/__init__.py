"""SavedModels from encoded picture to encoded picture."""
