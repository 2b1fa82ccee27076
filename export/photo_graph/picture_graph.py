"""Whole pictures inside a TensorFlow graph: what `relight image` does, without the search for faces.

`relight_scene` and `relight_portrait` take a full-size photo of unknown height and width and run the network
on a small copy; the change of light is brought to full size by `transfer_graph`.
Differs from `relighting.portraits`: the whole picture is relit at once, as there for one face that fills it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from export.photo_graph.light_graph import (
    Colours,
    check_light,
    colour_of,
    colours,
    exposed,
    network_light,
    network_numbers,
)
from export.photo_graph.transfer_graph import STRIP_PIXELS, blur, in_strips, resize, transfer
from tf_relight.contract.card import COEFFICIENTS, Domain, Port
from tf_relight.photo.colour import LUMINANCE_WEIGHTS, RGB_TO_XYZ, XYZ_TO_RGB
from tf_relight.photo.lightness import BLACK, CEILING, KNEE
from tf_relight.photo.transfer import LIGHTNESS_FOOT, SRGB_FOOT
from tf_relight.relighting.face_places import STRETCH
from tf_relight.relighting.portraits import EVENNESS, WEAVE

NOT_FINITE = "The network's result holds values that are not numbers. Use other weights."

Network = Callable[..., Any]
"""(image (1, h, w, C)) -> relit (1, h, w, C), of any h and w. Of portraits (image, light (1, 9)) -> (relit,
own light (1, 9)); the latter is None from a network that does not read light."""


# -- Whole pictures ------------------------------------------------------------------------------------------


def relight_scene(pixels: Any, network: Network, side: int) -> Any:
    """Return a photo under the network's own light.

    Args:
        pixels: (H, W, 3) float32 sRGB 0..1.
        side: long side at which the network works; a photo no larger goes through it as it is.

    Returns:
        (H, W, 3) float32 sRGB 0..1.
    """
    shape = tf.shape(pixels)
    height, width = working_size(shape, side)

    def run(picture: Any) -> Any:
        relit = tf.clip_by_value(network(picture[None])[0], 0.0, 1.0)
        return tf.debugging.check_numerics(relit, NOT_FINITE)

    def larger() -> Any:
        small = resize(pixels, height, width)
        square, place = as_square(small)
        return transfer(pixels, small, cut_out(run(square), place), SRGB_FOOT)

    return tf.cond((height == shape[0]) & (width == shape[1]), lambda: run(pixels), larger)


def relight_portrait(
    pixels: Any,
    network: Network,
    side: int,
    light: Any,
    told: Domain,
    port: Port,
    index: Any,
    lamp_tint: Any | None = None,
) -> Any:
    """Return a photo of one person under another light; hue and saturation of the pixels stay.

    Args:
        pixels: (H, W, 3) float32 sRGB 0..1.
        side: long side at which the network works; smaller photos grow to it.
        light: (9,) coefficients, frame "dpr", told in the domain `told`; brought into the network's range.
        port: the network's input for a light. index: of the picture in its batch, for messages.
        lamp_tint: (3,) colour of the light's directed part from `light_graph.tint`; None is neutral.

    Returns:
        (H, W, 3) float32 sRGB 0..1.
    """
    light = check_light(light, index)
    before = lightness(pixels)
    height, width = portrait_size(tf.shape(pixels), side)
    small = resize(before, height, width)
    drawn = without_weave(small, _drawn(small, network, light, told, port.domain), side)
    after = transfer(before, small, drawn, LIGHTNESS_FOOT)
    lamp = None
    if lamp_tint is not None:
        lamp = colours(light, lamp_tint, luminance_ratio(before, after)[..., 0])
    return change_lightness(pixels, before, after, lamp)


def relight_in_colour(
    pixels: Any, network: Network, side: int, light: Any, told: Domain, port: Port, index: Any
) -> Any:
    """Return a photo under another light by a network that gives pictures in colour.

    Args:
        pixels: (H, W, 3) float32 sRGB 0..1.
        side: long side at which the network works; smaller photos grow to it.
        light: (9,) coefficients, or (27,) colour by colour, frame "dpr", told in the domain `told`; brought
            into the network's range.
        port: the network's input for a light; one of grey lights lends the picture the colour.
        index: of the picture in its batch, for messages.

    Returns:
        (H, W, 3) float32 sRGB 0..1.
    """
    height, width = same_shape(tf.shape(pixels), side)
    small = resize(pixels, height, width)
    square, place = as_square(small)
    own = None
    if port.domain == "lightness":
        own = network(square[None], tf.zeros((1, COEFFICIENTS * port.channels)))[1]
        own = None if own is None else own[0]
    numbers, gain = network_numbers(light, told, port, index, own)
    relit = tf.clip_by_value(cut_out(network(square[None], numbers[None])[0][0], place), 0.0, 1.0)
    relit = tf.clip_by_value(gain * (relit + SRGB_FOOT) - SRGB_FOOT, 0.0, 1.0)
    relit = tf.debugging.check_numerics(relit, NOT_FINITE)
    if light.shape[0] > COEFFICIENTS and port.channels == 1:
        relit = tf.clip_by_value(linear_to_srgb(srgb_to_linear(relit) * colour_of(light)), 0.0, 1.0)
    return tf.clip_by_value(transfer(pixels, small, relit, SRGB_FOOT), 0.0, 1.0)


def _drawn(before: Any, network: Network, light: Any, told: Domain, domain: Domain) -> Any:
    """Return lightness (h, w, 1) under a light.

    It is what differs between the network's answers to it and to the photo's own, as in `PortraitRelighter`.
    """
    square, place = as_square(before)
    first, own = network(square[None], network_light(light, told, domain)[None])
    if own is None:
        return tf.debugging.check_numerics(cut_out(first[0], place), NOT_FINITE)
    numbers, own_numbers, gain = exposed(light, told, domain, own[0])
    lights = tf.stack([numbers, own_numbers])
    both = tf.unstack(network(tf.stack([square, square]), lights)[0])
    drawn, unchanged = (tf.debugging.check_numerics(cut_out(each, place), NOT_FINITE) for each in both)
    ratio = gain * (drawn + LIGHTNESS_FOOT) / (unchanged + LIGHTNESS_FOOT)
    return ratio * (before + LIGHTNESS_FOOT) - LIGHTNESS_FOOT


def as_square(picture: Any) -> tuple[Any, tuple[Any, Any, Any, Any]]:
    """Return a picture (h, w, C) in the middle of a square, reflected, and where it lies there.

    As `relighting.squares.as_square`.
    """
    shape = tf.shape(picture)
    height, width = shape[0], shape[1]
    side = tf.maximum(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    rows, columns = _reflected(height, top, side), _reflected(width, left, side)
    return tf.gather(tf.gather(picture, rows), columns, axis=1), (top, left, height, width)


def _reflected(length: Any, before: Any, side: Any) -> Any:
    place = tf.math.floormod(tf.range(side) - before, 2 * length)
    return tf.minimum(place, 2 * length - 1 - place)


def cut_out(square: Any, place: tuple[Any, Any, Any, Any]) -> Any:
    """Return the part of a square (S, S, C) that `as_square` was given."""
    top, left, height, width = place
    return square[top : top + height, left : left + width]


def same_shape(shape: Any, side: int) -> tuple[Any, Any]:
    """Return height and width of the same shape with the given long side."""
    sides = tf.cast(shape[:2], tf.float64)
    return _rounded(sides / tf.reduce_max(sides) * side)


def working_size(shape: Any, side: int) -> tuple[Any, Any]:
    """Return height and width of the same shape with at most the given long side."""
    sides = tf.cast(shape[:2], tf.float64)
    return _rounded(sides * tf.minimum(side / tf.reduce_max(sides), 1.0))


def portrait_size(shape: Any, side: int) -> tuple[Any, Any]:
    """Return height and width at which a portrait reaches a network, as `face_places.size_for_network`."""
    sides = tf.cast(shape[:2], tf.float64)
    return _rounded(tf.minimum(STRETCH * sides / tf.reduce_max(sides), 1.0) * side)


def _rounded(sides: Any) -> tuple[Any, Any]:
    whole = tf.maximum(1, tf.cast(tf.round(sides), tf.int32))
    return whole[0], whole[1]


def without_weave(before: Any, after: Any, side: int) -> Any:
    """Return what the network drew without its fine weave, as `portraits.without_weave`.

    Args:
        before, after: (h, w, 1) lightness 0..1 whose long side is `side`.
    """
    window = 2 * max(1, round(WEAVE * side)) + 1
    even = tf.fill([window], 1 / window)
    ratio = (after + LIGHTNESS_FOOT) / (before + LIGHTNESS_FOOT)
    together = tf.concat([before, ratio, before * ratio, before * before], axis=-1)
    mean_before, mean_ratio, mean_product, mean_square = tf.split(blur(together, even), 4, axis=-1)
    slope = (mean_product - mean_before * mean_ratio) / (mean_square - mean_before**2 + EVENNESS)
    model = blur(tf.concat([slope, mean_ratio - slope * mean_before], axis=-1), even)
    smooth = model[..., :1] * before + model[..., 1:]
    return tf.clip_by_value(smooth * (before + LIGHTNESS_FOOT) - LIGHTNESS_FOOT, 0.0, 1.0)


# -- Colour --------------------------------------------------------------------------------------------------


def srgb_to_linear(encoded: Any) -> Any:
    """Return linear light of sRGB-encoded values of any shape, 0..1. Source: IEC 61966-2-1."""
    curve = ((tf.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return tf.where(encoded <= 0.04045, encoded / 12.92, curve)


def linear_to_srgb(linear: Any) -> Any:
    """Return sRGB-encoded values of linear light; the inverse of `srgb_to_linear`."""
    curve = 1.055 * tf.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return tf.where(linear <= 0.0031308, linear * 12.92, curve)


def rgb_to_lab(encoded: Any) -> Any:
    """Return CIE Lab, white point D65, of sRGB pixels (..., 3): L 0..100, a and b about -110..110."""
    to_ratio = tf.constant(RGB_TO_XYZ.T / RGB_TO_XYZ.sum(axis=1), encoded.dtype)
    ratio = tf.tensordot(srgb_to_linear(encoded), to_ratio, 1)
    straight = ratio / (3 * (6 / 29) ** 2) + 4 / 29
    f = tf.where(ratio > (6 / 29) ** 3, tf.maximum(ratio, 1e-3) ** (1 / 3), straight)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return tf.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: Any) -> Any:
    """Return sRGB pixels (..., 3) of CIE Lab; colours outside sRGB leave 0..1."""
    y = (lab[..., 0] + 16) / 116
    f = tf.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    ratio = tf.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    to_rgb = tf.constant((XYZ_TO_RGB * RGB_TO_XYZ.sum(axis=1)).T, lab.dtype)
    return linear_to_srgb(tf.tensordot(ratio, to_rgb, 1))


def lightness(pixels: Any) -> Any:
    """Return L of CIE Lab divided by 100, (H, W, 1), of sRGB pixels (H, W, 3) 0..1."""
    return _by_strips(lambda parts: _lightness_of(_luminance(srgb_to_linear(parts[0]))), (pixels,), 1)


def luminance_ratio(before: Any, after: Any) -> Any:
    """Return by what linear light is multiplied when lightness `before` (...) 0..1 becomes `after`."""
    return (_luminance_of(after) + BLACK) / (_luminance_of(before) + BLACK)


def change_lightness(pixels: Any, before: Any, after: Any, lamp: Colours | None = None) -> Any:
    """Return the picture with other lightness, hue and saturation kept, as `tf_relight.photo.lightness` does.

    Args:
        pixels: (H, W, 3) sRGB 0..1. before: (H, W, 1) their lightness 0..1. after: (H, W, 1) the new one.
        lamp: colours of the new light; None is neutral.
    """

    def strip(parts: tuple[Any, ...]) -> Any:
        ratio = luminance_ratio(parts[1], parts[2])
        factor = ratio if lamp is None else ratio * lamp.at(ratio[..., 0])
        old = srgb_to_linear(parts[0])
        light = _rolled_off(_calmed(old, factor) * factor, old)
        return tf.clip_by_value(linear_to_srgb(light), 0.0, 1.0)

    return _by_strips(strip, (pixels, before, after), 3)


def _by_strips(work: Callable[..., Any], pictures: tuple[Any, ...], channels: int) -> Any:
    shape = tf.shape(pictures[0])
    rows = tf.clip_by_value(STRIP_PIXELS // shape[1], 1, shape[0])
    strips = (shape[0] + rows - 1) // rows
    return in_strips(work, rows, strips, pictures, (), channels)[: shape[0]]


def _calmed(light: Any, factor: Any) -> Any:
    """Return linear RGB a little less saturated where it gets brighter and more where it gets darker."""
    grey = _luminance(light)
    brighter = tf.maximum(factor, 1.0) ** (-1 / 6)
    darker = tf.clip_by_value(factor, 0.1, 1.0) ** (-1 / 12)
    return tf.maximum(grey + (light - grey) * (brighter * darker), 0.0)


def _rolled_off(light: Any, before: Any) -> Any:
    """Return linear RGB with highlights bent below white: half all channels alike, half each by itself."""
    most, was = (tf.reduce_max(each, axis=-1, keepdims=True) for each in (light, before))
    alike = light * (_shoulder(most, was) / tf.maximum(most, KNEE))
    return tf.where(most > KNEE, (alike + _shoulder(light, before)) / 2, light)


def _shoulder(light: Any, before: Any) -> Any:
    knee, ceiling = tf.maximum(before, KNEE), tf.maximum(before, CEILING)
    room, over = ceiling - knee, tf.maximum(light - knee, 0.0)
    return tf.minimum(light, knee) + room * over / tf.sqrt(room * room + over * over + 1e-12)


def _luminance(linear: Any) -> Any:
    """(..., 3) -> (..., 1)."""
    return tf.reduce_sum(linear * tf.constant(LUMINANCE_WEIGHTS, linear.dtype), axis=-1, keepdims=True)


def _lightness_of(value: Any) -> Any:
    root = 116 * tf.maximum(value, 1e-3) ** (1 / 3) - 16
    return tf.where(value > (6 / 29) ** 3, root, (29 / 3) ** 3 * value) / 100


def _luminance_of(value: Any) -> Any:
    return tf.where(value > 0.08, ((100 * value + 16) / 116) ** 3, 100 * value / (29 / 3) ** 3)
