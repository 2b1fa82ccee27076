"""The change of light brought to full size, as TensorFlow operations: `photo.transfer` inside a graph.

Every function traces with unknown height and width. The steps and constants are those of the NumPy path.
Differs: that path looks the grid up with OpenCV, which rounds places to 1/32 of a cell; here they are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tf_relight.photo import transfer as reference
from tf_relight.photo.transfer import LEVELS, SOFTNESS, SRGB_FOOT

_TILE, _TILES = 128, 4  # as in the NumPy path, the softness is measured on so many tiles of this side
STRIP_PIXELS = 1 << 18
STRIPS_AT_ONCE = 4
_BRIGHTNESS = (0.299, 0.587, 0.114)


def transfer(full: Any, before: Any, after: Any, foot: float = SRGB_FOOT) -> Any:
    """Return the full-size photo under the change of light seen between two small pictures.

    Args:
        full: (H, W, C) float32 0..1, C = 3 (sRGB) or 1 (lightness), C known when traced.
        before: (h, w, C) float32, the photo made smaller. after: the same, relit.
        foot: as in `tf_relight.photo.transfer.transfer`.

    Returns:
        (H, W, C) float32, clipped to 0..1.
    """
    kernel = tf.gather(_kernels(SOFTNESS), measure_softness(before, after, foot))
    softened = blur(before, kernel)
    guide = _brightness(before)
    gain, offset = _models(softened, after, guide, foot)
    missing = after - slice_grid(softened, guide, gain, offset)
    offset += missing[:, None]
    return tf.clip_by_value(slice_grid(full, _brightness(full), gain, offset), 0.0, 1.0)


def measure_softness(before: Any, after: Any, foot: float = SRGB_FOOT) -> Any:
    """Return the index in `SOFTNESS` of how soft `after` is against `before`, both (h, w, C), as a scalar."""
    corners = _detailed_tiles(before)
    reaches = len(SOFTNESS)
    kernels = _kernels(SOFTNESS)

    def error(place: tuple[Any, Any]) -> Any:
        (top, left), kernel = (place[0][0], place[0][1]), place[1]
        tile_before = before[top : top + _TILE, left : left + _TILE]
        tile_after = after[top : top + _TILE, left : left + _TILE]
        guide = _brightness(tile_before)
        soft = blur(tile_before, kernel)
        gain, offset = _models(soft, tile_after, guide, foot)
        return tf.reduce_mean(tf.square(tile_after - slice_grid(soft, guide, gain, offset)))

    tiles = tf.shape(corners)[0]
    places = tf.repeat(corners, reaches, axis=0), tf.tile(kernels, (tiles, 1))
    errors = tf.map_fn(error, places, fn_output_signature=tf.float32, parallel_iterations=2 * STRIPS_AT_ONCE)
    errors = tf.reduce_sum(tf.reshape(errors, (tiles, reaches)), axis=0)
    good_enough = errors <= tf.reduce_min(errors) * reference.SOFTNESS_MARGIN + 1e-7
    return tf.argmax(tf.cast(good_enough, tf.int32), output_type=tf.int32)


def slice_grid(picture: Any, guide: Any, gain: Any, offset: Any) -> Any:
    """Return gain * picture + offset, read from a grid at each pixel's place and brightness.

    Args:
        picture: (H, W, C). guide: (H, W) 0..1.
        gain, offset: (h, LEVELS, w, C).

    Returns:
        (H, W, C) float32. It is made strip by strip, so that memory does not grow with the picture.
    """
    channels = picture.shape[2]
    low_height, low_width = tf.shape(gain)[0], tf.shape(gain)[2]
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    grid = tf.concat([gain, offset], axis=-1)
    rows = tf.clip_by_value(STRIP_PIXELS // width, 1, height)
    strips = (height + rows - 1) // rows
    above, below, down = _places(strips * rows, height, low_height)
    left, right, across = _places(width, width, low_width)

    def strip(parts: tuple[Any, ...]) -> Any:
        pixels, brightness, top, bottom, share = parts
        lines = tf.gather(grid, top)
        lines += share[:, None, None, None] * (tf.gather(grid, bottom) - lines)
        lines = tf.reshape(lines, (rows, LEVELS * low_width, 2 * channels))
        level = brightness * (LEVELS - 1)
        lower = tf.clip_by_value(tf.cast(level, tf.int32), 0, LEVELS - 2)
        start = lower * low_width

        def looked_up(first: Any) -> Any:
            at_left = tf.gather(lines, first + left, batch_dims=1)
            return at_left + across[:, None] * (tf.gather(lines, first + right, batch_dims=1) - at_left)

        dark = looked_up(start)
        model = dark + (level - tf.cast(lower, tf.float32))[..., None] * (looked_up(start + low_width) - dark)
        return pixels * model[..., :channels] + model[..., channels:]

    result = in_strips(strip, rows, strips, (picture, guide), (above, below, down), channels)
    return result[:height]


def in_strips(
    work: Any, rows: Any, strips: Any, pictures: tuple[Any, ...], lines: tuple[Any, ...], channels: int
) -> Any:
    """Return `work` done on strips of `rows` rows, (strips * rows, W, channels) float32.

    Args:
        work: takes a tuple of strips of the pictures and of the lines, returns (rows, W, channels).
        pictures: (H, W, ...) tensors; the last strip is filled up with zeros.
        lines: (strips * rows, ...) tensors.
    """

    def cut(values: Any) -> Any:
        missing = strips * rows - tf.shape(values)[0]
        values = tf.pad(values, [(0, missing), *[(0, 0)] * (len(values.shape) - 1)])
        return tf.reshape(values, tf.concat([[strips, rows], tf.shape(values)[1:]], axis=0))

    parts = tuple(cut(values) for values in (*pictures, *lines))
    done = tf.map_fn(
        work,
        parts,
        fn_output_signature=tf.TensorSpec((None, None, channels), tf.float32),
        parallel_iterations=STRIPS_AT_ONCE,
    )
    return tf.reshape(done, (strips * rows, -1, channels))


def resize(values: Any, height: Any, width: Any) -> Any:
    """Return (h, w, C) at another size: means over areas where it shrinks, linear where it grows.

    The rule "auto" of `tf_relight.photo.picture.resize`.
    """
    shape = tf.shape(values)
    small = tf.minimum(tf.stack([height, width]), shape[:2])
    shrunk = tf.image.resize(values, small, method="area")
    return tf.image.resize(shrunk, tf.stack([height, width]), method="bilinear")


def blur(values: Any, kernel: Any) -> Any:
    """Return (h, w, C) under a separable filter (taps,), an odd number; borders are repeated."""
    reach = tf.shape(kernel)[0] // 2
    height, width = tf.shape(values)[0], tf.shape(values)[1]
    channels = values.shape[2]
    values = tf.gather(values, tf.clip_by_value(tf.range(-reach, height + reach), 0, height - 1))
    values = tf.gather(values, tf.clip_by_value(tf.range(-reach, width + reach), 0, width - 1), axis=1)
    weights = tf.tile(tf.reshape(kernel, (-1, 1, 1, 1)), (1, 1, channels, 1))
    down = tf.nn.depthwise_conv2d(values[None], weights, (1, 1, 1, 1), "VALID")
    across = tf.nn.depthwise_conv2d(down, tf.transpose(weights, (1, 0, 2, 3)), (1, 1, 1, 1), "VALID")
    return across[0]


def gaussian(reach: float) -> np.ndarray:
    """Return OpenCV's filter (taps,) of a standard deviation in pixels; 0 leaves pictures as they are."""
    if reach == 0:
        return np.ones(1, np.float32)
    half = (round(reach * 8 + 1) | 1) // 2
    weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * reach * reach))
    return (weights / weights.sum()).astype(np.float32)


