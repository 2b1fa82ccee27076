"""Proof of exported files: against Keras, against truth, on delegates, and their speed."""
