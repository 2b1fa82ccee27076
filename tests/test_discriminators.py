"""PatchGAN: sizes and what its scores see."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.discriminators import build_discriminator
from tf_relight.methods.contract import Discriminator


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
