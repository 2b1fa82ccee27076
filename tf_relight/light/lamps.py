"""Lamps: coefficients of a soft light from one direction, over even light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.errors import RelightError
from tf_relight.light import spherical_harmonics as sh
from tf_relight.light.directions import direction
from tf_relight.photo.colour import planckian_rgb

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in a light's luminance. Source: DPR's data preparation."""
USUAL_AMBIENT = 0.87
"""First coefficient of the lights made here: the bright end of DPR's training range 0.7..0.9, because most
photos are lit from the front, and light from a side leaves less of it on a face."""
USUAL_SOFTNESS = 0.2
"""Of a directed light: 0 is the sun, 1 half of the sky, and 0.2 a soft box, 36 degrees wide."""
WIDEST = 90.0
"""Degrees; half the angle under which a light of softness 1 is seen."""
AMBIENT_SHARE = 0.2
"""Share of even light beside a directed one. In lightness the first band is then 0.67 times the ambient
coefficient; DPR's training lights have 0.32 to 0.55, its demo lights 0.76."""
NEUTRAL_KELVIN = 6500.0


@dataclass(frozen=True)
class Lamp:
    """One lamp.

    Attributes:
        azimuth, elevation: degrees, as in `light.Light`.
        weight: its share beside other lamps.
        softness: 0..1, from the sun to half of the sky.
        temperature: kelvin; None is neutral.
        colour: linear RGB in place of a temperature; only its hue counts.
    """

    azimuth: float
    elevation: float
    weight: float = 1.0
    temperature: float | None = None
    colour: tuple[float, float, float] | None = None
    softness: float = USUAL_SOFTNESS

    @property
    def tint(self) -> np.ndarray:
        """Linear RGB (3,) of luminance 1."""
        return kelvin_tint(self.temperature) if self.colour is None else colour_tint(self.colour)


def mixed(lamps: Sequence[Lamp], ambient: float, ambient_tint: np.ndarray) -> np.ndarray:
    """Return the coefficients (9, 3) of lamps over even light; the luminance of the first is `USUAL_AMBIENT`.

    Args:
        lamps: their weights are shares of the directed light; without lamps all light is even.
        ambient: share of the even light, 0..1.
        ambient_tint: (3,) linear RGB of luminance 1.
    """
    total = np.zeros((9, 3))
    for lamp in lamps:
        total += (
            lamp.weight
            * directed(direction(lamp.azimuth, lamp.elevation), lamp.softness)[:, None]
            * lamp.tint
        )
    even = np.zeros((9, 3))
    even[0] = ambient_tint
    if not lamps:
        return USUAL_AMBIENT * even
    directed_light = total / sum(lamp.weight for lamp in lamps)
    return USUAL_AMBIENT * ((1 - ambient) * directed_light + ambient * even)


def directed(toward: np.ndarray, softness: float) -> np.ndarray:
    """Return a round source around a direction, (9,) with first coefficient 1."""
    point = sh.basis(toward, attenuated=False)
    return source_bands(softness) * point / point[0]


def source_bands(softness: float) -> np.ndarray:
    """Return what a round source has of a point's coefficients, (9,).

    Those of a cap of angular radius r are 1, (1 + cos r) / 2 and cos r (1 + cos r) / 2 in the three bands.
    """
    cosine = math.cos(math.radians(WIDEST * softness))
    return np.array([1.0, (1 + cosine) / 2, cosine * (1 + cosine) / 2])[sh.BAND]


def kelvin_tint(temperature: float | None) -> np.ndarray:
    """Return the linear RGB (3,) of a colour temperature, luminance 1; 6500 K and None are neutral.

    Raises:
        RelightError: outside 1000..15000 K.
    """
    if temperature is None:
        return np.ones(3)
    if not 1000 <= temperature <= 15000:
        raise RelightError(f"Temperature {temperature:g} K is outside 1000..15000 K.")
    tint = np.asarray(planckian_rgb(temperature) / planckian_rgb(NEUTRAL_KELVIN), dtype=np.float64)
    return _at_luminance_1(np.maximum(tint, 0))


def colour_tint(colour: Sequence[float]) -> np.ndarray:
    """Return a linear RGB colour (3,) scaled to luminance 1.

    Raises:
        RelightError: not three finite numbers, one below 0, or black.
    """
    tint = np.asarray(colour, dtype=np.float64)
    if tint.shape != (3,) or not np.isfinite(tint).all() or tint.min() < 0 or tint.max() == 0:
        raise RelightError("A colour is three finite numbers, red, green and blue, not below 0.")
    return _at_luminance_1(tint)


def _at_luminance_1(tint: np.ndarray) -> np.ndarray:
    return tint / (tint @ LUMINANCE)


def light_as(light: np.ndarray, channels: int) -> np.ndarray:
    """Return a light (9,), (9, 1) or (9, 3) with so many channels: grey repeats, colour becomes its grey.

    Raises:
        RelightError: another shape.
    """
    light = light[:, None] if light.ndim == 1 else light
    if light.shape not in ((COEFFICIENTS, 1), (COEFFICIENTS, 3)):
        raise RelightError(f"A light has the shape (9,), (9, 1) or (9, 3), not {light.shape}.")
    if light.shape[1] == channels:
        return light
    if channels == 1:
        return (light @ LUMINANCE[:, None]).astype(light.dtype)
    return np.repeat(light, channels, axis=1)
