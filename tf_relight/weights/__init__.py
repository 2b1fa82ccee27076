"""Weights on disk, without models: what is known, fetched, stored, and PyTorch's files."""
