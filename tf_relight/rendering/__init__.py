"""Draws embedded pictures and people with exact ground truth; knows no training."""
