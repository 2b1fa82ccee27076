"""Between stored sRGB pixels and linear light, by tables for 8 and 16 bits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from tf_relight.photo.colour import linear_to_srgb, srgb_to_linear

# Steps of linear light in which 8-bit pixels are looked up: one is at most 0.05 of an 8-bit step.
_STEPS = 65535


def to_linear(pixels: np.ndarray) -> np.ndarray:
    """Return the linear light, float32 0..1, of sRGB pixels (h, w, C): float 0..1, uint8 or uint16."""
    if pixels.dtype == np.uint8:
        return cast(np.ndarray, cv2.LUT(pixels, _linear(8))).reshape(pixels.shape)
    if pixels.dtype == np.uint16:
        return _linear(16).take(pixels)
    return srgb_to_linear(pixels)


def from_linear(planes: Sequence[np.ndarray], result: np.ndarray) -> None:
    """Fill sRGB pixels (h, w, C) from linear light, a plane (h, w) per channel; what is above 1 is cut off.

    Args:
        result: float32 0..1, uint8 or uint16; 8-bit pixels are within 0.55 of a step.
    """
    if result.dtype != np.uint8:
        encoded = np.clip(linear_to_srgb(np.dstack(planes)), 0, 1)
        if result.dtype == np.uint16:
            encoded = np.rint(encoded * np.float32(65535))
        result[...] = encoded
        return
    table, shape = _encoded(), result.shape[:2]
    stored = []
    for plane in planes:
        steps = np.rint(np.clip(plane, 0, 1) * np.float32(_STEPS)).astype(np.uint16)
        stored.append(table.take(steps).reshape(shape))
    result[...] = cv2.merge(stored).reshape(result.shape)


@functools.cache
def _linear(bits: int) -> np.ndarray:
    return srgb_to_linear(np.arange(1 << bits, dtype=np.float32) / ((1 << bits) - 1))


@functools.cache
def _encoded() -> np.ndarray:
    steps = np.arange(_STEPS + 1, dtype=np.float32) / _STEPS
    return np.rint(linear_to_srgb(steps) * 255).astype(np.uint8)
