"""ONNX files: writing them, and what they say of themselves."""
