"""PatchGAN: sizes and what its scores see."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.contract.stage import Discriminator
from tf_relight.networks.discriminators import build_discriminator


def judge(picture: np.ndarray, **recipe) -> dict:
    network = build_discriminator(Discriminator(channels=picture.shape[-1], width=4, **recipe), "judge")
    return network(picture.astype(np.float32))


@pytest.mark.parametrize("layers,scores", [(1, 30), (3, 6)])
def test_scores_of_a_64_pixel_picture(layers, scores):
    # n strided layers halve n times; the two last layers lose one pixel each.
    found = judge(np.random.default_rng(0).random((2, 64, 64, 1)), layers=layers)
    assert found["scores"].shape == (2, scores, scores, 1)
    assert [f.shape[-1] for f in found["features"]] == [min(2**i, 8) * 4 for i in range(layers + 1)]


def test_parameters_are_those_of_the_70_pixel_patchgan():
    # 4x4 kernels 6-64-128-256-512-1, biases in the first and last layer only.
    network = build_discriminator(Discriminator(channels=6, width=64, layers=3), "judge")
    kernels = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    assert network.count_params() == kernels + 64 + 1


def test_each_score_sees_70_pixels():
    network = build_discriminator(Discriminator(channels=1, width=4, layers=3, norm="none"), "judge")
    picture = np.random.default_rng(0).random((1, 192, 192, 1)).astype(np.float32)
    before = np.asarray(network(picture)["scores"])
    changed = picture.copy()
    changed[0, 96, 96] += 10.0
    moved = np.abs(np.asarray(network(changed)["scores"]) - before)[0, ..., 0] > 0
    # A patch of 70 pixels every 8 pixels: one pixel is seen by 8 or 9 of them along each axis.
    rows, columns = np.nonzero(moved)
    assert 8 <= np.ptp(rows) + 1 <= 9 and 8 <= np.ptp(columns) + 1 <= 9


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_norms_train(norm):
    import tensorflow as tf

    network = build_discriminator(Discriminator(channels=1, width=4, layers=2, norm=norm), "judge")
    picture = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(picture, training=True)["scores"] ** 2)
    gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
    assert all(float(np.abs(g).max()) > 0 for g in gradients)


def test_shadow_regions():
    from tf_relight.networks.discriminators import VIEWS

    greys = np.float32([0, 7.5, 15, 100, 140, 255]) / 255
    pictures = np.repeat(greys[None, None, :, None], 3, axis=-1)
    seen = np.asarray(VIEWS["shadow_region"](pictures)).ravel()
    np.testing.assert_allclose(seen, [0, 0.5, 1, 1, 1, 1], atol=1e-6)
    released = np.asarray(VIEWS["shadow_region_released"](pictures)).ravel()
    # 15/255 of -1..1 is 135/255 of 0..1: half-bright pixels still count, brighter ones become middle grey.
    np.testing.assert_allclose(released, [*(2 * greys[:4] - 1), 0, 0], atol=1e-6)
    assert np.asarray(VIEWS["picture"](pictures)) is not None


def test_padding_of_two_gives_the_scores_of_pix2pixhd():
    # 256 pixels to 35x35 with three layers, as in the release of DRN.
    picture = np.zeros((1, 256, 256, 1))
    assert judge(picture, padding=2)["scores"].shape == (1, 35, 35, 1)


def test_several_scales_judge_smaller_pictures():
    found = judge(np.random.default_rng(0).random((1, 64, 64, 3)), layers=1, scales=3)
    assert [scores.shape[1] for scores in found["scores"]] == [30, 14, 6]
    assert [len(features) for features in found["features"]] == [2, 2, 2]


def test_spectral_norm_bounds_the_slope_and_learns():
    import tensorflow as tf

    from tf_relight.networks.discriminators import SpectralConv2D

    layer = SpectralConv2D(5, 4, name="conv")
    layer.build((None, None, None, 3))
    picture = np.random.default_rng(0).random((1, 4, 4, 3)).astype(np.float32)
    layer.kernel.assign(7 * np.random.default_rng(1).normal(size=layer.kernel.shape))
    for _ in range(30):
        output = layer(picture)
    kernel = np.asarray(layer.kernel).reshape(-1, 5)
    expected = picture.reshape(1, -1) @ kernel / np.linalg.svd(kernel)[1][0]
    np.testing.assert_allclose(np.asarray(output).ravel(), expected.ravel(), rtol=1e-3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(picture) ** 2)
    gradient = tape.gradient(loss, layer.kernel.value)
    # The output does not depend on the kernel's length, so the gradient has no part along it.
    assert float(tf.norm(gradient)) > 0
    along = float(tf.reduce_sum(gradient * layer.kernel.value)) / float(
        tf.norm(gradient) * tf.norm(layer.kernel.value)
    )
    assert abs(along) < 1e-3


def trained(norm: str, form: str, *, steps: int, rate: float = 1e-3, blank: bool = False):
    """A toy network's adversarial step taken `steps` times: (discriminator, logs of each step)."""
    import keras

    from tests.training.toy_models import build_toy_net
    from tf_relight.contract.stage import Adversary, LossTerm, Schedule, Stage
    from tf_relight.networks.relight_model import StepOptions
    from tf_relight.training.optimizers import make_optimizers

    keras.utils.set_random_seed(3)
    recipe = Discriminator(channels=6, width=4, layers=2, norm=norm)
    judges = (Adversary("judge", recipe, form=form, condition="image"),)
    curve = Schedule(rate, kind="constant")
    stage = Stage("only", 1.0, (LossTerm("l1"),), curve, adversaries=judges)
    model = build_toy_net(4)
    model.attach_networks([stage])
    model.prepare_stage(stage, make_optimizers(stage, steps), StepOptions())
    network = model.attached["judge"]
    if blank:
        network.last.kernel.assign(np.zeros(network.last.kernel.shape))
    image = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
    batch = {"image": image, "target": image / 2}
    logs = [{k: float(v) for k, v in model.train_step(batch).items()} for _ in range(steps)]
    return network, logs


