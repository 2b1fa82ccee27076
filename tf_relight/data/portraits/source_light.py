"""The light a portrait was taken in: spherical harmonics fitted to the brightness of its skin.

Skin is taken to be of one colour, so that what differs on it is shading. Of all lights that are nowhere
negative, the one is wanted whose shading is nearest to the brightness of the skin.

Source: Zhou et al., "Deep Single-Image Portrait Relighting", ICCV 2019, and its released data preparation.
"""

from __future__ import annotations

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import ATTENUATION, MOMENTS, basis

SAMPLES = 10_000
"""Pixels of skin that take part in the fit."""
LEAST_SKIN = 200
"""Pixels of skin, after the rim is taken off, below which nine numbers are not worth fitting."""
SKIN_RIM = 11
"""Side of the square by which skin is eroded: its rim shows hair and shadows."""

_ROUNDS, _HUBER_ROUNDS = 12, 3
_HUBER, _BIWEIGHT = 1.345, 4.685  # the usual constants: 95 % of least squares where all noise is normal
_COLOUR_ROUNDS, _COLOURS_APART = 4, 2.5  # standard deviations from the median colour
_COLOUR_NOISE = 0.5  # variance of a and b that rounding and noise make
_NORMAL_MEDIAN = 1.4826  # standard deviation of normal noise, over the median of its size
_LEAST_DISTANCE = 1e-3  # of the mean brightness; below it is rounding of 8-bit pictures

_GAP = 1e-11  # allowed distance from the least error, as a share of the mean square of the brightness
# Smallest spread of the harmonics over the skin, as a share of the largest. A face has about 1e-4; below this
# an error of one step in 8-bit normals decides the light.
_LEAST_SPREAD = 1e-7


