"""Colour and light on tensors; the numbers are those of `photo.colour` and `photo.lightness`.

Pictures are (..., 3) sRGB 0..1, float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from tf_relight.photo.colour import LUMINANCE_WEIGHTS, RGB_TO_XYZ, XYZ_TO_RGB
from tf_relight.photo.lightness import BLACK, CEILING, KNEE

_WHITE = RGB_TO_XYZ.sum(axis=1)


def srgb_to_linear(encoded: Any) -> Any:
    """Return linear light of sRGB-encoded values of any shape, 0..1. Source: IEC 61966-2-1."""
    curve = ((ops.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return ops.where(encoded <= 0.04045, encoded / 12.92, curve)


def linear_to_srgb(linear: Any) -> Any:
    """Return sRGB-encoded values of linear light; the inverse of `srgb_to_linear`."""
    curve = 1.055 * ops.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return ops.where(linear <= 0.0031308, linear * 12.92, curve)


def luminance(linear: Any) -> Any:
    """Return the relative luminance of linear RGB, (..., 3) -> (..., 1)."""
    return ops.matmul(linear, _constant(LUMINANCE_WEIGHTS[:, None]))


def lightness(pixels: Any) -> Any:
    """Return L of CIE Lab over 100, (..., 1), of pictures."""
    value = luminance(srgb_to_linear(pixels))
    root = 116 * ops.maximum(value, 1e-3) ** (1 / 3) - 16
    return ops.where(value > (6 / 29) ** 3, root, (29 / 3) ** 3 * value) / 100


def luminance_of_lightness(value: Any) -> Any:
    """Return the relative luminance of lightness 0..1, any shape."""
    return ops.where(value > 0.08, ((100 * value + 16) / 116) ** 3, 100 * value / (29 / 3) ** 3)


def luminance_ratio(before: Any, after: Any) -> Any:
    """Return by what linear light is multiplied when lightness `before` 0..1 becomes `after`."""
    return (luminance_of_lightness(after) + BLACK) / (luminance_of_lightness(before) + BLACK)


def with_lightness(pixels: Any, value: Any) -> Any:
    """Return pictures (..., 3) with another L of Lab, (..., 1) 0..1, beside their own a and b; clipped."""
    ratio = ops.matmul(srgb_to_linear(pixels), _constant(RGB_TO_XYZ.T / _WHITE))
    straight = ratio / (3 * (6 / 29) ** 2) + 4 / 29
    f = ops.where(ratio > (6 / 29) ** 3, ops.maximum(ratio, 1e-3) ** (1 / 3), straight)
    y = (100 * value + 16) / 116
    f = ops.concatenate([y + f[..., :1] - f[..., 1:2], y, y + f[..., 2:] - f[..., 1:2]], axis=-1)
    ratio = ops.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return ops.clip(linear_to_srgb(ops.matmul(ratio, _constant((XYZ_TO_RGB * _WHITE).T))), 0.0, 1.0)


def multiplied(pixels: Any, factor: Any) -> Any:
    """Return pictures whose linear light is multiplied, with a shoulder for highlights.

    Args:
        factor: (..., 1) or (..., 3).
    """
    old = srgb_to_linear(pixels)
    grey = luminance(old)
    brighter = ops.maximum(factor, 1.0) ** (-1 / 6)
    darker = ops.clip(factor, 0.1, 1.0) ** (-1 / 12)
    light = factor * ops.maximum(grey + (old - grey) * (brighter * darker), 0.0)
    most, was = ops.max(light, axis=-1, keepdims=True), ops.max(old, axis=-1, keepdims=True)
    alike = light * (_shoulder(most, was) / ops.maximum(most, KNEE))
    bent = ops.where(most > KNEE, (alike + _shoulder(light, old)) / 2, light)
    return ops.clip(linear_to_srgb(bent), 0.0, 1.0)


def _shoulder(light: Any, before: Any) -> Any:
    knee, ceiling = ops.maximum(before, KNEE), ops.maximum(before, CEILING)
    room, over = ceiling - knee, ops.maximum(light - knee, 0.0)
    return ops.minimum(light, knee) + room * over / ops.sqrt(room * room + over * over + 1e-12)


def _constant(values: np.ndarray) -> Any:
    return ops.convert_to_tensor(values.astype(np.float32))
