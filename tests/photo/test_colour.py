"""Colour conversions against their inverses, OpenCV, and the measured table of lamp colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tf_relight.photo.colour import (
    lab_to_rgb,
    linear_to_srgb,
    luminance,
    planckian_rgb,
    rgb_to_lab,
    srgb_to_linear,
)

PIXELS = arrays(np.float32, (5, 3), elements=st.floats(0, 1, width=32))


@settings(max_examples=40, deadline=None)
@given(PIXELS)
def test_srgb_and_lab_round_trips(pixels):
    # An 8-bit step is 4e-3, a 16-bit step 1.5e-5: both come back unchanged.
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(pixels)), pixels, atol=2e-6)
    np.testing.assert_allclose(lab_to_rgb(rgb_to_lab(pixels)), pixels, atol=1e-5)


def test_srgb_known_values():
    # IEC 61966-2-1: mid grey 0.5 is 21.4 % of linear light; the two branches meet at 0.04045.
    np.testing.assert_allclose(srgb_to_linear(np.array([0, 0.5, 1])), [0, 0.21404114, 1], atol=1e-6)
    low, high = srgb_to_linear(np.array([0.04045, 0.040451]))
    assert abs(high - low) < 1e-6
    assert srgb_to_linear(np.zeros((2, 3), np.float64)).dtype == np.float32


def test_lab_agrees_with_opencv():
    pixels = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    # OpenCV reads a cube-root table and rounds the matrix: up to 0.7 of 100.
    assert np.abs(rgb_to_lab(pixels) - cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)).max() < 0.7
    np.testing.assert_allclose(rgb_to_lab(np.ones(3)), [100, 0, 0], atol=1e-3)
    np.testing.assert_allclose(rgb_to_lab(np.zeros(3)), [0, 0, 0], atol=1e-3)


def test_lamp_colours():
    # Linear ratios to 6500 K, from the formula worked out by hand when VIDIT's lamps were measured.
    expected = {
        2500: (1.98, 0.783, 0.133),
        3500: (1.50, 0.907, 0.391),
        4500: (1.25, 0.961, 0.632),
        5500: (1.10, 0.987, 0.834),
    }
    for kelvin, ratio in expected.items():
        np.testing.assert_allclose(planckian_rgb(kelvin) / planckian_rgb(6500), ratio, rtol=4e-3)
        assert luminance(planckian_rgb(kelvin)) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="outside 1000"):
        planckian_rgb(500)


@settings(max_examples=20, deadline=None)
@given(st.floats(1000, 14900))
def test_hotter_lamps_are_bluer(kelvin):
    cool, hot = planckian_rgb(kelvin), planckian_rgb(kelvin + 100)
    assert hot[2] > cool[2] and hot[0] < cool[0]
