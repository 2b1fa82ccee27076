"""Scores of relit pictures, defined as the papers define them.

The scores of files work on pairs of uint8 pictures (H, W), (H, W, 1) or (H, W, 3), sRGB, computed in
float64 with numpy and OpenCV; they equal scikit-image to 1e-6. Write a result as 8 bit first (`quantise`),
because the published numbers are those of PNG files. `psnr_batch` and `ssim_batch` are their counterparts
for float batches on the training device.

Masked scores average inside `mask`, an (H, W) array that is true where the score counts.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.light.lamps import light_as

TABLE = (
    "psnr",
    "ssim",
    "ssim_gaussian",
    "lpips_alex_v0.1",
    "mps",
    "rmse",
    "rmse_s",
    "dssim",
    "light_degrees",
    "runtime",
)
"""Columns of a score table, in order. `psnr` is in decibels, `light_degrees` the angle between the light that
the network reads from the input and the true one, `runtime` in seconds per picture; the others have no unit.
A score that could not be measured is None and prints as n/a."""

HIGHER_IS_BETTER = frozenset({"psnr", "ssim", "ssim_gaussian", "mps"})
"""The columns of `TABLE` where a larger number is a better picture."""

_RANGE = 255.0
_C1, _C2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2


def quantise(image: np.ndarray) -> np.ndarray:
    """Return a float picture in 0..1 as uint8: clipped, times 255, rounded.

    Raises:
        RelightError: the picture holds NaN or infinity.
    """
    image = np.asarray(image)
    if not np.isfinite(image).all():
        raise RelightError("The picture holds NaN or infinite values, so it cannot be written or scored.")
    return np.rint(np.clip(image, 0.0, 1.0) * _RANGE).astype(np.uint8)


def psnr(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB of two uint8 pictures; infinite when they are equal.

    Raises:
        RelightError: not two uint8 pictures of one size, or a mask that does not fit.
    """
    a, b = _pair(prediction, target)
    error = _masked_mean(np.square(a - b), mask)
    return math.inf if error == 0.0 else 10.0 * math.log10(_RANGE**2 / error)


