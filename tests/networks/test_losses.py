"""The losses against plain numpy, and their gradients where formulas tend to break."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from tf_relight.errors import RelightError
from tf_relight.networks import losses


def pictures(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def features(x):
    """Stand in for VGG-16: something with a gradient."""
    return ops.average_pool(x, 2, padding="valid") * 3.0


def three_features(x):
    """Stand in for VGG-19 at three depths."""
    return [features(x), features(x) ** 2, -features(x)]


OPTIONS = {
    "vgg16": {"features": features},
    "vgg16_shallow": {"features": three_features},
    "vgg19": {"features": three_features},
}


def plain_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM with the full 11x11 window in float64, one tap after the other."""
    weights = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    window = np.outer(weights, weights) / weights.sum() ** 2

    def blur(x):
        padded = np.pad(x, ((0, 0), (5, 5), (5, 5), (0, 0)))
        height, width = x.shape[1:3]
        return sum(
            window[i, j] * padded[:, i : i + height, j : j + width] for i in range(11) for j in range(11)
        )

    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    below = (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    return float((above / below).mean())


def plain_edges(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    height, width = x.shape[1] - 2, x.shape[2] - 2
    parts = [kernel[i, j] * x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.abs(sum(parts))


def test_l1_and_l2_are_means():
    a, b = pictures(2, 7, 5, 3), pictures(2, 7, 5, 3, seed=1)
    assert float(losses.l1(a, b)) == pytest.approx(np.abs(a - b).mean(), rel=1e-6)
    assert float(losses.l2(a, b)) == pytest.approx(np.square(a - b).mean(), rel=1e-6)
    assert float(losses.perceptual_mse(a, b)) == float(losses.l2(a, b))


@pytest.mark.parametrize("size", [(16, 16), (33, 21), (7, 40)])
def test_ssim_equals_the_full_window(size):
    a = pictures(2, *size, 3)
    b = np.clip(a + 0.2 * pictures(2, *size, 3, seed=1), 0, 1)
    # float32 against float64: E[x^2] - E[x]^2 loses about three digits.
    assert float(losses.ssim_index(a, b)) == pytest.approx(plain_ssim(a, b), abs=1e-5)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    a = pictures(1, 32, 32, 3)
    noise = pictures(1, 32, 32, 3, seed=2) - 0.5
    values = [float(losses.ssim_index(a, a + s * noise)) for s in (0.0, 0.1, 0.3)]
    assert values[0] == pytest.approx(1.0, abs=1e-5)
    assert values[0] > values[1] > values[2]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_ssim_is_symmetric_and_bounded(seed, level, mixture):
    a = pictures(1, 16, 16, 3, seed=seed)
    b = (mixture * a + (1 - mixture) * level).astype(np.float32)
    forth, back = float(losses.ssim_index(a, b)), float(losses.ssim_index(b, a))
    assert forth == pytest.approx(back, abs=1e-6)
    assert -1.0 - 1e-5 <= forth <= 1.0 + 1e-5


def test_total_variation_is_the_formula_of_the_authors():
    x = pictures(2, 9, 6, 3)
    batch, height, width, channels = x.shape
    down = np.square(x[:, 1:] - x[:, :-1]).sum() / (channels * (height - 1) * width)
    across = np.square(x[:, :, 1:] - x[:, :, :-1]).sum() / (channels * height * (width - 1))
    assert float(losses.total_variation(x)) == pytest.approx(2 * (down + across) / batch, rel=1e-5)
    assert float(losses.total_variation(np.ones_like(x), x)) == 0.0


def test_sobel_and_its_advanced_form():
    a, b = pictures(2, 9, 12, 3), pictures(2, 9, 12, 3, seed=1)
    horizontal = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    diagonal = np.array([[2, 1, 0], [1, 0, -1], [0, -1, -2]])
    straight = [horizontal, horizontal.T]
    slanted = [diagonal, np.array([[0, 1, 2], [-1, 0, 1], [-2, -1, 0]])]

    def expected(kernels):
        return np.mean([np.abs(plain_edges(a, k) - plain_edges(b, k)).mean() for k in kernels])

    assert float(losses.sobel(a, b)) == pytest.approx(expected(straight), rel=1e-5)
    assert float(losses.advanced_sobel(a, b)) == pytest.approx(expected(straight + slanted), rel=1e-5)
    diagonal_only = float(losses.advanced_sobel(a, b, diagonal_only=True))
    assert diagonal_only == pytest.approx(expected(slanted), rel=1e-5)


def test_sobel_ignores_the_sign_of_an_edge():
    a = pictures(1, 8, 8, 3)
    assert float(losses.sobel(a, 1.0 - a)) == pytest.approx(0.0, abs=1e-6)


def test_gradient_is_the_error_of_the_steps_to_both_neighbours():
    a, b = pictures(2, 9, 6, 1), pictures(2, 9, 6, 1, seed=1)
    across = np.abs(np.diff(a, axis=2) - np.diff(b, axis=2)).mean()
    down = np.abs(np.diff(a, axis=1) - np.diff(b, axis=1)).mean()
    assert float(losses.gradient(a, b)) == pytest.approx(across + down, rel=1e-6)
    # Unlike a change of level, an edge of the other sign costs.
    assert float(losses.gradient(a, a + 0.25)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.gradient(a, 1.0 - a)) > 0.5
    with pytest.raises(RelightError, match="The gradient loss needs pictures of at least 2x2"):
        losses.gradient(a[:, :1], b[:, :1])


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("case", ["different", "equal", "black"])
def test_gradients_are_finite(name, case):
    a = np.zeros((2, 16, 16, 3), np.float32) if case == "black" else pictures(2, 16, 16, 3)
    b = pictures(2, 16, 16, 3, seed=1) if case == "different" else a
    prediction = tf.constant(a)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = losses.LOSSES[name](prediction, b, **OPTIONS.get(name, {}))
    gradient = tape.gradient(value, prediction)
    assert value.shape == () and np.isfinite(float(value))
    assert np.isfinite(gradient.numpy()).all()
    if case == "different":
        assert np.abs(gradient.numpy()).max() > 0.0


@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses_run_in_a_graph_of_unknown_size(name):
    loss = losses.LOSSES[name]

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))] * 2)
    def step(a, b):
        with tf.GradientTape() as tape:
            tape.watch(a)
            value = loss(a, b, **OPTIONS.get(name, {}))
        return value, tape.gradient(value, a)

    for size in ((12, 20), (17, 13)):
        a, b = pictures(1, *size, 3), pictures(1, *size, 3, seed=1)
        value, gradient = step(a, b)
        eager = float(loss(a, b, **OPTIONS.get(name, {})))
        # The same kernels in another order of additions.
        assert float(value) == pytest.approx(eager, rel=1e-5, abs=1e-6)
        assert gradient.shape == a.shape


