"""The functions that a SavedModel answers with, one per signature, and what their inputs and outputs are.

    relight         float pixels in and out, through the network at their own size
    relight_jpeg    picture files in, JPEG files out, at any size (also `serving_default`)
    relight_png     the same with PNG files out
    relight_angles  as relight_jpeg, the light given as angles and colour temperature (portraits)

Every input has the batch as its first axis, and the pictures of a batch may differ in size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from export.network import relight_function
from export.photo_graph import light_graph, picture_graph
from export.photo_graph.picture_codec import Decoded, claim, decode, encode_jpeg, encode_png
from export.signatures import IMAGE, LIGHT, RELIT
from tf_relight.contract.card import COEFFICIENTS, Port
from tf_relight.relighting.request import COLDEST, WARMEST

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

IMAGE_BYTES, RELIT_BYTES = "image_bytes", "relit_bytes"
AZIMUTH, ELEVATION, TEMPERATURE = "azimuth", "elevation", "temperature"
FLOAT, JPEG, PNG, ANGLES = "relight", "relight_jpeg", "relight_png", "relight_angles"
SERVING_DEFAULT = JPEG
_PICTURES_AT_ONCE = 2  # bounds the memory of a batch; each picture keeps several cores busy already
_ONE_PICTURE = tf.TensorSpec((None, None, 3), tf.float32), tf.TensorSpec((), tf.int32)

_COUNTED = {9: "nine", 27: "27"}
MEANINGS = {
    IMAGE: "sRGB pixels, 0..1, of one size for the whole batch",
    LIGHT: "spherical harmonics coefficients, frame dpr: nine, or nine each for red, green and blue",
    RELIT: "sRGB pixels, 0..1",
    IMAGE_BYTES: "whole JPEG, PNG or WebP files",
    RELIT_BYTES: "whole picture files of the size of the originals",
    AZIMUTH: "degrees: 0 from the camera, 90 from the picture's right, 180 from behind",
    ELEVATION: "degrees above the horizon, -90..90",
    TEMPERATURE: f"kelvin, {WARMEST}..{COLDEST}; 6500 is neutral",
}


@dataclass(frozen=True)
class PictureLimits:
    """What a request may ask for.

    Attributes:
        max_pixels: of one picture file.
        max_float_pixels: of one picture given as floats, which goes through the network in full.
    """

    max_pixels: int = 50_000_000
    max_float_pixels: int = 2048 * 2048


@dataclass(frozen=True)
class Signature:
    """One entry of a SavedModel.

    Attributes:
        name: as callers write it.
        inputs: in the order of the function's arguments.
        function: takes tensors of `inputs`, returns {name: tensor}.
        outputs: name to (shape, dtype) of what it returns.
    """

    name: str
    inputs: tuple[tf.TensorSpec, ...]
    function: Callable[..., dict[str, Any]]
    outputs: dict[str, tf.TensorSpec]


def signatures_for(loaded: LoadedModel, side: int, limits: PictureLimits) -> list[Signature]:
    """Return the signatures of a loaded method, the default one first.

    Args:
        side: long side in pixels at which the network works on picture files.
    """
    network, info = _network(loaded), loaded.method.info
    if info.light is None:
        return _scene_signatures(network, side, limits)
    if info.picture.kind == "lightness":
        return _portrait_signatures(network, info.light, side, limits)
    return _coloured_signatures(network, info.light, side, limits)


def _network(loaded: LoadedModel) -> Callable[..., Any]:
    """Return the bare network as one graph that all share.

    Returns:
        picture -> relit picture, or (picture, light (B, 9 C)) -> (relit picture, the picture's own light, or
        None where the method does not read it). A light in colour is laid out colour by colour.
    """
    function, inputs, _ = relight_function(loaded)
    specs = {spec.name: tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in inputs}
    if LIGHT not in specs:
        return _traced(lambda image: function(image=image)[RELIT], specs[IMAGE])

    port, own = loaded.method.info.light, loaded.method.info.source_light
    assert port is not None
    count = COEFFICIENTS * port.channels

    def with_light(image: Any, light: Any) -> Any:
        made = function(image=image, light=tf.reshape(light, (-1, 1, 1, count)))
        if own is None:
            return made[RELIT], None
        return made[RELIT], tf.reshape(made[own.name], (-1, COEFFICIENTS * own.channels))

    return _traced(with_light, specs[IMAGE], tf.TensorSpec((None, count), tf.float32))


def _traced(function: Callable[..., Any], *specs: tf.TensorSpec) -> Callable[..., Any]:
    """Return a function as one finished graph, which whoever calls it shares."""
    return tf.function(function, input_signature=specs, autograph=False).get_concrete_function()


# -- Scenes --------------------------------------------------------------------------------------------------


def _scene_signatures(network: Any, side: int, limits: PictureLimits) -> list[Signature]:
    def relight(image: Any) -> dict[str, Any]:
        checked = _checked_pixels(image, limits)
        return {RELIT: _finished(tf.clip_by_value(network(checked), 0.0, 1.0))}

    def of_picture(pixels: Any, index: Any) -> Any:
        return picture_graph.relight_scene(pixels, network, side)

    relight_one = _traced(of_picture, *_ONE_PICTURE)
    decode_one = _decoder(limits)

    def files(encode: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
        def relight_files(image_bytes: Any) -> dict[str, Any]:
            return _each_file(decode_one, relight_one, encode, image_bytes, {})

        return relight_files

    return [
        _file_signature(JPEG, (), files(encode_jpeg)),
        _file_signature(PNG, (), files(encode_png)),
        _float_signature((), relight),
    ]


# -- Portraits -----------------------------------------------------------------------------------------------


def _portrait_signatures(network: Any, port: Port, side: int, limits: PictureLimits) -> list[Signature]:
    def relight(image: Any, light: Any) -> dict[str, Any]:
        """As the method's own `relight`: L of Lab goes through the network, a and b stay."""
        lab = picture_graph.rgb_to_lab(_checked_pixels_and_light(image, light, limits))
        drawn, _ = network(lab[..., :1] / 100, light)
        relit = picture_graph.lab_to_rgb(tf.concat([100 * drawn, lab[..., 1:]], axis=-1))
        return {RELIT: _finished(tf.clip_by_value(relit, 0.0, 1.0))}

    def with_light(pixels: Any, index: Any, light: Any) -> Any:
        return picture_graph.relight_portrait(pixels, network, side, light, port.domain, port, index)

    def with_angles(pixels: Any, index: Any, azimuth: Any, elevation: Any, temperature: Any) -> Any:
        light = light_graph.from_angles(azimuth, elevation, index)
        tint = light_graph.tint(temperature)
        return picture_graph.relight_portrait(pixels, network, side, light, "linear", port, index, tint)

    return _lit_signatures(with_light, with_angles, relight, COEFFICIENTS, limits)


