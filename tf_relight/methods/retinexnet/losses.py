"""The loss that only Retinex-Net has: illumination that is smooth where the reflectance is."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

EDGE = 10.0
"""How fast edges of the reflectance excuse edges of the illumination. Paper, section 3.2."""
GREY = (0.2989, 0.5870, 0.1140)
"""Shares of red, green and blue in the release's grey value."""


def illumination_smoothness(illumination: Any, reflectance: Any) -> Any:
    """Return the mean step of the illumination, each weighed with exp(-EDGE * local step of reflectance).

    Args:
        illumination: (B, H, W, 1). reflectance: (B, H, W, 3) in 0..1; its steps are averaged over 3x3 pixels.

    Source: paper, equation 4, and the release, whose pictures have zeros beyond the right and lower border.
    """
    illumination = ops.cast(illumination, "float32")
    grey = ops.sum(ops.cast(reflectance, "float32") * ops.convert_to_tensor(GREY), axis=-1, keepdims=True)
    total: Any = 0.0
    for kernel in _STEPS:
        around = ops.average_pool(_step(grey, kernel), 3, strides=1, padding="same")
        total = total + _step(illumination, kernel) * ops.exp(-EDGE * around)
    return ops.mean(total)


_ACROSS = np.array([[0.0, 0.0], [-1.0, 1.0]], "float32")
_STEPS = (_ACROSS, _ACROSS.T)


def _step(x: Any, kernel: np.ndarray) -> Any:
    """Return the absolute response (B, H, W, 1) of a 2x2 filter."""
    return ops.abs(ops.conv(x, ops.convert_to_tensor(kernel[:, :, None, None]), padding="same"))
