"""The light fitted to skin: optimal among all lights that are nowhere negative, and that light itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from tf_relight.data.portraits.source_light import (
    SAMPLES,
    erode_skin,
    fit_light,
    fit_source_light,
    nonnegative_least_squares,
    of_one_colour,
)
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import (
    ATTENUATION,
    basis,
    moment_matrix,
    project_nonnegative,
    shading,
)

SIZE = 96


def directions(count: int) -> np.ndarray:
    """Points spread evenly over the sphere."""
    number = np.arange(count) + 0.5
    z, turn = 1 - 2 * number / count, number * np.pi * (1 + np.sqrt(5))
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], -1)


def ball(size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Normals (H, W, 3) of a ball in frame "dpr", and where it is."""
    x, z = np.meshgrid(np.linspace(-1, 1, size), np.linspace(1, -1, size))
    inside = x**2 + z**2 < 0.9
    y = -np.sqrt(np.where(inside, 1 - x**2 - z**2, 1.0))
    normals = np.stack([np.where(inside, x, 0), y, np.where(inside, z, 0)], -1)
    return normals, inside


def soft_light(seed: int) -> np.ndarray:
    """Light from everywhere and from a few directions: the constraint is met with room to spare."""
    rng = np.random.default_rng(seed)
    lamps = basis(directions(40)[rng.choice(40, 3, replace=False)], attenuated=False)
    return rng.uniform(0.2, 1, 3) @ lamps + np.eye(9)[0]


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A fit to a brightness that no light explains; the constraint usually binds."""
    rng = np.random.default_rng(seed)
    normals = directions(400)
    normals = normals[normals[:, 1] < rng.uniform(-0.5, 0.1)]
    harmonics = basis(normals)
    brightness = np.maximum(harmonics @ rng.normal(0, 1, 9), 0) + rng.uniform(0, 0.2, len(normals))
    brightness /= brightness.mean()
    count = len(normals)
    return harmonics.T @ harmonics / count, harmonics.T @ brightness / count, float(np.mean(brightness**2))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**31))
def test_the_fit_is_the_best_of_all_nonnegative_lights(seed):
    """The lights are the cone of single directions, so these are the conditions of the minimum (KKT): no
    direction's light would lower the error, and neither would more or less of the light itself."""
    gram, projection, scale = problem(seed)
    light = nonnegative_least_squares(gram, projection, scale)
    assert np.linalg.eigvalsh(moment_matrix(light))[0] >= 0
    gradient = gram @ light - projection
    lamps = basis(directions(20_000), attenuated=False)
    # The barrier leaves at most 1e-11 of the scale; the slope along a lamp is of the order of its root.
    assert (lamps @ gradient).min() > -1e-5
    # Making it e times larger changes the error by e times this and by e^2 times its size: 1e-6 leaves 1e-12.
    assert abs(light @ gradient) < 1e-6 * scale


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31))
def test_brute_force_over_lamps_finds_nothing_better(seed):
    gram, projection, scale = problem(seed)
    light = nonnegative_least_squares(gram, projection, scale)

    def error(x: np.ndarray) -> float:
        return float(x @ gram @ x / 2 - projection @ x)

    lamps = basis(directions(4000), attenuated=False).T
    root = np.linalg.cholesky(gram).T
    powers, _ = nnls(root @ lamps, np.linalg.solve(root.T, projection))
    brute = error(lamps @ powers)
    assert error(light) <= brute + 1e-10 * scale
    # Lamps stand 0.03 radians from the nearest best direction; at a minimum that costs its square.
    assert brute - error(light) < 2e-3 * scale


def test_without_a_binding_constraint_it_is_least_squares():
    normals = directions(500)
    normals = normals[normals[:, 1] < 0]
    noise = np.random.default_rng(0).normal(0, 0.01, len(normals))
    brightness = shading(normals, soft_light(3)) + noise
    wanted = np.linalg.lstsq(basis(normals), brightness, rcond=None)[0]
    assert np.linalg.eigvalsh(moment_matrix(wanted))[0] > 0.01
    np.testing.assert_allclose(fit_light(normals, brightness), wanted, atol=1e-6)


def test_projecting_afterwards_is_worse_than_fitting_under_the_constraint():
    normals = directions(1000)
    normals = normals[normals[:, 1] < -0.3]
    brightness = np.maximum(normals @ [0.9, -0.4, 0.1], 0) ** 4
    free = np.linalg.lstsq(basis(normals), brightness, rcond=None)[0]
    assert np.linalg.eigvalsh(moment_matrix(free))[0] < -0.1

    def error(light: np.ndarray) -> float:
        return float(np.mean((shading(normals, light) - brightness) ** 2))

    fitted = error(fit_light(normals, brightness))
    assert error(free) < fitted < error(project_nonnegative(free))