def fit_source_light(
    luminance: np.ndarray,
    normals: np.ndarray,
    skin: np.ndarray,
    *,
    kept: np.ndarray | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Return the light that explains the brightness of skin best.

    Args:
        luminance: (H, W) L of Lab as DPR uses it, 0..1.
        normals: (H, W, 3) unit vectors, frame "dpr" of `spherical_harmonics`.
        skin: (H, W) bool; its rim is taken off here.
        kept: (H, W) bool, which skin takes part (`of_one_colour`); no rim is taken off it. None is all.
        samples: at most as many pixels of skin take part, chosen at random.
        seed: of that choice; the same seed gives the same light.

    Returns:
        (9,) float64, frame "dpr"; the shading of the skin is 1 on average.

    Raises:
        RelightError: too little skin, black skin, or normals that hardly differ.

    Source: DPR's data preparation, step 6. Differs: the fit is robust (`fit_robustly`), the matrices of the
    constraint are complete (see `spherical_harmonics.moment_matrix`), and the problem is solved here instead
    of by a general solver.
    """
    chosen = np.flatnonzero(erode_skin(skin) if kept is None else erode_skin(skin) & kept)
    if len(chosen) < LEAST_SKIN:
        raise RelightError(
            f"The mask holds {len(chosen)} pixels of skin besides its rim; at least {LEAST_SKIN} are needed. "
            "Skin is white (above 127), all else black."
        )
    albedo = float(luminance.ravel()[chosen].mean())
    if albedo <= 0:
        raise RelightError("The skin is black: no light can be found from it.")
    if len(chosen) > samples:
        chosen = np.random.default_rng(seed).choice(chosen, samples, replace=False)
    facing = normals.reshape(-1, 3)[chosen]
    light = fit_robustly(facing, luminance.ravel()[chosen] / albedo)
    return light / float((basis(facing) @ light).mean())


def of_one_colour(lab: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Return skin (H, W) bool without what has another colour: eyes, brows, lips, hair in the mask, clothes.

    Args:
        lab: (H, W, 3) uint8, OpenCV's 8-bit Lab; a and b count, so that shade does not.
        skin: (H, W) bool.
    """
    within = erode_skin(skin)
    if not within.any():
        return skin
    away = lab[..., 1:].astype(np.float64) - np.median(lab[within][:, 1:], axis=0)
    distance = np.zeros(skin.shape)
    for _ in range(_COLOUR_ROUNDS):
        near = away[within & (distance < _COLOURS_APART)]
        spread = near.T @ near / len(near) + _COLOUR_NOISE * np.eye(2)
        distance = np.sqrt(np.einsum("hwi,ij,hwj->hw", away, np.linalg.inv(spread), away))
    return skin & (distance < _COLOURS_APART)


def erode_skin(skin: np.ndarray) -> np.ndarray:
    """Return skin (H, W) bool without its rim, as the official code does it: eroded by an 11 x 11 square."""
    return cv2.erode(skin.astype(np.uint8), np.ones((SKIN_RIM, SKIN_RIM), np.uint8)).astype(bool)


def fit_robustly(normals: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Return the light (9,) that explains most of the skin, whatever the rest looks like.

    Masks of skin hold eyes, brows, lips, beards, shine and shadows that are cast; their brightness says
    nothing about the normals there. Pixels count the less the farther they are from the light found last,
    against the median distance; those far off do not count at all.

    Args, raises: as `fit_light`.

    Source: Beaton and Tukey, "The Fitting of Power Series", Technometrics 16 (1974), the biweight; started
    from Huber's weights, so that a bad first fit loses nobody.
    """
    light = fit_light(normals, brightness)
    harmonics = basis(normals)
    for round_number in range(_ROUNDS):
        distance = np.abs(brightness - harmonics @ light)
        spread = max(_NORMAL_MEDIAN * float(np.median(distance)), _LEAST_DISTANCE)
        if round_number < _HUBER_ROUNDS:
            weight = np.minimum(1, _HUBER * spread / np.maximum(distance, 1e-12))
        else:
            weight = np.clip(1 - (distance / (_BIWEIGHT * spread)) ** 2, 0, 1) ** 2
        before, light = light, fit_light(normals, brightness, weight)
        if round_number > _HUBER_ROUNDS and np.abs(harmonics @ (light - before)).max() < 1e-4:
            break
    return light


def fit_light(normals: np.ndarray, brightness: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the light (9,) whose shading is nearest to a brightness, in the sense of least squares.

    Args:
        normals: (N, 3) unit vectors, frame "dpr".
        brightness: (N,) brightness over albedo.
        weight: (N,) how much each counts, at least 0; None counts all alike.

    Returns:
        (9,) float64 that a light which is nowhere negative can have.

    Raises:
        RelightError: the normals hardly differ, so that no light can be told from another.
    """
    harmonics = basis(normals)
    # Without the attenuation the smallest spread would measure the basis, not the normals.
    weight = np.ones(len(harmonics)) if weight is None else weight
    spread = np.linalg.eigvalsh(np.cov(harmonics / ATTENUATION, rowvar=False, aweights=weight)[1:, 1:])
    if not spread[0] > _LEAST_SPREAD * spread[-1] or spread[-1] <= 0:
        raise RelightError("The normals on the skin hardly differ: no light can be found. Is the map flat?")
    weighted = harmonics.T * (weight / weight.sum())
    scale = float(np.average(brightness**2, weights=weight))
    return nonnegative_least_squares(weighted @ harmonics, weighted @ brightness, scale)


def nonnegative_least_squares(gram: np.ndarray, projection: np.ndarray, scale: float) -> np.ndarray:
    """Minimise x @ gram @ x / 2 - projection @ x over the lights x that are nowhere negative.

    A barrier, minus the logarithm of the determinant of the moment matrix, keeps the light inside; Newton's
    method finds the minimum for ever weaker barriers. With strength m it is at most 4 m above the wanted
    one, so the strength is the measure of what is left.

    Args:
        gram: (9, 9) positive definite.
        projection: (9,).
        scale: of the objective; the result is within 1e-11 of it.

    Returns:
        (9,) float64 whose moment matrix has no negative eigenvalue.

    Source: Boyd and Vandenberghe, "Convex Optimization", 2004, section 11.3 (barrier method), 11.6
    (generalised inequalities).
    """
    size = MOMENTS.shape[1]
    light = np.eye(len(gram))[0] * np.sqrt(scale) / ATTENUATION[0]
    strength = scale
    while True:
        light = _centre(light, gram, projection, strength)
        if size * strength <= _GAP * scale:
            return light
        strength /= 10


def _centre(light: np.ndarray, gram: np.ndarray, projection: np.ndarray, strength: float) -> np.ndarray:
    """Newton's method with a line search, from a light strictly inside; quadratic, so few steps are left."""

    def objective(x: np.ndarray) -> float:
        values = np.linalg.eigvalsh(np.tensordot(x, MOMENTS, axes=1))
        if values[0] <= 0:
            return np.inf
        return float(x @ gram @ x / 2 - projection @ x - strength * np.sum(np.log(values)))

    for _ in range(100):
        matrix = np.tensordot(light, MOMENTS, axes=1)
        whitened = np.linalg.solve(matrix, MOMENTS)  # M^-1 C_i of every i
        pull = np.einsum("iaa->i", whitened)
        gradient = gram @ light - projection - strength * pull
        hessian = gram + strength * np.einsum("iab,jba->ij", whitened, whitened)
        step = np.linalg.solve(hessian, -gradient)
        decrease = -float(gradient @ step)
        if decrease <= 1e-4 * strength:  # far below the distance to the wanted minimum, 4 strength
            return light
        before, length = objective(light), 1.0
        while objective(light + length * step) > before - 0.1 * length * decrease and length > 1e-12:
            length /= 2
        if length <= 1e-12:  # rounding hides any further descent
            return light
        light = light + length * step
    return light
