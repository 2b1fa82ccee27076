"""Lights inside a TensorFlow graph: from angles, into the network's range, and the colour they lend a photo.

The numbers are those of `Light.from_direction`, `lightness_light`, `light_range` and `photo.lightness`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from export.photo_graph.picture_codec import claim
from tf_relight.contract.card import COEFFICIENTS, Domain, Port
from tf_relight.light import lightness_light
from tf_relight.light import spherical_harmonics as sh
from tf_relight.light.lamps import (
    AMBIENT_SHARE,
    LUMINANCE,
    NEUTRAL_KELVIN,
    USUAL_AMBIENT,
    USUAL_SOFTNESS,
    source_bands,
)
from tf_relight.networks import harmonics
from tf_relight.photo.colour import LUMINANCE_WEIGHTS, XYZ_TO_RGB
from tf_relight.relighting import light_range
from tf_relight.relighting.request import COLDEST, WARMEST

_EVERY = 512  # pixels along the long side that are looked at to tell how bright the lit side became
_DARK = "is dark: its first coefficient is not above 0. Give another light."


class Colours(NamedTuple):
    """The colour of a light from its shadow side to its lit side, as `photo.lightness.LightColour`.

    Attributes:
        shadow, lit: (3,) linear RGB. full_ratio: scalar.
    """

    shadow: Any
    lit: Any
    full_ratio: Any

    def at(self, ratio: Any) -> Any:
        """Return the colour (..., 3), luminance 1, where the picture's luminance changes by `ratio` (...)."""
        darkest, brightest = _luminance(self.shadow), _luminance(self.lit)
        received = brightest * ratio / self.full_ratio
        share = tf.clip_by_value((received - darkest) / tf.maximum(brightest - darkest, 1e-3), 0.0, 1.0)
        colour = self.shadow + share[..., None] * (self.lit - self.shadow)
        return colour / _luminance(colour)[..., None]


def check_light(light: Any, index: Any) -> Any:
    """Return the light (9,) of the picture at `index`, or fail with a message when run.

    Raises:
        InvalidArgumentError: NaN, infinity, or a first coefficient that is not above 0.
    """
    finite = tf.reduce_all(tf.math.is_finite(light))
    with tf.control_dependencies(
        [
            claim(finite, "Light", index, "holds NaN or infinity. Send nine finite numbers."),
            claim(~finite | (light[0] > 1e-6), "Light", index, _DARK),
        ]
    ):
        return tf.identity(light)


def in_lightness(light: Any) -> Any:
    """Return linear lights (..., 9) told in lightness, as `lightness_light.from_linear`."""
    single = np.dtype(np.float32)
    shade, fit = lightness_light.shading_matrix(single), lightness_light.fit_matrix(single)
    shading = tf.maximum(tf.tensordot(light, tf.constant(shade.T), 1), 0.0)
    return tf.tensordot(shading**lightness_light.EXPONENT, tf.constant(fit.T), 1)


def exposed(light: Any, told: Domain, domain: Domain, own: Any) -> tuple[Any, Any, Any]:
    """Return a light (9,) and the photo's own (9,) as a network takes them, and the gain.

    As `light_range.exposed`.

    Args:
        told: the domain of `light`; either that of the network or "linear".
        domain: that of the network, and of `own`.
    """
    if told == domain:
        return in_range(light), in_range(own), tf.ones(())
    even = tf.eye(1, COEFFICIENTS)[0] * light_range.USUAL_LEVEL
    own = tf.where(own[0] < light_range.LEAST_READ, even, in_range(own))
    numbers, gain = levelled(_wanted(light, own))
    own_numbers, own_gain = levelled(own)
    return numbers, own_numbers, gain / own_gain


def levelled(light: Any) -> tuple[Any, Any]:
    """Return a light (9,) as bright as any network knows, and what it was divided by."""
    first = tf.maximum(light[0], 1e-6)
    level = tf.clip_by_value(first, *light_range.LEVELS) / first
    scale = tf.minimum(level, light_range.BRIGHTEST / _brightest(light))
    return light * scale, 1 / scale


