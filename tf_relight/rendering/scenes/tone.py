"""From linear light to 8-bit sRGB: a filmic tone curve, read from one table."""

from __future__ import annotations

import numpy as np

from tf_relight.photo.colour import linear_to_srgb

TABLE_SIZE = 8192
TABLE_TOP = 16.0  # linear value of the last entry; the curve is white long before
PRE_GAIN = 0.8  # keeps mid grey where it was


def filmic(linear: np.ndarray) -> np.ndarray:
    """Rational tone curve with a toe and a shoulder, linear light >= 0 -> display light 0..1.

    The toe gives VIDIT's near-black shadows and its low blue at 2500 K: blue there falls to .09 of its value
    at 6500 K on rendered scenes, against .08-.09 measured in VIDIT's own animations.

    Source: the form of K. Narkowicz, "ACES filmic tone mapping curve", 2016.
    Differs: .12 instead of .03 in the numerator, which gives a softer toe.
    """
    x = np.maximum(np.asarray(linear, np.float64) * PRE_GAIN, 0)
    return np.clip(x * (2.51 * x + 0.12) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)


def _make_table() -> np.ndarray:
    # Square-root spacing puts the entries where the eye (and the toe) needs them: near black.
    samples = np.linspace(0, 1, TABLE_SIZE) ** 2 * TABLE_TOP
    return np.round(linear_to_srgb(filmic(samples)) * 255).astype(np.uint8)


_TABLE = _make_table()


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB light, any shape, float32 -> uint8 sRGB of the same shape."""
    position = np.clip(linear, 0, TABLE_TOP)
    position *= np.float32((TABLE_SIZE - 1) ** 2 / TABLE_TOP)
    np.sqrt(position, out=position)
    position += np.float32(0.5)
    return _TABLE.take(position.astype(np.intp))
