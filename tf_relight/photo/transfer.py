"""Bringing a change of light from a small picture to the full-size photo, without blurring the photo.

A network relights a small copy. Here the change is described by a local model, gain * photo + offset, one per
place and brightness (a bilateral grid), fitted between the small copy and its relit version. Slicing the grid
with the photo itself gives every full-size pixel the model of the pixels that are near it AND like it, so
light edges that lie on object edges stay as sharp as the photo, and all of its texture is kept.

Networks also soften what they draw. The softness is measured, and the model is fitted to an equally softened
copy, so that it describes the light alone and the softness stays behind.

Source: models in a bilateral grid are from Chen et al., "Bilateral Guided Upsampling", SIGGRAPH Asia 2016.
Differs: gain and offset per channel from local statistics in place of a global least-squares solve; a gain
that is that of the texture, not of the step between two objects, and falls back to the ratio of means where
the copy is flat; the measured softness; and the remainder of the fit is added back.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.photo.picture import resize

LEVELS = 8  # brightness levels of the grid
LEVEL_WIDTH = 0.1  # standard deviation of a level's weight, in brightness 0..1
# Standard deviations of spatial windows, in pixels of the small picture.
SLOPE_REACH = 0.7  # in which one slope is measured
GAIN_REACH = 2.0  # over which slopes are gathered
OFFSET_REACH = 1.0
SLOPE_RIDGE = 1e-3  # variance below which the slope gives way to the ratio of means
EDGE_VARIANCE = 3e-3  # windows of more variance, edges, do not outvote those with texture
LARGEST_CONTRAST = 1.15  # of the slope against the ratio of means; more is two objects mixed up
LARGEST_GAIN = 3.0  # limits how much the noise of dark places is raised
# Light multiplies x + 0.055 on the power part of the sRGB curve, not x.
SRGB_FOOT = 0.055
LIGHTNESS_FOOT = 0.16  # the same of Lab lightness in 0..1
SOFTNESS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0)  # standard deviations tried, in pixels of the small picture
# A softer copy always fits moved shadows a little better, so a sharper one that is nearly as good is taken.
SOFTNESS_MARGIN = 1.3
_TILE, _TILES = 128, 4  # the softness is measured on so many tiles of this side
_STRIP_PIXELS = 1 << 19
_BRIGHTNESS = np.array([[0.299, 0.587, 0.114]], np.float32)


def transfer(
    full: np.ndarray,
    low_before: np.ndarray,
    low_after: np.ndarray,
    strength: float = 1.0,
    foot: float = SRGB_FOOT,
) -> np.ndarray:
    """Return the full-size photo under the change of light seen between two small pictures.

    Args:
        full: (H, W, C) float32 0..1, C = 3 (sRGB) or 1 (lightness).
        low_before: (h, w, C) float32, the photo made smaller; any h, w >= 1.
        low_after: (h, w, C) float32, the same, relit.
        strength: 0 returns the photo exactly, 1 the full change; between them the change is blended.
        foot: light multiplies value + foot; `SRGB_FOOT`, or `LIGHTNESS_FOOT` for Lab lightness.

    Returns:
        (H, W, C) float32, clipped to 0..1.

    Raises:
        ValueError: shapes that do not fit, or a strength outside 0..1.
        RelightError: `low_after` holds values that are not finite.
    """
    channels = full.shape[2:]
    if (
        low_before.shape != low_after.shape
        or channels not in ((1,), (3,))
        or low_before.shape[2:] != channels
    ):
        raise ValueError(f"shapes do not fit: {full.shape}, {low_before.shape}, {low_after.shape}")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength {strength} is outside 0..1")
    if not np.isfinite(low_after).all():
        raise RelightError("The network's result holds values that are not numbers. Use other weights.")
    if strength == 0:
        return full.copy()
    full, before, after = (np.ascontiguousarray(p, dtype=np.float32) for p in (full, low_before, low_after))
    softened = _blur(before, measure_softness(before, after, foot))
    guide = _brightness(before)
    gain, offset = _models(softened, after, guide, foot)
    # Levels are mixed with weights that add up to 1, so adding to each adds to the result.
    offset += (after - _slice(softened, guide, gain, offset))[:, None]
    # Two numbers of the model carry the blend, so that it costs nothing per pixel.
    gain -= 1
    gain *= strength
    gain += 1
    offset *= strength
    result = _slice(full, _brightness(full), gain, offset)
    return np.clip(result, 0, 1, out=result)


def measure_softness(before: np.ndarray, after: np.ndarray, foot: float = SRGB_FOOT) -> float:
    """Return how soft `after` is against `before` (both (h, w, C)): the deviation of a blur in pixels.

    The blur is taken under which a local model explains `after` best, on the most detailed tiles.
    """
    errors = np.zeros(len(SOFTNESS))
    for rows, columns in _detailed_tiles(before):
        tile_before, tile_after = before[rows, columns], after[rows, columns]
        guide = _brightness(tile_before)
        for index, reach in enumerate(SOFTNESS):
            soft = _blur(tile_before, reach)
            gain, offset = _models(soft, tile_after, guide, foot)
            errors[index] += np.square(tile_after - _slice(soft, guide, gain, offset)).mean()
    good_enough = errors <= errors.min() * SOFTNESS_MARGIN + 1e-7
    return SOFTNESS[int(np.argmax(good_enough))]


def _detailed_tiles(picture: np.ndarray) -> list[tuple[slice, slice]]:
    """Return the row and column ranges of the tiles with the strongest fine detail."""
    detail = np.abs(picture - _blur(picture, 1.0)).mean(axis=2)
    tiles = [
        (slice(top, top + _TILE), slice(left, left + _TILE))
        for top in range(0, picture.shape[0], _TILE)
        for left in range(0, picture.shape[1], _TILE)
    ]
    return sorted(tiles, key=lambda tile: -float(detail[tile].sum()))[:_TILES]


def _models(
    before: np.ndarray, after: np.ndarray, guide: np.ndarray, foot: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid's gain and offset, each (h, LEVELS, w, C), that turn `before` into `after`."""
    height, width, channels = before.shape
    gain = np.empty((height, LEVELS, width, channels), np.float32)
    offset = np.empty_like(gain)
    # Gains come from wide windows, so half the size shows the same and costs a quarter.
    half = (height + 1) // 2, (width + 1) // 2
    statistics = [resize(values, half) for values in (before, after, *_local_slopes(before, after, foot))]
    half_guide = resize(guide, half)

    def fit_level(index: int) -> None:
        level = index / (LEVELS - 1)
        level_gain = _level_gain(statistics, _level_weight(half_guide, level), foot)
        gain[:, index] = resize(level_gain, (height, width), "linear")
        unexplained = after - gain[:, index] * before
        offset[:, index] = _weighted_mean(unexplained, _level_weight(guide, level), OFFSET_REACH)

    with ThreadPoolExecutor(max_workers=_threads()) as pool:
        list(pool.map(fit_level, range(LEVELS)))
    return gain, offset


