"""Portraits in DPR's layout, and making them from photos by ratio images."""