@pytest.mark.parametrize("name", losses.LOSSES)
def test_bfloat16_inputs_are_computed_in_float32(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        a, b = (ops.cast(pictures(1, 16, 16, 3, seed=s), "bfloat16") for s in (0, 1))
        options = OPTIONS.get(name, {})
        value = losses.LOSSES[name](a, b, **options)
        exact = losses.LOSSES[name](ops.cast(a, "float32"), ops.cast(b, "float32"), **options)
    finally:
        keras.config.set_dtype_policy(before)
    assert value.dtype == tf.float32
    assert float(value) == float(exact)


def test_vgg19_weighs_three_depths_of_pictures_in_the_inner_range():
    a, b = pictures(1, 8, 8, 3), pictures(1, 8, 8, 3, seed=1)
    value = losses.perceptual_vgg19(a, b, features=three_features)
    inner = [three_features(2 * x - 1) for x in (a, b)]
    distances = [float(np.abs(np.asarray(p) - np.asarray(q)).mean()) for p, q in zip(*inner, strict=True)]
    assert float(value) == pytest.approx(np.dot(distances, [1 / 32, 1 / 16, 1 / 8]), rel=1e-5)


def test_smooth_l1_is_square_near_zero_and_straight_far_off():
    a = np.array([0.0, 0.5, 1.0, 3.0], np.float32).reshape(1, 2, 2, 1)
    assert float(losses.smooth_l1(a, np.zeros_like(a))) == pytest.approx((0 + 0.125 + 0.5 + 2.5) / 4)
    assert float(losses.smooth_l1(a, a)) == 0.0


def test_shallow_vgg16_averages_the_depths():
    a, b = pictures(1, 8, 8, 3), pictures(1, 8, 8, 3, seed=1)
    value = losses.perceptual_vgg16_shallow(a, b, features=three_features)
    pairs = zip(three_features(a), three_features(b), strict=True)
    squares = [float(np.square(np.asarray(p) - np.asarray(q)).mean()) for p, q in pairs]
    assert float(value) == pytest.approx(np.mean(squares), rel=1e-5)


def test_vgg16_gives_the_target_no_gradient():
    a, b = tf.constant(pictures(1, 8, 8, 3)), tf.constant(pictures(1, 8, 8, 3, seed=1))
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        value = losses.perceptual_vgg16(a, b, features=features)
    of_a, of_b = tape.gradient(value, [a, b])
    assert of_a is not None and of_b is None


def test_pictures_too_small_for_a_filter_are_refused():
    with pytest.raises(RelightError, match="2x2"):
        losses.total_variation(pictures(1, 1, 8, 3))
    with pytest.raises(RelightError, match="3x3"):
        losses.sobel(pictures(1, 8, 2, 3), pictures(1, 8, 2, 3))


@pytest.mark.parametrize("form", ["lsgan", "log", "hinge"])
def test_gan_loss_falls_as_the_scores_get_right(form):
    for real in (True, False):
        good = 1.0 if real else -1.0
        values = [float(losses.gan_loss(np.full((2, 4, 4, 1), s * good, "f4"), real, form)) for s in (-1, 0)]
        assert values[0] > values[1] >= 0.0


def test_gan_loss_values():
    scores = np.array([[0.5], [-2.0]], np.float32)
    assert float(losses.gan_loss(scores, True, "lsgan")) == pytest.approx((0.25 + 9) / 2)
    assert float(losses.gan_loss(scores, False, "lsgan")) == pytest.approx((0.25 + 4) / 2)
    expected = np.mean(np.log1p(np.exp(-scores.astype(np.float64))))
    assert float(losses.gan_loss(scores, True, "log")) == pytest.approx(expected, rel=1e-6)
    assert float(losses.gan_loss(scores, True, "hinge")) == pytest.approx((0.5 + 3) / 2)
    assert float(losses.gan_loss(scores, False, "hinge")) == pytest.approx((1.5 + 0) / 2)
    assert float(losses.gan_loss(scores, True, "hinge", generator=True)) == pytest.approx(0.75)
    both = losses.gan_loss([scores, [scores, scores]], True, "lsgan")
    assert float(both) == pytest.approx(3 * (0.25 + 9) / 2)
    far = losses.gan_loss(np.array([[-1e4]], np.float32), True, "log")
    assert float(far) == pytest.approx(1e4)


def test_gan_loss_refuses_what_has_no_meaning():
    with pytest.raises(RelightError, match="lsgan"):
        losses.gan_loss(np.zeros((1, 1), "f4"), True, "wgan")
    with pytest.raises(RelightError, match="real=True"):
        losses.gan_loss(np.zeros((1, 1), "f4"), False, "hinge", generator=True)


def test_feature_matching_is_the_mean_over_layers():
    a = [np.zeros((1, 4, 4, 2), "f4"), [np.ones((1, 2, 2, 8), "f4")]]
    b = [np.ones((1, 4, 4, 2), "f4"), [np.full((1, 2, 2, 8), 4.0, "f4")]]
    assert float(losses.feature_matching(a, b)) == pytest.approx(2.0)
    with pytest.raises(RelightError, match="equal lists"):
        losses.feature_matching(a, b[:1])


def test_log_ratio_weighs_a_shadow_as_much_as_a_highlight():
    dark, bright = np.full((1, 8, 8, 1), 0.06, np.float32), np.full((1, 8, 8, 1), 0.96, np.float32)
    in_shadow = float(losses.log_ratio(dark * 0 + 0.08, dark))
    assert in_shadow == pytest.approx(np.log(0.12 / 0.1), rel=1e-4)
    assert float(losses.log_ratio(bright - 0.02, bright)) < 0.15 * in_shadow
    checks = np.indices((16, 16)).sum(axis=0)[None, ..., None] % 2
    fine = 0.5 + 0.05 * checks.astype(np.float32)
    assert float(losses.log_ratio(fine, 1.05 - fine)) < 0.3 * float(
        losses.l1(np.log(fine), np.log(1.05 - fine))
    )
    with pytest.raises(RelightError, match="The log ratio loss needs pictures of at least 5x5"):
        losses.log_ratio(dark[:, :4], dark[:, :4])
