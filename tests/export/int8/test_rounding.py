"""Rounding kernels together: less error than each weight alone, in the same steps."""

from __future__ import annotations

import numpy as np
import pytest

from export.int8.equalisation import equalise
from export.int8.ranges import extremes
from export.int8.rounding import Rounder, input_moments, mean_moments, rounded_kernel
from export.litert import graph_tools, widening
from tests.export.tiny_network import COUNT, decibels, pictures, run, tiny

RANDOM = np.random.default_rng(4)


def outputs(kernel: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Convolve (H, W, C) with (out, 3, 3, C), zeros around."""
    import tensorflow as tf

    return np.asarray(tf.nn.conv2d(picture[None], kernel.transpose(1, 2, 3, 0), 1, "SAME"))


def test_errors_cancel_on_smooth_inputs():
    from tf_relight.photo.picture import resize

    kernel = RANDOM.normal(0, 1, (4, 3, 3, 2)).astype(np.float32)
    scales = np.abs(kernel).max(axis=(1, 2, 3)).astype(np.float64) / 127
    smooth = resize(RANDOM.uniform(0, 1, (4, 4, 2)).astype(np.float32), (32, 32))
    windows = np.lib.stride_tricks.sliding_window_view(smooth, (3, 3), axis=(0, 1))
    seen = windows.transpose(0, 1, 3, 4, 2).reshape(-1, 18)
    found = rounded_kernel(kernel, scales, [seen.T @ seen / len(seen)])
    assert found.dtype == np.int8 and found.shape == kernel.shape and np.abs(found).max() <= 127
    nearest = np.rint(kernel / scales[:, None, None, None])
    wanted = outputs(kernel, smooth)[0, 1:-1, 1:-1]
    errors = [
        np.mean(
            (outputs((each * scales[:, None, None, None]).astype("f4"), smooth)[0, 1:-1, 1:-1] - wanted) ** 2
        )
        for each in (found, nearest)
    ]
    assert 0 < errors[0] < 0.2 * errors[1]
    assert np.abs(found - nearest).max() <= 3


def test_independent_inputs_are_rounded_to_the_nearest_step():
    kernel = RANDOM.normal(0, 1, (3, 3, 3, 2)).astype(np.float32)
    scales = np.full(3, 0.05)
    found = rounded_kernel(kernel, scales, [np.eye(18)])
    np.testing.assert_array_equal(found, np.clip(np.rint(kernel / 0.05), -127, 127))
    # Inputs that are always zero do not matter, and do no harm.
    silent = rounded_kernel(kernel, scales, [np.zeros((18, 18))])
    np.testing.assert_array_equal(silent, found)


def test_moments_are_those_of_what_the_convolutions_see():
    found = input_moments(tiny(), "relight_24", pictures().samples(24))
    assert [len(each) for each in found] == [1, 1, 4, 1]
    assert [each[0].shape for each in found] == [(27, 27), (144, 144), (64, 64), (144, 144)]
    images = np.concatenate([sample["image"] for sample in pictures().samples(24)])
    # The middle of all windows, zeros at the border left out: three channels of the picture itself.
    middle = np.diag(found[0][0])[12:15]
    np.testing.assert_allclose(middle, (images**2).mean(axis=(0, 1, 2)), rtol=0.05)
    for each in found:
        np.testing.assert_allclose(each[0], each[0].T)
    both = mean_moments([found, found])
    np.testing.assert_allclose(both[3][0], found[3][0])


def test_files_with_better_kernels(tmp_path):
    rounder = Rounder(tiny(), input_moments(tiny(), "relight_24", pictures().samples(24)))
    # Rounded inputs would hide what the kernels do.
    before = widening.with_widened_kernels(tiny("dynamic_int8"), range(COUNT))
    after = widening.with_widened_kernels(rounder.improved(tiny("dynamic_int8")), range(COUNT))
    assert len(after) == len(before)
    for size in (16, 24):
        reached = [
            decibels(run(tiny(), size, tmp_path, 1), run(each, size, tmp_path, 1)) for each in (before, after)
        ]
        assert reached[1] > reached[0] + 3, reached


@pytest.mark.parametrize("size", [16, 24])
def test_a_file_takes_the_weights_of_an_evened_network(size, tmp_path):
    widest = extremes(tiny(), "relight_24", pictures().samples(24))
    even, _ = equalise(tiny(), "relight_24", widest, 1.0)
    rounder = Rounder(even, input_moments(even, "relight_24", pictures().samples(24)))
    found = rounder.replaced(tiny("dynamic_int8"))
    assert decibels(run(tiny(), size, tmp_path), run(found, size, tmp_path)) > 40
    exact = graph_tools.with_plain_kernels(found, even, range(COUNT))
    np.testing.assert_allclose(run(exact, size, tmp_path), run(tiny(), size, tmp_path), atol=1e-5)