def _local_slopes(before: np.ndarray, after: np.ndarray, foot: float) -> tuple[np.ndarray, np.ndarray]:
    """Return covariance and variance (h, w, C) in small windows, with the ridge that holds flat windows.

    The ratio of the two is a slope. Both are divided by the window's variance, so that in a sum over windows
    a few edges weigh no more than the texture beside them.
    """
    mean_before, mean_after = _blur(before, SLOPE_REACH), _blur(after, SLOPE_REACH)
    variance = np.maximum(_blur(before * before, SLOPE_REACH) - mean_before**2, 0)
    covariance = _blur(before * after, SLOPE_REACH) - mean_before * mean_after
    ratio = _light_ratio(mean_before, mean_after, foot)
    vote = 1 / (variance.mean(axis=2, keepdims=True) + EDGE_VARIANCE)
    return vote * (covariance + SLOPE_RIDGE * ratio), vote * (variance + SLOPE_RIDGE)


def _light_ratio(before: np.ndarray, after: np.ndarray, foot: float) -> np.ndarray:
    return np.clip((after + foot) / (before + foot), 0.1, LARGEST_GAIN)


def _level_gain(statistics: list[np.ndarray], weight: np.ndarray, foot: float) -> np.ndarray:
    """Return the gain around each pixel of the half-size pictures, for the pixels of one level."""
    before, after, covariance, variance = (
        _weighted_mean(values, weight, GAIN_REACH / 2) for values in statistics
    )
    ratio = _light_ratio(before, after, foot)
    return np.clip(covariance / variance, 0, np.minimum(LARGEST_CONTRAST * ratio, LARGEST_GAIN))


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


