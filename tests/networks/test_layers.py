"""Shared layers against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest


def picture(height: int, width: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(1).random((1, height, width, channels), dtype=np.float32)


@pytest.mark.parametrize("height,width,multiple", [(5, 7, 4), (8, 8, 4), (9, 16, 16)])
def test_padding_mirrors_like_numpy(height, width, multiple):
    from tf_relight.networks.layers import crop_like, pad_to_multiple

    image = picture(height, width)
    padded = np.array(pad_to_multiple(image, multiple))
    extra = [(-height) % multiple, (-width) % multiple]
    expected = np.pad(image, ((0, 0), (0, extra[0]), (0, extra[1]), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(padded, expected)
    np.testing.assert_array_equal(np.array(crop_like(padded, image)), image)


def test_padding_of_one_pixel_repeats_it():
    from tf_relight.networks.layers import pad_to_multiple

    padded = np.array(pad_to_multiple(picture(1, 1), 16))
    assert padded.shape == (1, 16, 16, 2)
    assert np.ptp(padded[..., 0]) == 0


def bilinear_double(x: np.ndarray, axis: int) -> np.ndarray:
    """Half-pixel centres: output k samples input (k + 0.5) / 2 - 0.5, clamped to the picture."""
    size = x.shape[axis]
    place = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, size - 1)
    weight = (place - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.take(x, low, axis) * (1 - weight) + np.take(x, high, axis) * weight


def test_upsampling_is_bilinear_for_known_and_unknown_sizes():
    import tensorflow as tf

    from tf_relight.networks.layers import Upsample2x

    image = picture(5, 3)
    expected = bilinear_double(bilinear_double(image, 1), 2)
    layer = Upsample2x()
    traced = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, None, None, 2))])
    np.testing.assert_allclose(np.array(layer(image)), expected, atol=1e-6)
    np.testing.assert_allclose(traced(image).numpy(), expected, atol=1e-6)


def test_downsampling_is_the_mean_of_blocks():
    from tf_relight.networks.layers import Downsample2x

    image = picture(4, 6)
    expected = image.reshape(1, 2, 2, 3, 2, 2).mean((2, 4))
    np.testing.assert_allclose(np.array(Downsample2x()(image)), expected, atol=1e-7)


def test_strided_convolution_pads_every_side():
    """Output (i, j) must be centred on input (2i, 2j), which Keras' own padding is not."""
    from tf_relight.networks.layers import StridedConv2D

    layer = StridedConv2D(1)
    layer.build((None, None, None, 1))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1.0
    layer.conv.kernel.assign(kernel)
    image = picture(6, 8, 1)
    np.testing.assert_array_equal(np.array(layer(image)), image[:, ::2, ::2])


def test_nearest_upsampling_repeats_pixels_for_known_and_unknown_sizes():
    import tensorflow as tf

    from tf_relight.networks.layers import UpsampleNearest2x

    image = picture(5, 3)
    expected = image.repeat(2, axis=1).repeat(2, axis=2)
    layer = UpsampleNearest2x()
    traced = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, None, None, 2))])
    np.testing.assert_array_equal(np.array(layer(image)), expected)
    np.testing.assert_array_equal(traced(image).numpy(), expected)


def test_instance_norm_of_each_channel_of_each_picture():
    from tf_relight.networks.layers import InstanceNorm

    image = np.random.default_rng(0).random((2, 6, 5, 3), dtype=np.float32) * [1, 10, 0.1] + [0, 5, -3]
    exact = image.astype(np.float64)
    mean, variance = exact.mean((1, 2), keepdims=True), exact.var((1, 2), keepdims=True)
    found = np.array(InstanceNorm()(image.astype(np.float32)))
    np.testing.assert_allclose(found, (exact - mean) / np.sqrt(variance + 1e-5), atol=2e-5)


def test_mean_of_a_large_picture_keeps_its_last_bits():
    """One running float32 sum over 512x512 pixels is off by 1e-5 of the mean; DPR's goldens allow less."""
    from tf_relight.networks.layers import picture_mean

    image = np.random.default_rng(0).random((1, 512, 512, 2), dtype=np.float32)
    exact = image.astype(np.float64).mean((1, 2), keepdims=True)
    assert np.abs(np.array(picture_mean(image)) - exact).max() <= 5e-7


def test_vector_repeated_over_a_picture():
    from tf_relight.networks.layers import repeat_over

    vector = np.array([1.0, -2.0, 3.0], np.float32).reshape(1, 1, 1, 3)
    found = np.array(repeat_over(vector, np.full((2, 4, 5, 7), np.pi, np.float32)))
    np.testing.assert_array_equal(found, np.broadcast_to(vector, (2, 4, 5, 3)))
