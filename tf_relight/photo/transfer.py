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

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.photo.picture import resize
from tf_relight.photo.strips import by_strips, threads

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
_MOST_ROWS = 32_000 // LEVELS  # OpenCV's lookup addresses at most 32767 rows
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
    if full.shape[2:] != low_before.shape[2:]:
        raise ValueError(f"shapes do not fit: {full.shape}, {low_before.shape}, {low_after.shape}")
    if strength == 0:
        _check(low_before, low_after, strength)
        return full.copy()
    change = fit_change(low_before, low_after, strength, foot)
    full = np.ascontiguousarray(full, dtype=np.float32)
    result = np.empty(full.shape, np.float32)

    def work(rows: slice) -> None:
        result[rows] = change.apply(full[rows], rows, len(full))

    by_strips(full.shape, work)
    return result


@dataclass(frozen=True, eq=False)
class Change:
    """A change of light, ready for the parts of a full-size picture.

    Attributes:
        grid: (2, h, LEVELS, w, C) gain and offset per place and brightness.
    """

    grid: np.ndarray

    def apply(self, part: np.ndarray, rows: slice, height: int) -> np.ndarray:
        """Return rows of a picture under the change.

        Args:
            part: (n, W, C) float32 0..1, these rows of the full-size picture in full width.
            rows: where they lie in it; a step leaves rows out.
            height: of the full-size picture.

        Returns:
            (n, W, C) float32, clipped to 0..1.
        """
        result = np.empty(part.shape, np.float32)
        places = np.arange(rows.start, rows.stop, rows.step or 1, dtype=np.float32)
        for top in range(0, len(part), _MOST_ROWS):
            some = slice(top, top + _MOST_ROWS)
            _slice(part[some], _brightness(part[some]), self.grid, places[some], height, result[some])
        return np.clip(result, 0, 1, out=result)


def fit_change(
    low_before: np.ndarray,
    low_after: np.ndarray,
    strength: float = 1.0,
    foot: float = SRGB_FOOT,
    softness: float | None = None,
) -> Change:
    """Return the change of light seen between two small pictures; the rest as in `transfer`.

    Args:
        softness: what `measure_softness` said of such pictures before; None measures it.
    """
    _check(low_before, low_after, strength)
    before, after = (np.ascontiguousarray(p, dtype=np.float32) for p in (low_before, low_after))
    softened = _blur(before, measure_softness(before, after, foot) if softness is None else softness)
    guide = _brightness(before)
    with ThreadPoolExecutor(max_workers=threads()) as pool:
        grid = _models(softened, after, guide, foot, pool.map)
    # Levels are mixed with weights that add up to 1, so adding to each adds to the result.
    grid[1] += (after - _slice_whole(softened, guide, grid))[:, None]
    # Two numbers of the model carry the blend, so that it costs nothing per pixel.
    if strength != 1:
        grid[0] = 1 + (grid[0] - 1) * np.float32(strength)
        grid[1] *= np.float32(strength)
    return Change(grid)


def _check(low_before: np.ndarray, low_after: np.ndarray, strength: float) -> None:
    if low_before.shape != low_after.shape or low_before.shape[2:] not in ((1,), (3,)):
        raise ValueError(f"shapes do not fit: {low_before.shape}, {low_after.shape}")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength {strength} is outside 0..1")
    if not np.isfinite(low_after).all():
        raise RelightError("The network's result holds values that are not numbers. Use other weights.")


def measure_softness(before: np.ndarray, after: np.ndarray, foot: float = SRGB_FOOT) -> float:
    """Return how soft `after` is against `before` (both (h, w, C)): the deviation of a blur in pixels.

    The blur is taken under which a local model explains `after` best, on the most detailed tiles.
    """

    def error(job: tuple[tuple[slice, slice], float]) -> float:
        tile, reach = job
        tile_before, tile_after = before[tile], after[tile]
        guide = _brightness(tile_before)
        soft = _blur(tile_before, reach)
        grid = _models(soft, tile_after, guide, foot, map)
        return float(np.square(tile_after - _slice_whole(soft, guide, grid)).mean())

    tiles = _detailed_tiles(before)
    with ThreadPoolExecutor(max_workers=threads()) as pool:
        found = list(pool.map(error, itertools.product(tiles, SOFTNESS)))
    errors = np.reshape(found, (len(tiles), len(SOFTNESS))).sum(axis=0)
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
    before: np.ndarray,
    after: np.ndarray,
    guide: np.ndarray,
    foot: float,
    run: Callable[[Callable[[int], None], Iterable[int]], Iterable[None]],
) -> np.ndarray:
    """Return the grid of `Change`, (2, h, LEVELS, w, C), that turns `before` into `after`.

    Args:
        run: calls a function for each level, as `map` does.
    """
    height, width, channels = before.shape
    grid = np.empty((2, height, LEVELS, width, channels), np.float32)
    # Gains come from wide windows, so half the size shows the same and costs a quarter.
    half = (height + 1) // 2, (width + 1) // 2
    statistics = [resize(values, half) for values in (before, after, *_local_slopes(before, after, foot))]
    half_guide = resize(guide, half)

    def fit_level(index: int) -> None:
        level = index / (LEVELS - 1)
        level_gain = _level_gain(statistics, _level_weight(half_guide, level), foot)
        gain = resize(level_gain, (height, width), "linear")
        unexplained = after - gain * before
        grid[0, :, index] = gain
        grid[1, :, index] = _weighted_mean(unexplained, _level_weight(guide, level), OFFSET_REACH)

    for _ in run(fit_level, range(LEVELS)):
        pass
    return grid


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


def _slice_whole(picture: np.ndarray, guide: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return gain * picture + offset, read from the grid at each pixel's place and guide (h, w) 0..1."""
    result = np.empty(picture.shape, np.float32)
    height = len(picture)
    for top in range(0, height, _MOST_ROWS):
        some = slice(top, min(top + _MOST_ROWS, height))
        rows = np.arange(some.start, some.stop, dtype=np.float32)
        _slice(picture[some], guide[some], grid, rows, height, result[some])
    return result


def _slice(
    part: np.ndarray, guide: np.ndarray, grid: np.ndarray, rows: np.ndarray, height: int, result: np.ndarray
) -> None:
    """Fill `result` with gain * part + offset, for the given rows of a picture of that height.

    Along the height the grid is interpolated exactly, once per row; that leaves for each row a small picture
    of brightness against width, and one bilinear lookup in it does the other two directions.
    """
    count, width, channels = part.shape
    low_height, _, low_width = grid.shape[1:4]
    y = np.clip(
        (rows + np.float32(0.5)) * np.float32(low_height / height) - np.float32(0.5), 0, low_height - 1
    )
    x = (np.arange(width, dtype=np.float32) + 0.5) * (low_width / width) - 0.5
    x = np.clip(x, 0, low_width - 1).astype(np.float32)
    above = y.astype(np.intp)
    below = np.minimum(above + 1, low_height - 1)
    share = (y - above).reshape(-1, 1, 1, 1).astype(np.float32)
    map_y = guide * np.float32(LEVELS - 1)
    map_y += np.arange(count, dtype=np.float32)[:, None] * LEVELS
    map_x = np.ascontiguousarray(np.broadcast_to(x, map_y.shape))
    np.copyto(result, part)
    for model, combine in zip(grid, (np.multiply, np.add), strict=True):
        first = model[above]
        lines = model[below]
        lines -= first
        lines *= share
        lines += first
        lines = lines.reshape(count * LEVELS, low_width, channels)
        looked_up = cv2.remap(lines, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        combine(result, looked_up.reshape(result.shape), out=result)