@pytest.mark.parametrize("norm", ["instance", "spectral"])
@pytest.mark.parametrize("form", ["lsgan", "log"])
def test_every_norm_learns_in_every_form(norm, form):
    _, logs = trained(norm, form, steps=6)
    assert all(np.isfinite(list(step.values())).all() for step in logs)
    judged = [step["judge_real"] + step["judge_fake"] for step in logs]
    assert judged[-1] < judged[0]


# Scores of 0: LSGAN's squared distances to 1 and 0, the cross entropy of an even chance, hinge's margins.
@pytest.mark.parametrize(
    "form,real,fake,fool", [("lsgan", 1, 0, 1), ("log", np.log(2), np.log(2), np.log(2)), ("hinge", 1, 1, 0)]
)
def test_losses_of_a_discriminator_that_does_not_know(form, real, fake, fool):
    _, (logs,) = trained("instance", form, steps=1, rate=1e-12, blank=True)
    found = [logs[f"judge_{name}"] for name in ("real", "fake", "fool")]
    assert found == pytest.approx([real, fake, fool], abs=1e-6)


def test_lsgan_is_the_default():
    from tf_relight.contract.stage import Adversary

    assert Adversary("judge", Discriminator()).form == "lsgan"


def test_spectral_kernels_keep_a_largest_singular_value_of_one_in_training():
    network, _ = trained("spectral", "lsgan", steps=15)
    for layer in (*network.convolutions, network.last):
        kernel = np.asarray(layer.kernel).reshape(-1, layer.filters)
        left = np.asarray(layer.direction) @ kernel.T
        left /= np.linalg.norm(left)
        right = left @ kernel
        used = kernel / np.linalg.norm(right)  # what the layer divides by in its next call
        # One step of power iteration per call follows kernels that move by 1e-3 a step.
        assert np.linalg.svd(used)[1][0] == pytest.approx(1.0, abs=0.02)
        assert abs(np.linalg.svd(kernel)[1][0] - 1.0) > 0.02 or layer is network.last


@pytest.mark.parametrize("padding,layers,scales", [(1, 1, 1), (1, 3, 1), (2, 2, 1), (1, 1, 3), (2, 3, 2)])
def test_the_number_of_scores_is_known_without_the_network(padding, layers, scales):
    recipe = Discriminator(channels=3, width=2, layers=layers, padding=padding, scales=scales)
    for side in (64, 75):
        found = build_discriminator(recipe, "judge")(np.zeros((1, side, side, 3), np.float32))["scores"]
        last = found[-1] if scales > 1 else found
        assert recipe.scores(side) == last.shape[1]
    assert Discriminator(padding=1, layers=3).scores(16) == 0