@pytest.mark.parametrize("albedo", [0.2, 0.6])
def test_a_ball_gives_its_light_back(albedo):
    normals, inside = ball()
    light = soft_light(1)
    light *= 1 / shading(normals[erode_skin(inside)], light).mean()
    luminance = np.where(inside, albedo * shading(normals, light), 0)
    fitted = fit_source_light(luminance, normals, inside)
    # The mean is over all skin and the fit over all skin too, so nothing but rounding is left.
    np.testing.assert_allclose(fitted, light, atol=1e-5)


def test_many_pixels_are_sampled_the_same_way_every_time():
    normals, inside = ball(160)
    assert erode_skin(inside).sum() > SAMPLES
    luminance = shading(normals, soft_light(2)) + np.random.default_rng(0).normal(0, 0.05, inside.shape)
    first = fit_source_light(luminance, normals, inside)
    assert np.array_equal(first, fit_source_light(luminance, normals, inside))
    assert not np.array_equal(first, fit_source_light(luminance, normals, inside, seed=1))
    every = fit_source_light(luminance, normals, inside, samples=10**6)
    # The noise of 10 000 samples of 15 000: 0.05 / sqrt(10 000), several times for the weaker harmonics.
    visible = basis(normals[inside])
    assert np.abs(visible @ (first - every)).mean() < 5e-3


def test_the_rim_of_the_skin_is_left_out():
    skin = np.zeros((40, 40), bool)
    skin[5:35, 5:35] = True
    eroded = erode_skin(skin)
    assert eroded[10:30, 10:30].all() and eroded.sum() == 20 * 20


def test_what_cannot_be_fitted_is_refused():
    normals, inside = ball()
    bright = np.full(inside.shape, 0.5)
    with pytest.raises(RelightError, match="pixels of skin"):
        fit_source_light(bright, normals, np.zeros_like(inside))
    with pytest.raises(RelightError, match="black"):
        fit_source_light(bright * 0, normals, inside)
    flat = np.broadcast_to([0.0, -1.0, 0.0], normals.shape)
    with pytest.raises(RelightError, match="hardly differ"):
        fit_source_light(bright, flat, inside)
    # Rounding noise of a flat 8-bit map must not pass for a shape.
    rounded = flat + np.random.default_rng(0).choice([0, 1e-3], normals.shape)
    with pytest.raises(RelightError, match="hardly differ"):
        fit_source_light(bright, rounded, inside)


def test_even_brightness_is_even_light():
    normals, inside = ball()
    light = fit_source_light(np.full(inside.shape, 0.4), normals, inside)
    assert light[0] == pytest.approx(1 / (ATTENUATION[0] * np.sqrt(1 / (4 * np.pi))), rel=1e-4)
    assert np.abs(light[1:]).max() < 1e-4


def spoiled(normals, inside, light, share, seed=0):
    """Brightness of a ball on which patches are not skin: dark like brows and beards, or white like shine."""
    rng = np.random.default_rng(seed)
    seen = shading(normals, light)
    luminance = 0.85 * seen / seen[inside].max() + rng.normal(0, 0.01, inside.shape)
    rows, columns = np.nonzero(inside)
    wrong = np.zeros_like(inside)
    while wrong[inside].mean() < share:
        place = rng.integers(len(rows))
        patch = np.hypot(*(np.indices(inside.shape) - np.array([rows[place], columns[place]])[:, None, None]))
        patch = (patch < rng.uniform(3, 8)) & inside
        wrong |= patch
        luminance[patch] = rng.choice([0.1, 0.15, 0.95])
    return np.clip(luminance, 0, 1)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_not_skin_is_outvoted(share, seed):
    normals, inside = ball()
    light = soft_light(seed)
    light /= shading(normals[inside], light).mean()
    luminance = spoiled(normals, inside, light, share, seed)
    chosen = erode_skin(inside)
    truth = shading(normals[chosen], light)
    brightness = luminance[chosen] / luminance[chosen].mean()
    plain = shading(normals[chosen], fit_light(normals[chosen], brightness))
    robust = shading(normals[chosen], fit_source_light(luminance, normals, inside))
    truth /= truth.mean()
    errors = [np.sqrt(np.mean((found / found.mean() - truth) ** 2)) for found in (robust, plain)]
    assert errors[0] < min(0.05, errors[1] / 2), errors


def test_other_colours_in_the_mask_are_no_skin():
    normals, inside = ball()
    rng = np.random.default_rng(0)
    lab = np.empty((*inside.shape, 3), np.uint8)
    lab[..., 0] = np.clip(128 * shading(normals, soft_light(0)), 0, 255)
    lab[..., 1:] = np.clip(rng.normal([150, 155], [3, 4], (*inside.shape, 2)), 0, 255)
    lips, grey = np.zeros_like(inside), np.zeros_like(inside)
    lips[60:66, 36:60], grey[30:38, 20:76] = True, True
    lab[lips, 1] = 175
    lab[grey, 1:] = 128
    kept = of_one_colour(lab, inside)
    assert not kept[lips | grey].any() and kept[inside & ~lips & ~grey].mean() > 0.9
    flat = np.full_like(lab, 128)
    assert (of_one_colour(flat, inside) == inside).all()
    assert not of_one_colour(lab, np.zeros_like(inside)).any()
