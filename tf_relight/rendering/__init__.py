"""Draws embedded pictures with exact ground truth, with numpy alone; knows no training."""
