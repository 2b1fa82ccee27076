"""The lit U-Net: left and right are alike to it, the light reaches it, and its ratio keeps black black."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tf_relight.light.spherical_harmonics import image_map
from tf_relight.methods.lit_unet import Config
from tf_relight.methods.lit_unet.networks import LARGEST_LOG, build_model

RNG = np.random.default_rng(0)
IMAGE = RNG.random((2, 40, 56, 1), dtype=np.float32)
LIGHT = RNG.normal(0.2, 0.3, (2, 9, 1)).astype(np.float32)
HFLIP = np.diag(image_map("hflip")).astype(np.float32)[:, None]


def outputs(model, image, light, training=False):
    found = model.infer({"image": image, "light": light}, training=training)
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}


@pytest.fixture
def network():
    keras.utils.set_random_seed(1)
    return build_model(Config(width=4))


def test_the_mirror_image_under_the_mirrored_light_is_the_mirrored_result(network):
    there = outputs(network, IMAGE, LIGHT)
    mirrored = outputs(network, IMAGE[:, :, ::-1], HFLIP * LIGHT)
    # Sums of float32 in another order.
    np.testing.assert_allclose(mirrored["relit"], there["relit"][:, :, ::-1], atol=2e-5)
    np.testing.assert_allclose(mirrored["source_light"], HFLIP * there["source_light"], atol=2e-5)


def test_one_look_alone_is_not_alike_left_and_right(network):
    network.mirrored = False
    there, mirrored = outputs(network, IMAGE, LIGHT), outputs(network, IMAGE[:, :, ::-1], HFLIP * LIGHT)
    assert np.abs(mirrored["relit"] - there["relit"][:, :, ::-1]).max() > 1e-3


def test_the_light_read_does_not_hear_of_the_light_asked_for(network):
    first, second = outputs(network, IMAGE, LIGHT), outputs(network, IMAGE, -LIGHT)
    np.testing.assert_allclose(first["source_light"], second["source_light"], atol=1e-6)
    assert np.abs(first["relit"] - second["relit"]).max() > 1e-4


def test_the_ratio_is_bounded(network):
    network.ratio.bias.assign(1e4 * np.ones(1, np.float32))
    dark = np.full((1, 32, 32, 1), 0.001, np.float32)
    relit = outputs(network, dark, LIGHT[:1])["relit"]
    assert relit.max() <= 0.021 * np.exp(LARGEST_LOG) and np.isfinite(relit).all()
