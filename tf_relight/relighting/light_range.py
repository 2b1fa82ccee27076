"""Lights as a portrait network wants them: as bright as those it was trained on."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.light.lamps import LUMINANCE, USUAL_AMBIENT
from tf_relight.light.lightness_light import EXPONENT
from tf_relight.light.spherical_harmonics import shading

if TYPE_CHECKING:
    from tf_relight.contract.card import Domain
    from tf_relight.light.light import Light

TRAINED_ON = (0.5, 1.1)  # first coefficients that reach the network as they are
FARTHEST = (0.4, 1.25)  # what those of ever dimmer and ever brighter lights come near
BRIGHTEST = 1.35  # largest shading of a visible surface; 0.74 to 1.29 in the network's training lights

LEVELS = (0.55, 1.02)
"""First coefficients, in lightness, of lights as networks met them in training: DPR's own, and ours."""
MOST_MORE = 1.6
USUAL_LEVEL = 0.8
"""First coefficient, in lightness, of a light of usual brightness where the photo's own is not known."""


def exposed(light: Light, domain: Domain, own: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Return a light as a network takes it, (9,) float32, and the factor of the lightness that it draws.

    A light told in lightness, as in DPR's files, reaches a network of lightness as it is. A physical one has
    no exposure of its own: at usual brightness a face is as bright under it, in the mean, as under the
    photo's own light, so that the photo keeps its exposure. Light from behind may be `MOST_MORE` times as
    strong as the photo's own light, and no stronger: what it leaves dark stays dark. How bright a light is,
    the network need not know: it gets one as bright as those of its training, and the rest is the factor.

    Args:
        own: (9,) the photo's own light in that domain, or None.

    Raises:
        RelightError: the light is dark.
    """
    if light.luminance[0] <= 1e-6:
        raise RelightError("The light is dark: its first coefficient is not above 0. Give another light.")
    values = light.grey(domain)
    if domain == "linear" or light.domain == "lightness":
        return in_range(values), 1.0
    own = np.eye(1, len(values))[0] * USUAL_LEVEL if own is None else own
    exposure = min(on_a_face(own) / max(on_a_face(values), 1e-6), MOST_MORE * float(own[0]) / values[0])
    wanted = values * (exposure * (light.luminance[0] / USUAL_AMBIENT) ** EXPONENT)
    brightest = max(float(shading(visible_normals(), wanted).max()), 1e-6)
    scale = min(float(np.clip(wanted[0], *LEVELS)) / wanted[0], BRIGHTEST / brightest)
    return (wanted * scale).astype(np.float32), 1 / scale


def network_light(light: Light, domain: Domain, own: np.ndarray | None = None) -> np.ndarray:
    """Return the first of what `exposed` returns: (9,) float32."""
    return exposed(light, domain, own)[0]


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


def on_a_face(values: np.ndarray) -> float:
    """Return the mean shading under a light (9,) of a ball's visible half, where most of it faces the camera.

    A face does: each place of the ball counts by the square of how far it faces the camera.
    """
    return float(shading(visible_normals(), np.asarray(values, np.float64)) @ face_weights())


@functools.cache
def face_weights() -> np.ndarray:
    """Return the weights (n,) of `visible_normals` in `on_a_face`; they add up to 1."""
    facing = visible_normals()[:, 1] ** 2
    return facing / facing.sum()


def luminance_of_light(light: np.ndarray) -> np.ndarray:
    """Return the (9,) luminance of a light (9, 1) or (9, 3) as a network gives it."""
    return light[:, 0] if light.shape[1] == 1 else light @ LUMINANCE


@functools.cache
def visible_normals() -> np.ndarray:
    """Return unit normals that the camera sees, (n, 3) in DPR's frame."""
    x, z = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    inside = x * x + z * z < 0.99
    return np.stack([x[inside], -np.sqrt(1 - x[inside] ** 2 - z[inside] ** 2), z[inside]], axis=-1)