def _wanted(light: Any, own: Any) -> Any:
    """Return a linear light (9,) in lightness, as strong as the photo's exposure asks for."""
    numbers = in_lightness(light)
    alike = _on_a_face(own) / tf.maximum(_on_a_face(numbers), 1e-6)
    exposure = tf.minimum(alike, light_range.MOST_MORE * own[0] / numbers[0])
    exposure = tf.minimum(exposure, light_range.BRIGHTER_SIDE * _brightest(own) / _brightest(numbers))
    return numbers * (exposure * (light[0] / USUAL_AMBIENT) ** lightness_light.EXPONENT)


def network_light(light: Any, told: Domain, domain: Domain) -> Any:
    """Return a light (9,) as a network takes it when the photo's own is not known."""
    if told == domain:
        return in_range(light)
    return levelled(_wanted(light, tf.eye(1, COEFFICIENTS)[0] * light_range.USUAL_LEVEL))[0]


def in_range(light: Any) -> Any:
    """Return the light (9,) as bright as those of the network's training; outside its range it levels off."""
    (least, most), (lowest, highest) = light_range.TRAINED_ON, light_range.FARTHEST
    first = tf.maximum(light[0], 1e-6)
    above = highest - (highest - most) * tf.exp(tf.minimum(most - first, 0.0) / (highest - most))
    below = lowest + (least - lowest) * tf.exp(tf.minimum(first - least, 0.0) / (least - lowest))
    light *= tf.where(first > most, above, tf.where(first < least, below, first)) / first
    brightest = tf.reduce_max(tf.linalg.matvec(_visible_basis(), light))
    # A light that leaves every visible surface dark is not made brighter.
    return light * tf.where(brightest > light_range.BRIGHTEST, light_range.BRIGHTEST / brightest, 1.0)


def network_numbers(light: Any, told: Domain, port: Port, index: Any, own: Any = None) -> tuple[Any, Any]:
    """Return a light (9,), or (27,) colour by colour, as a port takes it, (9 channels,), and the gain.

    Args:
        own: the photo's own light, as the network reads it, colour by colour; None if unknown.

    Raises:
        InvalidArgumentError: when run, as `check_light`, of the light's luminance.
    """
    weights = tf.constant(LUMINANCE, tf.float32)

    def as_taken(grey: Any) -> tuple[Any, Any]:
        if own is None:
            return network_light(grey, told, port.domain), tf.ones(())
        by_colour = tf.reshape(own, (-1, COEFFICIENTS))
        single = (
            tf.linalg.matvec(by_colour, weights, transpose_a=True) if port.channels == 3 else by_colour[0]
        )
        numbers, _, gain = exposed(grey, told, port.domain, single)
        return numbers, gain

    if light.shape[0] == COEFFICIENTS:
        numbers, gain = as_taken(check_light(light, index))
        return tf.tile(numbers, [port.channels]), gain
    colours_of_light = tf.reshape(light, (3, COEFFICIENTS))
    grey = check_light(tf.linalg.matvec(colours_of_light, weights, transpose_a=True), index)
    numbers, gain = as_taken(grey)
    if port.channels == 1:
        return numbers, gain
    if told != port.domain:
        colours_of_light = in_lightness(colours_of_light)
        grey = tf.linalg.matvec(colours_of_light, weights, transpose_a=True)
    return tf.reshape(colours_of_light, (-1,)) * (numbers[0] / grey[0]), gain


def colour_of(light: Any) -> Any:
    """Return the linear RGB (3,) of luminance 1 of a light (27,), that of its mean from all around."""
    colour = tf.maximum(light[::COEFFICIENTS], 0.0)
    return colour / tf.maximum(_luminance(colour), 1e-6)


