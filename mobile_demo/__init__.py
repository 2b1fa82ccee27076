"""Apps that run the exported networks: a page for browsers in `web/`, an Android app in `android/`."""
