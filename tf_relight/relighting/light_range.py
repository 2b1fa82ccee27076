"""Lights as a portrait network wants them: as bright as those it was trained on."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.light.lamps import LUMINANCE
from tf_relight.light.spherical_harmonics import shading

if TYPE_CHECKING:
    from tf_relight.light.light import Light

TRAINED_ON = (0.5, 1.1)  # first coefficients that reach the network as they are
FARTHEST = (0.4, 1.25)  # what those of ever dimmer and ever brighter lights come near
BRIGHTEST = 1.35  # largest shading of a visible surface; 0.74 to 1.29 in the network's training lights


def network_light(light: Light) -> np.ndarray:
    """Return the (9,) float32 luminance coefficients of a light, brought into the network's range.

    Raises:
        RelightError: the light is dark.
    """
    values = np.asarray(light.luminance, np.float64)
    if values[0] <= 1e-6:
        raise RelightError("The light is dark: its first coefficient is not above 0. Give another light.")
    return in_range(values)


def in_range(values: np.ndarray) -> np.ndarray:
    """Return a light (9,) as float32, as bright as those that the network was trained on.

    Lights of files can have any brightness, and a light straight from the camera would bleach the face. The
    result follows the light without a jump: brightness inside the range stays, outside it levels off.
    """
    first = max(float(values[0]), 1e-6)
    (least, most), (lowest, highest) = TRAINED_ON, FARTHEST
    if first > most:
        wanted = highest - (highest - most) * np.exp((most - first) / (highest - most))
    elif first < least:
        wanted = lowest + (least - lowest) * np.exp((first - least) / (least - lowest))
    else:
        wanted = first
    scaled = np.asarray(values, np.float64) * (wanted / first)
    brightest = float(shading(visible_normals(), scaled).max())
    return (scaled * min(1.0, BRIGHTEST / max(brightest, 1e-6))).astype(np.float32)


def luminance_of_light(light: np.ndarray) -> np.ndarray:
    """Return the (9,) luminance of a light (9, 1) or (9, 3) as a network gives it."""
    return light[:, 0] if light.shape[1] == 1 else light @ LUMINANCE


@functools.cache
def visible_normals() -> np.ndarray:
    """Return unit normals that the camera sees, (n, 3) in DPR's frame."""
    x, z = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    inside = x * x + z * z < 0.99
    return np.stack([x[inside], -np.sqrt(1 - x[inside] ** 2 - z[inside] ** 2), z[inside]], axis=-1)
