"""Pictures reach networks as squares, so that one prepared file serves all of them."""

from __future__ import annotations

import numpy as np


def as_square(picture: np.ndarray) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Return a picture (h, w, ...) in the middle of a square of its long side, and where it lies there.

    What is missing is the picture itself, reflected: a squeezed face would have another shape, and a plain
    border an edge.
    """
    height, width = picture.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    place = slice(top, top + height), slice(left, left + width)
    if height == width:
        return picture, place
    border = [(top, side - height - top), (left, side - width - left), *[(0, 0)] * (picture.ndim - 2)]
    return np.pad(picture, border, mode="symmetric"), place