def from_angles(azimuth: Any, elevation: Any, index: Any) -> Any:
    """Return the light (9,) of a direction in degrees, both scalar: 0, 0 comes from the camera.

    Raises:
        InvalidArgumentError: when run, for angles that are not finite, or an elevation outside -90..90.
    """
    finite = tf.math.is_finite(azimuth) & tf.math.is_finite(elevation)
    with tf.control_dependencies(
        [
            claim(finite, "Light", index, "has an angle that is not a finite number of degrees."),
            claim(~finite | (tf.abs(elevation) <= 90), "Elevation", elevation, "is outside -90..90 degrees."),
        ]
    ):
        across, up = (tf.cast(angle, tf.float64) * (np.pi / 180) for angle in (azimuth, elevation))
    toward = tf.stack(
        [tf.sin(across) * tf.cos(up), -tf.cos(across) * tf.cos(up), tf.sin(up)],
    )
    point = harmonics.basis(toward) / sh.ATTENUATION
    bands = source_bands(USUAL_SOFTNESS)
    even = np.eye(1, 9)[0]
    light = USUAL_AMBIENT * ((1 - AMBIENT_SHARE) * bands * point / point[0] + AMBIENT_SHARE * even)
    return tf.cast(light, tf.float32)


def tint(temperature: Any) -> Any:
    """Return the linear RGB (3,) of a lamp of that many kelvin, a scalar; 6500 gives white.

    Raises:
        InvalidArgumentError: when run, outside 1000..15000 K.
    """
    inside = (temperature >= WARMEST) & (temperature <= COLDEST)
    message = f"is outside {WARMEST}..{COLDEST} K. 6500 is neutral, 3000 is warm."
    with tf.control_dependencies([claim(inside, "Temperature", temperature, message)]):
        kelvin = tf.cast(temperature, tf.float64)
    return tf.cast(_planckian(kelvin) / _planckian(tf.constant(NEUTRAL_KELVIN, tf.float64)), tf.float32)


def colours(light: Any, lamp_tint: Any, ratio: Any) -> Colours:
    """Return how a grey light (9,) with a coloured lamp tints a photo; the shadows stay neutral.

    Args:
        lamp_tint: (3,) from `tint`.
        ratio: (H, W) by what the luminance of the photo's pixels is multiplied.
    """
    received = tf.maximum(tf.linalg.matvec(_visible_basis(), light), 0.0)
    darkest, brightest = tf.reduce_min(received) + 1e-3, tf.reduce_max(received) + 1e-3
    step = tf.maximum(1, tf.reduce_max(tf.shape(ratio)) // _EVERY)
    shadow = tf.fill([3], darkest)
    return Colours(shadow, shadow + (brightest - darkest) * lamp_tint, percentile(ratio[::step, ::step], 95))


def percentile(values: Any, percent: float) -> Any:
    """Return a percentile of all values as a scalar, interpolated between neighbours as NumPy does."""
    ordered = tf.sort(tf.reshape(values, (-1,)))
    place = tf.cast(tf.size(ordered) - 1, tf.float64) * (percent / 100)
    first = tf.cast(tf.floor(place), tf.int32)
    share = tf.cast(place - tf.floor(place), tf.float32)
    below, above = ordered[first], ordered[tf.minimum(first + 1, tf.size(ordered) - 1)]
    return below + share * (above - below)


def _luminance(linear: Any) -> Any:
    return tf.reduce_sum(linear * tf.constant(LUMINANCE_WEIGHTS, tf.float32), axis=-1)


def _brightest(light: Any) -> Any:
    return tf.maximum(tf.reduce_max(tf.linalg.matvec(_visible_basis(), light)), 1e-6)


def _on_a_face(light: Any) -> Any:
    weights = tf.constant(light_range.face_weights(), tf.float32)
    return tf.reduce_sum(weights * tf.linalg.matvec(_visible_basis(), light))


def _visible_basis() -> Any:
    return tf.constant(sh.basis(light_range.visible_normals()), tf.float32)


def _planckian(t: Any) -> Any:
    """As `tf_relight.photo.colour.planckian_rgb`, for a float64 scalar."""
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (
        1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t
    )
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (
        1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t
    )
    scale = 2 * u - 8 * v + 4
    x, y = 3 * u / scale, 2 * v / scale
    xyz = tf.stack([x / y, tf.ones_like(x), (1 - x - y) / y])
    return tf.linalg.matvec(tf.constant(XYZ_TO_RGB), xyz)
