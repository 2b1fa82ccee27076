"""Writing .tflite files and the manifest."""
