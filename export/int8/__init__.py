"""Fewer bits: calibration, ranges, rounding of kernels, and what stays in floats."""