def _kernels(reaches: tuple[float, ...]) -> Any:
    """Return the filters of several reaches, (n, taps), each filled up with zeros to the longest."""
    made = [gaussian(reach) for reach in reaches]
    longest = max(len(kernel) for kernel in made)
    return tf.constant(np.stack([np.pad(kernel, (longest - len(kernel)) // 2) for kernel in made]))


def _places(count: Any, size: Any, low_size: Any) -> tuple[Any, Any, Any]:
    """Return for `count` pixels along an axis of `size` the two cells they lie between, and the share."""
    scale = tf.cast(low_size, tf.float32) / tf.cast(size, tf.float32)
    place = (tf.range(tf.cast(count, tf.float32), dtype=tf.float32) + 0.5) * scale - 0.5
    place = tf.clip_by_value(place, 0.0, tf.cast(low_size - 1, tf.float32))
    first = tf.cast(place, tf.int32)
    return first, tf.minimum(first + 1, low_size - 1), place - tf.cast(first, tf.float32)


def _detailed_tiles(picture: Any) -> Any:
    """Return the top left corners (n, 2) int32 of the tiles with the strongest fine detail, n <= 4."""
    detail = tf.reduce_mean(tf.abs(picture - blur(picture, gaussian(1.0))), axis=2)
    shape = tf.shape(detail)
    tiles = (shape + _TILE - 1) // _TILE
    missing = tiles * _TILE - shape
    detail = tf.pad(detail, [(0, missing[0]), (0, missing[1])])
    sums = tf.reduce_sum(tf.reshape(detail, (tiles[0], _TILE, tiles[1], _TILE)), axis=(1, 3))
    best = tf.math.top_k(tf.reshape(sums, (-1,)), tf.minimum(_TILES, tiles[0] * tiles[1])).indices
    return tf.stack([best // tiles[1], best % tiles[1]], axis=1) * _TILE


def _models(before: Any, after: Any, guide: Any, foot: float) -> tuple[Any, Any]:
    """Return the grid's gain and offset, each (h, LEVELS, w, C), that turn `before` into `after`.

    All levels go through each filter together, as channels.
    """
    height, width, channels = tf.shape(before)[0], tf.shape(before)[1], before.shape[2]
    covariance, variance = _local_slopes(before, after, foot)
    statistics = tf.concat([before, after, covariance, variance, guide[..., None]], axis=-1)
    half = resize(statistics, (height + 1) // 2, (width + 1) // 2)
    means = _weighted_means(half[..., :-1], _level_weights(half[..., -1]), reference.GAIN_REACH / 2)
    mean_before, mean_after, covariance, variance = tf.split(means, 4, axis=2)
    ratio = _light_ratio(mean_before, mean_after, foot)
    largest = tf.minimum(reference.LARGEST_CONTRAST * ratio, reference.LARGEST_GAIN)
    gain = tf.clip_by_value(covariance / variance, 0.0, largest)
    gain = tf.reshape(gain, tf.concat([tf.shape(half)[:2], [channels * LEVELS]], axis=0))
    gain = tf.image.resize(gain, tf.stack([height, width]), method="bilinear")
    gain = tf.reshape(gain, (height, width, channels, LEVELS))
    unexplained = after[..., None] - gain * before[..., None]
    weights = _level_weights(guide)
    offset = _blurred_levels(unexplained * weights[:, :, None], reference.OFFSET_REACH)
    offset /= blur(weights, gaussian(reference.OFFSET_REACH))[:, :, None]
    return tf.transpose(gain, (0, 3, 1, 2)), tf.transpose(offset, (0, 3, 1, 2))


def _weighted_means(values: Any, weights: Any, reach: float) -> Any:
    """(h, w, K), (h, w, LEVELS) -> the mean of the values near each pixel and level, (h, w, K, LEVELS)."""
    blurred = _blurred_levels(values[..., None] * weights[:, :, None], reach)
    return blurred / blur(weights, gaussian(reach))[:, :, None]


def _blurred_levels(values: Any, reach: float) -> Any:
    """Filter (h, w, K, LEVELS)."""
    shape = tf.shape(values)
    flat = tf.reshape(values, (shape[0], shape[1], values.shape[2] * LEVELS))
    return tf.reshape(blur(flat, gaussian(reach)), shape)


def _local_slopes(before: Any, after: Any, foot: float) -> tuple[Any, Any]:
    """Return covariance and variance (h, w, C) in small windows, as the NumPy path weighs them."""
    channels = before.shape[2]
    together = tf.concat([before, after, before * before, before * after], axis=-1)
    means = tf.split(blur(together, gaussian(reference.SLOPE_REACH)), [channels] * 4, axis=-1)
    mean_before, mean_after, mean_square, mean_product = means
    variance = tf.maximum(mean_square - mean_before**2, 0.0)
    covariance = mean_product - mean_before * mean_after
    ratio = _light_ratio(mean_before, mean_after, foot)
    vote = 1 / (tf.reduce_mean(variance, axis=2, keepdims=True) + reference.EDGE_VARIANCE)
    ridge = reference.SLOPE_RIDGE
    return vote * (covariance + ridge * ratio), vote * (variance + ridge)


def _light_ratio(before: Any, after: Any, foot: float) -> Any:
    return tf.clip_by_value((after + foot) / (before + foot), 0.1, reference.LARGEST_GAIN)


def _brightness(picture: Any) -> Any:
    if picture.shape[2] == 1:
        return tf.clip_by_value(picture[..., 0], 0.0, 1.0)
    return tf.clip_by_value(tf.tensordot(picture, tf.constant(_BRIGHTNESS), 1), 0.0, 1.0)


def _level_weights(guide: Any) -> Any:
    """Return how much each pixel counts for each level, (h, w, LEVELS)."""
    levels = tf.constant(np.linspace(0, 1, LEVELS, dtype=np.float32))
    distance = guide[..., None] - levels
    return tf.exp(distance * distance * (-0.5 / reference.LEVEL_WIDTH**2)) + 1e-4
