"""Heads that are tilted reach networks upright: networks learned from heads that hardly are.

A part of the photo is turned as a square, the light with it, and what the network answers is turned back.
"""

from __future__ import annotations

import numpy as np

UPRIGHT, TURNED = 8.0, 16.0
"""Degrees of tilt up to which a head counts as upright, and from which on it is turned in full."""


def turn_of(tilt: float) -> float:
    """Return by how many degrees a head that is tilted so far is turned, in the same direction.

    It grows without a jump, so that in a film nothing flips.

    Example:
        ```
        turn_of(5.0)  # 0.0: as good as upright
        turn_of(30.0)  # 30.0
        ```
    """
    tilt = (tilt + 180.0) % 360.0 - 180.0
    return tilt * min(1.0, max(0.0, (abs(tilt) - UPRIGHT) / (TURNED - UPRIGHT)))


def turned(square: np.ndarray, degrees: float) -> np.ndarray:
    """Return a square (S, S, ...) turned clockwise about its middle, float32.

    Corners that would come from outside repeat the border. 0 degrees return the square itself.
    """
    if degrees == 0:
        return square
    side = len(square)
    places = np.arange(side) - (side - 1) / 2
    right, down = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    columns = places[None, :] * right + places[:, None] * down + (side - 1) / 2
    rows = places[:, None] * right - places[None, :] * down + (side - 1) / 2
    return _sampled(square, np.clip(rows, 0, side - 1), np.clip(columns, 0, side - 1))


def _sampled(square: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the values at places between pixels, by their four neighbours."""
    last = len(square) - 2
    top, left = (np.clip(np.floor(each).astype(int), 0, max(last, 0)) for each in (rows, columns))
    bottom, right = (np.minimum(each + 1, len(square) - 1) for each in (top, left))
    more = (1,) * (square.ndim - 2)
    down, across = (
        (a - b).astype(np.float32).reshape(a.shape + more) for a, b in ((rows, top), (columns, left))
    )
    upper = square[top, left] * (1 - across) + square[top, right] * across
    lower = square[bottom, left] * (1 - across) + square[bottom, right] * across
    return (upper * (1 - down) + lower * down).astype(np.float32)