def ssim(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the SSIM of two uint8 pictures with a 7x7 uniform window, the mean over channels.

    Sample covariance and windows inside the picture only, as in the defaults of
    `skimage.metrics.structural_similarity`; MSR-Net and VIDIT scores are made so. With a mask, windows
    count whose centre lies inside it.

    Raises:
        RelightError: not two uint8 pictures of one size, smaller than 7x7, or a mask without a window.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """
    return _ssim(prediction, target, mask, np.full(7, 1.0 / 7.0), sample_covariance=True)


def ssim_gaussian(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the SSIM of two uint8 pictures with an 11x11 Gaussian window, sigma 1.5.

    Population covariance and windows inside the picture only: the form of the SSIM paper, in
    scikit-image `gaussian_weights=True, use_sample_covariance=False`.

    Raises:
        RelightError: not two uint8 pictures of one size, smaller than 11x11, or a mask without a window.
    """
    weights = np.exp(-(np.arange(-5, 6) ** 2) / (2.0 * 1.5**2))
    return _ssim(prediction, target, mask, weights / weights.sum(), sample_covariance=False)


def dssim(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the structural dissimilarity (1 - `ssim_gaussian`) / 2, 0 for equal pictures.

    Raises:
        RelightError: as `ssim_gaussian`.
    """
    return (1.0 - ssim_gaussian(prediction, target, mask)) / 2.0


def rmse(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the root mean square error on the scale 0..1.

    Raises:
        RelightError: not two uint8 pictures of one size, or a mask that does not fit.
    """
    a, b = _pair(prediction, target)
    return math.sqrt(_masked_mean(np.square(a - b), mask)) / _RANGE


def rmse_s(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the scale-invariant RMSE on 0..1: the least RMSE over one factor on the prediction.

    The factor <x, y> / <x, x> is fitted per picture over all channels (inside the mask), so a result that
    is only too dark or too bright is not punished. A black prediction has the factor 0.

    Raises:
        RelightError: not two uint8 pictures of one size, or a mask that does not fit.
    """
    a, b = _pair(prediction, target)
    energy = _masked_mean(a * a, mask)
    factor = _masked_mean(a * b, mask) / energy if energy > 0.0 else 0.0
    return math.sqrt(_masked_mean(np.square(factor * a - b), mask)) / _RANGE


def light_angle(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the angle in degrees, 0..180, between the main directions of two lights of frame "dpr".

    The main direction is that of coefficients 1 to 3 of the grey light: of a coloured one its luminance. A
    light without one is 90 degrees off.

    Args:
        prediction, truth: (9,), (9, 1) or (9, 3).

    Raises:
        RelightError: another shape.
    """
    a, b = (light_as(np.asarray(light, np.float64), 1)[1:4, 0] for light in (prediction, truth))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if lengths < 1e-12:
        return 90.0
    return float(np.degrees(np.arccos(np.clip(a @ b / lengths, -1.0, 1.0))))


def light_correlation(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return Pearson's correlation, -1..1, of the directed numbers (all but the first) of two lights.

    It asks whether a light is read at all, whatever its strength. Where all directed numbers are equal, no
    light is read: 0.

    Args:
        prediction, truth: (9,) or (9, C), alike.

    Raises:
        RelightError: another shape, or two shapes.
    """
    a, b = (np.asarray(light, np.float64) for light in (prediction, truth))
    if a.shape != b.shape or a.shape[:1] != (9,):
        raise RelightError(f"Two lights (9, C) alike are needed, not {a.shape} and {b.shape}.")
    a, b = (light[1:].ravel() - light[1:].mean() for light in (a, b))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 0.0 if lengths < 1e-12 else float(np.clip(a @ b / lengths, -1.0, 1.0))


def normal_angle(prediction: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean angle in degrees between two normal maps (H, W, 3), of any length but 0.

    Pixels count where both normals have a length, and where the mask (H, W) is true.

    Raises:
        RelightError: maps of other shapes, or no pixel that counts.
    """
    a, b = (np.asarray(each, np.float64) for each in (prediction, truth))
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 3:
        raise RelightError(f"Normal maps need one shape (H, W, 3), not {a.shape} and {b.shape}.")
    lengths = np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
    counts = lengths > 1e-9
    if mask is not None:
        counts &= _check_mask(mask, a)
    if not counts.any():
        raise RelightError("The normal maps have no pixel with a direction to compare.")
    cosines = (a * b).sum(axis=2)[counts] / lengths[counts]
    return float(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).mean())


def mps(ssim_score: float, lpips_score: float | None) -> float | None:
    """Return the Mean Perceptual Score 0.5 * (SSIM + 1 - LPIPS), or None when LPIPS is not known.

    Source: El Helou et al., "AIM 2020: Scene Relighting and Illumination Estimation Challenge", 2020.
    """
    return None if lpips_score is None else 0.5 * (ssim_score + 1.0 - lpips_score)


def score(
    prediction: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    lpips: float | None = None,
) -> dict[str, float | None]:
    """Return the columns of `TABLE` for one pair of uint8 pictures; `runtime` is None.

    `lpips` is the LPIPS AlexNet v0.1 distance when its weights are there, else None.

    Raises:
        RelightError: as `psnr` and `ssim_gaussian`.
    """
    similarity, gaussian = ssim(prediction, target, mask), ssim_gaussian(prediction, target, mask)
    return {
        "psnr": psnr(prediction, target, mask),
        "ssim": similarity,
        "ssim_gaussian": gaussian,
        "lpips_alex_v0.1": lpips,
        "mps": mps(similarity, lpips),
        "rmse": rmse(prediction, target, mask),
        "rmse_s": rmse_s(prediction, target, mask),
        "dssim": (1.0 - gaussian) / 2.0,
        "light_degrees": None,
        "runtime": None,
    }


def mean_scores(
    rows: Iterable[Mapping[str, float | None]], more: Sequence[str] = ()
) -> dict[str, float | None]:
    """Return the mean of each column of `TABLE` over pictures; None where any picture has none.

    A mean over only some of the pictures would not compare with another row, so it is not made.

    Args:
        more: columns of a method's own checks beside those of the table.

    Raises:
        RelightError: no rows.
    """
    rows = list(rows)
    if not rows:
        raise RelightError("There is no picture to score.")
    means: dict[str, float | None] = {}
    for column in (*TABLE, *more):
        values = [row.get(column) for row in rows]
        known = [value for value in values if value is not None]
        means[column] = sum(known) / len(known) if len(known) == len(values) else None
    return means


def synchronised_runtime(function: Callable[[], Any], repeats: int = 10, warmup: int = 2) -> float:
    """Return the median seconds of one call, measured until its result is in host memory.

    Without the copy a GPU would only be timed for the launch of its work. The warm-up calls are not
    counted: they trace, compile and fill caches.

    Raises:
        RelightError: fewer than 1 repeat.
    """
    if repeats < 1 or warmup < 0:
        raise RelightError(f"A runtime needs at least 1 repeat and no negative warm-up, not {repeats}.")
    for _ in range(warmup):
        _to_host(function())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        _to_host(function())
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def psnr_batch(prediction: Any, target: Any) -> Any:
    """Return the PSNR in dB of each picture of two (B, H, W, C) batches in 0..1, shape (B,), on device.

    Both are rounded to 8 bit first, so the values agree with those of written files. Equal pictures give
    the finite 120 dB, so that one of them does not spoil a mean in a log.
    """
    from keras import ops

    a, b = _round_batch(prediction), _round_batch(target)
    error = ops.mean(ops.square(a - b), axis=(1, 2, 3))
    return -10.0 * ops.log10(ops.maximum(error, 1e-12))


def ssim_batch(prediction: Any, target: Any) -> Any:
    """Return `ssim` of each picture of two (B, H, W, C) batches in 0..1, shape (B,), on device.

    Both are rounded to 8 bit first. In float32 it agrees with `ssim` to about 1e-4; use `ssim` on files
    for numbers that are published.
    """
    from keras import ops

    a, b = _round_batch(prediction), _round_batch(target)

    def window_mean(x: Any) -> Any:
        return ops.average_pool(x, 7, strides=1, padding="valid")

    mean_a, mean_b = window_mean(a), window_mean(b)
    means, both = mean_a * mean_a + mean_b * mean_b, mean_a * mean_b
    sample = 49.0 / 48.0
    variances = sample * (window_mean(a * a + b * b) - means)
    covariance = sample * (window_mean(a * b) - both)
    c1, c2 = 0.01**2, 0.03**2
    values = (2.0 * both + c1) * (2.0 * covariance + c2) / ((means + c1) * (variances + c2))
    return ops.mean(values, axis=(1, 2, 3))


def _pair(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check two pictures and return them as float64 (H, W, C) on the scale 0..255."""
    a, b = np.asarray(prediction), np.asarray(target)
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise RelightError(f"Scores need 8-bit pictures, not {a.dtype} and {b.dtype}: quantise them first.")
    if a.shape != b.shape:
        raise RelightError(f"The two pictures differ in size: {a.shape} and {b.shape}.")
    if a.ndim not in (2, 3) or a.size == 0:
        raise RelightError(f"A picture needs the shape (height, width, channels), not {a.shape}.")
    shape = a.shape if a.ndim == 3 else (*a.shape, 1)
    return a.reshape(shape).astype(np.float64), b.reshape(shape).astype(np.float64)


def _masked_mean(values: np.ndarray, mask: np.ndarray | None) -> float:
    """Return the mean of (H, W, C) values over the pixels of an (H, W) mask."""
    if mask is None:
        return float(values.mean())
    return float(values[_check_mask(mask, values)].mean())


def _check_mask(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.shape != values.shape[:2]:
        raise RelightError(f"The mask has the size {mask.shape}, the picture {values.shape[:2]}.")
    chosen = mask.astype(bool)
    if not chosen.any():
        raise RelightError("The mask holds no pixel to score.")
    return chosen


def _ssim(
    prediction: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None,
    weights: np.ndarray,
    sample_covariance: bool,
) -> float:
    a, b = _pair(prediction, target)
    height, width, channels = a.shape
    taps = len(weights)
    if min(height, width) < taps:
        raise RelightError(
            f"SSIM with a {taps}x{taps} window needs pictures of at least {taps}x{taps} pixels, "
            f"not {width}x{height}."
        )
    if mask is not None:
        edge = taps // 2
        inner = (slice(edge, height - edge), slice(edge, width - edge))
        if not _check_mask(mask, a)[inner].any():
            raise RelightError(f"No {taps}x{taps} window has its centre inside the mask.")
        mask = np.asarray(mask)[inner]
    windows = float(taps * taps)
    factor = windows / (windows - 1.0) if sample_covariance else 1.0
    # Channel by channel: a photo of 12 megapixels would need gigabytes at once.
    values = [_ssim_map(a[..., c], b[..., c], weights, factor) for c in range(channels)]
    return sum(_masked_mean(value[..., None], mask) for value in values) / channels


def _ssim_map(a: np.ndarray, b: np.ndarray, weights: np.ndarray, factor: float) -> np.ndarray:
    """Return the SSIM of one channel wherever the window fits, (H - taps + 1, W - taps + 1)."""
    edge = len(weights) // 2

    def window_mean(x: np.ndarray) -> np.ndarray:
        # The border mode does not matter: windows that leave the picture are cut off.
        filtered = cv2.sepFilter2D(x, cv2.CV_64F, weights, weights, borderType=cv2.BORDER_REFLECT)
        return filtered[edge : a.shape[0] - edge, edge : a.shape[1] - edge]

    mean_a, mean_b = window_mean(a), window_mean(b)
    means, both = mean_a * mean_a + mean_b * mean_b, mean_a * mean_b
    variances = factor * (window_mean(a * a + b * b) - means)
    covariance = factor * (window_mean(a * b) - both)
    return (2.0 * both + _C1) * (2.0 * covariance + _C2) / ((means + _C1) * (variances + _C2))


def _round_batch(x: Any) -> Any:
    from keras import ops

    return ops.round(ops.clip(ops.cast(x, "float32"), 0.0, 1.0) * _RANGE) / _RANGE


def _to_host(result: Any) -> None:
    """Copy every array of a result to host memory, which waits until it is computed."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        for part in result:
            _to_host(part)
    elif result is not None and not isinstance(result, np.ndarray | float | int | str | bytes):
        from keras import ops

        ops.convert_to_numpy(result)
