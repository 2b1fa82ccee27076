"""Lights as a portrait network wants them: as bright as those it was trained on."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

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

LEVELS = (0.6, 0.75)
"""First coefficients, in lightness, of lights that every network met in training, however hard they were."""
MOST_MORE, BRIGHTER_SIDE = 1.6, 1.3
"""Limits of the exposure under a physical light: of the light all around the ball, and on its lit side."""
LEAST_READ = 0.05
USUAL_LEVEL = 0.8
"""First coefficient, in lightness, of a light of usual brightness where the photo's own is not known."""


class Exposed(NamedTuple):
    """A light as a network takes it.

    Attributes:
        numbers: (9,) float32. own: (9,) float32, the photo's own light taken alike; None where unknown.
        gain: by what the lightness is multiplied that the network draws under the one, over what it draws
            under the other.
    """

    numbers: np.ndarray
    own: np.ndarray | None
    gain: float


def exposed(light: Light, domain: Domain, own: np.ndarray | None = None) -> Exposed:
    """Return a light as a network of a domain takes it.

    A light told in lightness, as in DPR's files, reaches a network of lightness as it is. A physical one has
    no exposure of its own: at usual brightness a face is as bright under it, in the mean, as under the
    photo's own light, so that the photo keeps its exposure. Light from behind may be `MOST_MORE` times as
    strong as the photo's own light, and no stronger: what it leaves dark stays dark; nor may the lit side be
    more than `BRIGHTER_SIDE` times as bright as the photo's own lit side, lest it burns. How bright both
    lights are, the network need not know: it gets them as bright as those of its training, and the rest is
    the gain.

    Args:
        own: (9,) the photo's own light in that domain, or None.

    Raises:
        RelightError: the light is dark.
    """
    if light.luminance[0] <= 1e-6:
        raise RelightError("The light is dark: its first coefficient is not above 0. Give another light.")
    values = light.grey(domain)
    if domain == "linear" or light.domain == "lightness":
        return Exposed(in_range(values), None if own is None else in_range(own), 1.0)
    even = np.eye(1, len(values))[0] * USUAL_LEVEL
    # A network that reads darkness reads nothing.
    usual = even if own is None or own[0] < LEAST_READ else in_range(own)
    exposure = min(
        on_a_face(usual) / max(on_a_face(values), 1e-6),
        MOST_MORE * float(usual[0]) / float(values[0]),
        BRIGHTER_SIDE * brightest(usual) / brightest(values),
    )
    wanted = values * (exposure * (light.luminance[0] / USUAL_AMBIENT) ** EXPONENT)
    numbers, gain = levelled(wanted)
    if own is None:
        return Exposed(numbers, None, gain)
    own_numbers, own_gain = levelled(usual)
    return Exposed(numbers, own_numbers, gain / own_gain)


def levelled(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a light (9,) at one of `LEVELS`, float32, and what it was divided by."""
    first = max(float(values[0]), 1e-6)
    scale = min(float(np.clip(first, *LEVELS)) / first, BRIGHTEST / brightest(values))
    return (np.asarray(values, np.float64) * scale).astype(np.float32), 1 / scale


def network_light(light: Light, domain: Domain, own: np.ndarray | None = None) -> np.ndarray:
    """Return the numbers of `exposed`: (9,) float32."""
    return exposed(light, domain, own).numbers


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
    return (scaled * min(1.0, BRIGHTEST / brightest(scaled))).astype(np.float32)


def brightest(values: np.ndarray) -> float:
    """Return the largest shading under a light (9,) of a surface that the camera sees."""
    return max(float(shading(visible_normals(), np.asarray(values, np.float64)).max()), 1e-6)


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