def _brightness(picture: np.ndarray) -> np.ndarray:
    grey = picture if picture.shape[2] == 1 else cv2.transform(picture, _BRIGHTNESS)
    return np.clip(grey.reshape(picture.shape[:2]), 0, 1)


def _level_weight(guide: np.ndarray, level: float) -> np.ndarray:
    # The small constant lets a level without any pixel nearby borrow from all of them.
    weight = np.exp((guide - level) ** 2 * (-0.5 / LEVEL_WIDTH**2)) + np.float32(1e-4)
    return weight[..., None]


def _weighted_mean(values: np.ndarray, weight: np.ndarray, reach: float) -> np.ndarray:
    return _blur(values * weight, reach) / _blur(weight, reach)


def _blur(values: np.ndarray, reach: float) -> np.ndarray:
    if reach == 0:
        return values
    blurred = cv2.GaussianBlur(values, (0, 0), reach, borderType=cv2.BORDER_REPLICATE)
    return blurred.reshape(values.shape)  # OpenCV drops a last axis of length 1


def _slice(picture: np.ndarray, guide: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return gain * picture + offset, read from the grid at each pixel's place and guide (H, W) 0..1."""
    result = np.empty(picture.shape, np.float32)
    rows = max(1, _STRIP_PIXELS // picture.shape[1])
    # OpenCV's lookup addresses at most 32767 rows.
    rows = min(rows, 32_000 // LEVELS)

    def work(top: int) -> None:
        _slice_strip(picture, guide, gain, offset, slice(top, min(top + rows, len(picture))), result)

    with ThreadPoolExecutor(max_workers=_threads()) as pool:
        list(pool.map(work, range(0, len(picture), rows)))
    return result


def _slice_strip(
    picture: np.ndarray,
    guide: np.ndarray,
    gain: np.ndarray,
    offset: np.ndarray,
    rows: slice,
    result: np.ndarray,
) -> None:
    """Fill result[rows].

    Along the height the grid is interpolated exactly, once per row; that leaves for each row a small picture
    of brightness against width, and one bilinear lookup in it does the other two directions.
    """
    strip = picture[rows]
    height, width = strip.shape[:2]
    low_height, _, low_width, channels = gain.shape
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * (low_height / len(picture)) - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * (low_width / width) - 0.5
    y, x = np.clip(y, 0, low_height - 1), np.clip(x, 0, low_width - 1)
    above = y.astype(np.intp)
    below = np.minimum(above + 1, low_height - 1)
    share = (y - above).reshape(-1, 1, 1, 1).astype(np.float32)
    map_y = guide[rows] * (LEVELS - 1)
    map_y += np.arange(height, dtype=np.float32)[:, None] * LEVELS
    map_x = np.ascontiguousarray(np.broadcast_to(x.astype(np.float32), map_y.shape))
    target = result[rows]
    target[:] = strip
    for grid, combine in ((gain, np.multiply), (offset, np.add)):
        lines = grid[above] + share * (grid[below] - grid[above])
        lines = lines.reshape(height * LEVELS, low_width, channels)
        looked_up = cv2.remap(lines, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        combine(target, looked_up.reshape(target.shape), out=target)
