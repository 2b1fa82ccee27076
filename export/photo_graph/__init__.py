"""A whole photo inside a TensorFlow graph: decoding, light, network, the way back to full size."""
