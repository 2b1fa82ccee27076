"""The scores against scikit-image, and at the edges where they could mislead."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tf_relight.errors import RelightError
from tf_relight.scoring import metrics

# The demand of the issue; both sides compute in float64, so 1e-9 is met as well.
TOLERANCE = 1e-6


def pair(*shape: int, noise: float = 12.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    smooth = rng.integers(0, 256, shape).cumsum(0).cumsum(1) % 509 // 2
    noisy = np.clip(smooth + rng.normal(0, noise, shape), 0, 255)
    return smooth.astype(np.uint8), noisy.astype(np.uint8)


SHAPES = [(64, 48, 3), (37, 53, 3), (11, 11, 3), (12, 101, 3), (40, 31, 1), (33, 34)]


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_equals_scikit_image(shape):
    a, b = pair(*shape)
    axis = -1 if len(shape) == 3 else None
    expected = structural_similarity(a, b, channel_axis=axis)
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=TOLERANCE)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5}
    expected = structural_similarity(a, b, channel_axis=axis, **options)
    assert metrics.ssim_gaussian(a, b) == pytest.approx(expected, abs=TOLERANCE)


def test_ssim_of_flat_pictures_equals_scikit_image():
    # Variances that should be 0 are where sums of squares lose their digits.
    a = np.full((40, 40, 3), 250, np.uint8)
    b = a.copy()
    b[20:] += 1
    expected = structural_similarity(a, b, channel_axis=-1)
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_equals_scikit_image(shape):
    a, b = pair(*shape)
    assert metrics.psnr(a, b) == pytest.approx(peak_signal_noise_ratio(b, a), abs=TOLERANCE)


def test_equal_pictures():
    a, _ = pair(20, 30, 3)
    assert metrics.psnr(a, a) == math.inf
    assert metrics.ssim(a, a) == pytest.approx(1.0, abs=1e-12)
    assert metrics.dssim(a, a) == pytest.approx(0.0, abs=1e-12)
    assert metrics.rmse(a, a) == metrics.rmse_s(a, a) == 0.0


def test_rmse_is_on_the_scale_of_one():
    black, white = np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)
    assert metrics.rmse(black, white) == 1.0
    # No factor makes black brighter.
    assert metrics.rmse_s(black, white) == 1.0
    assert metrics.rmse_s(white, black) == 0.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 3.0))
def test_rmse_s_is_the_least_over_all_factors(seed, factor):
    a, b = pair(9, 7, 3, seed=seed)
    best = metrics.rmse_s(a, b)
    other = np.sqrt(np.mean(np.square(factor * a.astype(float) - b))) / 255
    assert best <= other + 1e-12
    assert best <= metrics.rmse(a, b) + 1e-12


def test_rmse_s_forgives_a_dark_picture():
    target = np.random.default_rng(0).integers(0, 128, (16, 16, 3), dtype=np.uint8) * 2
    dark = target // 2
    assert metrics.rmse(dark, target) > 0.1
    assert metrics.rmse_s(dark, target) == pytest.approx(0.0, abs=1e-12)


def test_dssim_and_mps_formulas():
    a, b = pair(24, 24, 3)
    assert metrics.dssim(a, b) == pytest.approx((1 - metrics.ssim_gaussian(a, b)) / 2)
    assert metrics.mps(0.6642, 0.2771) == pytest.approx(0.69355)
    assert metrics.mps(0.6642, None) is None


@pytest.mark.parametrize(
    "name", ["psnr", "ssim", "ssim_gaussian", "dssim", "rmse", "rmse_s"], ids=lambda name: name
)
def test_masks(name):
    score = getattr(metrics, name)
    a, b = pair(40, 30, 3)
    everything = np.ones((40, 30), bool)
    assert score(a, b, everything) == pytest.approx(score(a, b), abs=1e-12)
    # Only the upper half counts: what happens far below it must not matter.
    upper = np.zeros((40, 30), np.uint8)
    upper[:20] = 255
    spoiled = b.copy()
    spoiled[26:] = 0
    assert score(a, b, upper) == pytest.approx(score(a, spoiled, upper), abs=1e-12)
    with pytest.raises(RelightError, match="mask"):
        score(a, b, np.zeros((40, 30), bool))
    with pytest.raises(RelightError, match="mask"):
        score(a, b, np.ones((30, 40), bool))


def test_masked_psnr_and_ssim_are_means_inside():
    a, b = pair(31, 45, 3)
    mask = np.zeros((31, 45), bool)
    mask[5:20, 8:30] = True
    error = np.square(a[mask].astype(float) - b[mask]).mean()
    assert metrics.psnr(a, b, mask) == pytest.approx(10 * np.log10(255**2 / error))
    _, full = structural_similarity(a, b, channel_axis=-1, full=True)
    assert metrics.ssim(a, b, mask) == pytest.approx(full[mask].mean(), abs=TOLERANCE)


def test_ssim_needs_a_window():
    small = np.zeros((6, 40, 3), np.uint8)
    with pytest.raises(RelightError, match="7x7 pixels, not 40x6"):
        metrics.ssim(small, small)
    with pytest.raises(RelightError, match="11x11"):
        metrics.ssim_gaussian(np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8))
    corner = np.zeros((20, 20), bool)
    corner[0, 0] = True
    picture = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(RelightError, match="centre inside the mask"):
        metrics.ssim(picture, picture, corner)
    # The other scores do not need one.
    pixel = np.full((1, 1, 3), 10, np.uint8)
    assert metrics.rmse(pixel, pixel) == 0.0


def test_wrong_pictures_are_refused():
    a = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(RelightError, match="8-bit"):
        metrics.psnr(a.astype(np.float32), a)
    with pytest.raises(RelightError, match="differ in size"):
        metrics.psnr(a, a[:7])
    with pytest.raises(RelightError, match="shape"):
        metrics.rmse(a[None], a[None])
    with pytest.raises(RelightError, match="shape"):
        metrics.rmse(a[:0], a[:0])


def test_quantise_rounds_and_clips():
    values = np.array([-1.0, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0], np.float32)
    assert metrics.quantise(values).tolist() == [0, 0, 0, 1, 255, 255]
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(metrics.quantise(levels.astype(np.float32) / 255), levels)
    with pytest.raises(RelightError, match="NaN"):
        metrics.quantise(np.array([np.nan]))


def test_score_fills_the_table():
    a, b = pair(24, 24, 3)
    row = metrics.score(a, b, lpips=0.25)
    assert tuple(row) == metrics.TABLE
    assert row["psnr"] == metrics.psnr(a, b) and row["dssim"] == metrics.dssim(a, b)
    assert row["mps"] == pytest.approx(0.5 * (row["ssim"] + 0.75))
    without = metrics.score(a, b)
    assert without["lpips_alex_v0.1"] is None and without["mps"] is None
    mean = metrics.mean_scores([row, row | {"psnr": row["psnr"] + 2}])
    assert mean["psnr"] == pytest.approx(row["psnr"] + 1) and mean["runtime"] is None
    assert metrics.mean_scores([row, without])["mps"] is None
    with pytest.raises(RelightError, match="no picture"):
        metrics.mean_scores([])


def test_scores_on_the_device_agree_with_those_of_files():
    rng = np.random.default_rng(0)
    a = rng.random((3, 24, 31, 3), dtype=np.float32)
    b = (a + rng.normal(0, [[[[0.02]]], [[[0.1]]], [[[0.4]]]], a.shape)).astype(np.float32)
    files = [(metrics.quantise(x), metrics.quantise(y)) for x, y in zip(b, a, strict=True)]
    psnr, ssim = (np.asarray(f(b, a)) for f in (metrics.psnr_batch, metrics.ssim_batch))
    assert psnr.shape == ssim.shape == (3,)
    # float32: a millionth of a decibel-scale value, and three digits lost in the variances of SSIM.
    np.testing.assert_allclose(psnr, [metrics.psnr(x, y) for x, y in files], atol=1e-4)
    np.testing.assert_allclose(ssim, [metrics.ssim(x, y) for x, y in files], atol=1e-4)
    assert np.asarray(metrics.psnr_batch(a, a)).tolist() == pytest.approx([120.0] * 3)


def test_light_angle_is_that_between_the_main_directions():
    def light(*direction: float, rest: float = 0.0) -> np.ndarray:
        x, y, z = direction
        return np.array([0.8, y, z, x, *([rest] * 5)])

    assert metrics.light_angle(light(1, 0, 0), light(3, 0, 0, rest=0.4)) == pytest.approx(0.0, abs=1e-5)
    assert metrics.light_angle(light(1, 0, 0), light(0, 0, 2)) == pytest.approx(90.0)
    assert metrics.light_angle(light(1, 0, 0), light(1, 1, 0)) == pytest.approx(45.0)
    assert metrics.light_angle(light(0, -1, 0), light(0, 0.1, 0)) == pytest.approx(180.0)
    assert metrics.light_angle(light(0, 0, 0), light(0, 1, 0)) == 90.0, (
        "no direction is no better than chance"
    )


def test_light_correlation_is_of_the_directed_numbers():
    light = np.random.default_rng(2).normal(size=(9, 3))
    assert metrics.light_correlation(light, light) == pytest.approx(1.0)
    brighter = light * [[0.2], *[[3.0]] * 8]
    assert metrics.light_correlation(brighter, light) == pytest.approx(1.0), (
        "neither amount nor strength counts"
    )
    assert metrics.light_correlation(-light, light) == pytest.approx(-1.0)
    assert metrics.light_correlation(np.ones((9, 3)), light) == 0.0, "a constant reads nothing"
    with pytest.raises(RelightError, match=r"\(9, C\) alike"):
        metrics.light_correlation(light[:, :1], light)


@settings(max_examples=20, deadline=None)
@given(st.floats(-180, 180), st.floats(-80, 80), st.floats(0, 180))
def test_light_angle_of_rotated_lights(azimuth, elevation, turn):
    from tf_relight.light.light import Light

    light = Light.from_direction(azimuth, elevation)
    turned = light.rotate(azimuth=turn)
    # On a circle of latitude two points `turn` apart are 2 asin(cos e sin(turn / 2)) apart on the sphere.
    apart = 2 * np.arcsin(np.cos(np.radians(elevation)) * np.sin(np.radians(turn) / 2))
    # arccos near 1 loses half the digits.
    assert metrics.light_angle(light.luminance, turned.luminance) == pytest.approx(
        np.degrees(apart), abs=1e-4
    )


def test_runtime_is_the_median_after_the_warm_up():
    calls = []

    def work():
        calls.append(None)
        time.sleep(0.05 if len(calls) in (1, 4) else 0.002)
        return {"image": np.zeros(3), "parts": [1.0, None]}

    assert 0.002 <= metrics.synchronised_runtime(work, repeats=5, warmup=1) < 0.03
    assert len(calls) == 6
    with pytest.raises(RelightError, match="repeat"):
        metrics.synchronised_runtime(work, repeats=0)


def test_runtime_waits_for_the_device():
    import keras

    x = keras.ops.ones((64, 64))
    assert metrics.synchronised_runtime(lambda: (keras.ops.matmul(x, x),), repeats=3, warmup=1) > 0.0
