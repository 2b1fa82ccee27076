"""The colour a light lends a photo, from its shadow side to its lit side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tf_relight.light.lamps import NEUTRAL_KELVIN
from tf_relight.light.spherical_harmonics import BAND, shading
from tf_relight.photo.colour import planckian_rgb
from tf_relight.photo.lightness import LightColour, luminance_ratio
from tf_relight.relighting.light_range import visible_normals
from tf_relight.relighting.request import RelightOptions

if TYPE_CHECKING:
    from tf_relight.light.light import Light

CALMED = np.array([1.0, 0.85, 0.45])
"""What is left of each band where the colour of the shadow is told."""


def light_colour(options: RelightOptions, before: np.ndarray, after: np.ndarray) -> LightColour:
    """Return the colour of the light in `options` for a change of lightness (h, w).

    A temperature colours the directed part of the light and leaves what reaches the shadows neutral.
    """
    shadow, lit = _sides(options)
    if options.temperature is not None:
        tint = planckian_rgb(options.temperature) / planckian_rgb(NEUTRAL_KELVIN)
        shadow = np.full(3, shadow.mean())
        lit = shadow + (lit.mean() - shadow.mean()) * tint
    ratio = luminance_ratio(before, after)
    return LightColour(shadow, lit, float(np.percentile(ratio, 95)))


def has_colour(options: RelightOptions) -> bool:
    """Whether the light in `options` is not neutral."""
    if options.temperature is not None:
        return True
    return any(np.ptp(side) >= 1e-3 * side.mean() for side in _sides(options))


def _sides(options: RelightOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return what the darkest and the brightest visible surface receive, linear RGB (3,) each."""
    assert options.light is not None
    told = options.light.told_in("linear").coefficients
    if options.temperature is None:
        # Nine numbers of a lamp swing below zero behind it: a warm one would take the red from the shadow.
        told = CALMED[BAND][:, None] * told
    received = np.maximum(shading(visible_normals(), told), 0)
    brightness = received.mean(axis=1)
    return received[brightness.argmin()] + 1e-3, received[brightness.argmax()] + 1e-3


def coloured(light: Light, temperature: float | None) -> Light:
    """Return the light in the colour of a temperature in kelvin; None leaves its own."""
    if temperature is None:
        return light
    tint = planckian_rgb(temperature) / planckian_rgb(NEUTRAL_KELVIN)
    return type(light).from_array(light.grey("linear")[:, None] * tint)