# -- Pictures in colour with a light -------------------------------------------------------------------------


def _coloured_signatures(network: Any, port: Port, side: int, limits: PictureLimits) -> list[Signature]:
    def relight(image: Any, light: Any) -> dict[str, Any]:
        drawn, _ = network(_checked_pixels_and_light(image, light, limits), light)
        return {RELIT: _finished(tf.clip_by_value(drawn, 0.0, 1.0))}

    def with_light(pixels: Any, index: Any, light: Any) -> Any:
        return picture_graph.relight_in_colour(pixels, network, side, light, port.domain, port, index)

    def with_angles(pixels: Any, index: Any, azimuth: Any, elevation: Any, temperature: Any) -> Any:
        light, tint = light_graph.from_angles(azimuth, elevation, index), light_graph.tint(temperature)
        coloured = tf.reshape(tint[:, None] * light[None], (3 * COEFFICIENTS,))
        return picture_graph.relight_in_colour(pixels, network, side, coloured, "linear", port, index)

    return _lit_signatures(with_light, with_angles, relight, COEFFICIENTS * port.channels, limits)


# -- Parts ---------------------------------------------------------------------------------------------------


def _lit_signatures(
    with_light: Callable[..., Any],
    with_angles: Callable[..., Any],
    relight: Callable[..., dict[str, Any]],
    count: int,
    limits: PictureLimits,
) -> list[Signature]:
    """Return the signatures of a network that takes a light of `count` numbers."""
    light_spec = tf.TensorSpec((None, count), tf.float32, name=LIGHT)
    numbers = tuple(
        tf.TensorSpec((None,), tf.float32, name=name) for name in (AZIMUTH, ELEVATION, TEMPERATURE)
    )
    decode_one, number = _decoder(limits), tf.TensorSpec((), tf.float32)
    lit_by_light = _traced(with_light, *_ONE_PICTURE, tf.TensorSpec((count,), tf.float32))
    lit_by_angles = _traced(with_angles, *_ONE_PICTURE, number, number, number)

    def files(encode: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
        def relight_files(image_bytes: Any, light: Any) -> dict[str, Any]:
            return _each_file(decode_one, lit_by_light, encode, image_bytes, {LIGHT: light})

        return relight_files

    def angles(image_bytes: Any, azimuth: Any, elevation: Any, temperature: Any) -> dict[str, Any]:
        given = {AZIMUTH: azimuth, ELEVATION: elevation, TEMPERATURE: temperature}
        return _each_file(decode_one, lit_by_angles, encode_jpeg, image_bytes, given)

    return [
        _file_signature(JPEG, (light_spec,), files(encode_jpeg)),
        _file_signature(PNG, (light_spec,), files(encode_png)),
        _file_signature(ANGLES, numbers, angles),
        _float_signature((light_spec,), relight),
    ]


def _file_signature(
    name: str, more: tuple[tf.TensorSpec, ...], function: Callable[..., dict[str, Any]]
) -> Signature:
    content = tf.TensorSpec((None,), tf.string, name=IMAGE_BYTES)
    return Signature(name, (content, *more), function, {RELIT_BYTES: tf.TensorSpec((None,), tf.string)})


def _float_signature(more: tuple[tf.TensorSpec, ...], function: Callable[..., dict[str, Any]]) -> Signature:
    image = tf.TensorSpec((None, None, None, 3), tf.float32, name=IMAGE)
    return Signature(FLOAT, (image, *more), function, {RELIT: tf.TensorSpec(image.shape, tf.float32)})


def _decoder(limits: PictureLimits) -> Callable[..., Decoded]:
    """Return `decode` under the limits, (bytes, index) -> Decoded, as one graph for all signatures."""
    graph = _traced(
        lambda content, index: tuple(decode(content, index, limits.max_pixels)),
        tf.TensorSpec((), tf.string),
        tf.TensorSpec((), tf.int32),
    )
    return lambda content, index: Decoded(*graph(content, index))


def _each_file(
    decode_one: Callable[..., Decoded],
    relight_one: Callable[..., Any],
    encode: Callable[..., Any],
    content: Any,
    lights: dict[str, Any],
) -> dict[str, Any]:
    """Relight the files of a batch one by one, each at its own size.

    Args:
        relight_one: (pixels, index, one entry of each of `lights`) -> pixels.
    """
    with tf.control_dependencies(_same_batch(content, lights)):
        indices = tf.range(tf.size(content))

    def one(parts: tuple[Any, ...]) -> Any:
        index, file, *light = parts
        picture = decode_one(file, index)
        return encode(relight_one(picture.pixels, index, *light), picture)

    entries = (indices, content, *lights.values())
    done = tf.map_fn(
        one,
        entries,
        fn_output_signature=tf.TensorSpec((), tf.string),
        parallel_iterations=_PICTURES_AT_ONCE,
    )
    return {RELIT_BYTES: done}


def _same_batch(first: Any, others: dict[str, Any]) -> list[Any]:
    """Return the checks that every input has as many entries as the first."""
    count = tf.shape(first)[0]
    return [
        claim(
            tf.shape(values)[0] == count, name, "has", tf.shape(values)[0], "entries for", count, "pictures."
        )
        for name, values in others.items()
    ]


def _checked_pixels_and_light(image: Any, light: Any, limits: PictureLimits) -> Any:
    """Return the float pictures, within 0..1, or fail with a message when run."""
    with tf.control_dependencies(_same_batch(image, {LIGHT: light})):
        finite = tf.reduce_all(tf.math.is_finite(light))
    message = f"light holds NaN or infinity. Send {_COUNTED[light.shape[1]]} finite numbers."
    with tf.control_dependencies([claim(finite, message)]):
        return tf.clip_by_value(_checked_pixels(image, limits), 0.0, 1.0)


def _checked_pixels(image: Any, limits: PictureLimits) -> Any:
    """Return the float pictures, or fail with a message when run."""
    height, width = tf.shape(image)[1], tf.shape(image)[2]
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    limit = limits.max_float_pixels
    with tf.control_dependencies(
        [
            claim(pixels > 0, "image has no pixels:", height, "x", width),
            claim(
                pixels <= limit,
                f"image has more pixels than the limit of {limit:,} for floats:",
                height,
                "x",
                width,
                ". Send the file's bytes to relight_jpeg.",
            ),
            claim(tf.reduce_all(tf.math.is_finite(image)), "image holds NaN or infinity."),
            claim(
                tf.reduce_all((image > -1e-3) & (image < 1 + 1e-3)),
                "image must lie within 0..1. Divide 8-bit values by 255.",
            ),
        ]
    ):
        return tf.identity(image)


def _finished(relit: Any) -> Any:
    return tf.debugging.check_numerics(relit, picture_graph.NOT_FINITE)
