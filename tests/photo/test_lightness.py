"""Changing lightness: the numbers of CIE Lab, hue and saturation kept, nothing out of range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.photo.colour import linear_to_srgb, luminance, rgb_to_lab, srgb_to_linear
from tf_relight.photo.lightness import LightColour, change_lightness, lightness, luminance_ratio

RNG = np.random.default_rng(3)
PIXELS = RNG.random((40, 50, 3), dtype=np.float32)


def test_lightness_is_that_of_lab():
    np.testing.assert_allclose(lightness(PIXELS), rgb_to_lab(PIXELS)[..., 0] / 100, atol=2e-6)
    tall = np.broadcast_to(PIXELS[:1, :1], (700_000, 1, 3))  # many strips
    np.testing.assert_array_equal(lightness(tall), lightness(PIXELS[:1, :1])[0, 0])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 0.6), st.floats(0.05, 0.6))
def test_light_keeps_hue_and_most_saturation(old, new):
    pixels = linear_to_srgb(np.float32([[[1.3, 0.95, 0.6]]]) * old**3 * 0.9)
    before = lightness(pixels)
    after = np.full_like(before, new)
    relit = change_lightness(pixels, before, after)
    first, second = (srgb_to_linear(each)[0, 0] for each in (pixels, relit))
    # More light takes up to a sixth root of its ratio of the saturation, less light gives half as much.
    ratio = float(luminance_ratio(before, after)[0, 0])
    expected = ratio ** (-1 / 6) if ratio > 1 else max(ratio, 0.1) ** (-1 / 12)
    first, second = ((light - luminance(light)) / luminance(light) for light in (first, second))
    np.testing.assert_allclose(second, first * expected, atol=0.01)
    # The little light that keeps blacks quiet bends the answer in the dark: 0.002 of luminance.
    assert abs(float(lightness(relit)[0, 0]) - new) < 0.03
    assert (new > old) == (luminance_ratio(np.float32(old), np.float32(new)) > 1)


def test_black_is_not_raised_to_grey():
    black = np.full((1, 1, 3), 0.02, np.float32)
    relit = change_lightness(black, lightness(black), np.full((1, 1), 0.5, np.float32))
    # Asked for lightness 0.5 from 0.014: what is noise there stays dark.
    assert 0.1 < lightness(relit)[0, 0] < 0.4


def test_no_change_and_no_reach_leave_pixels():
    before = lightness(PIXELS)
    np.testing.assert_allclose(change_lightness(PIXELS, before, before), PIXELS, atol=1e-5)
    colour = LightColour(np.array([0.2, 0.2, 0.2]), np.array([1.0, 0.6, 0.3]), 1.0)
    reach = np.zeros_like(before)
    reach[:20] = 1
    relit = change_lightness(PIXELS, before, before * 0.5, colour, reach)
    np.testing.assert_array_equal(relit[20:], PIXELS[20:])
    assert np.abs(relit[:20] - PIXELS[:20]).mean() > 0.1


def test_too_bright_colours_lose_saturation_not_hue():
    pixels = np.float32([[[0.9, 0.55, 0.4]]])
    relit = change_lightness(pixels, lightness(pixels), np.full((1, 1), 0.9, np.float32))
    assert relit.max() <= 1
    # Cutting alone would leave 0.85, mixing alone would bleach.
    assert lightness(relit)[0, 0] == pytest.approx(0.9, abs=0.03)
    red, green, blue = relit[0, 0]
    assert red > green > blue
    white = change_lightness(pixels, lightness(pixels), np.ones((1, 1), np.float32))
    assert white.min() > 0.85


def test_light_colour_goes_from_shadow_to_lit_side_at_luminance_one():
    shadow, lit = np.array([0.1, 0.1, 0.1]), np.array([1.2, 0.8, 0.4])
    colour = LightColour(shadow, lit, full_ratio=2.0)
    dark, bright, brighter = colour.at(np.float32([0.0, 2.0, 9.0]))
    np.testing.assert_allclose(dark, 1, atol=1e-6)
    np.testing.assert_allclose(bright, lit / luminance(lit), atol=1e-6)
    np.testing.assert_array_equal(brighter, bright)
    warmth = [r / b for r, _, b in colour.at(np.linspace(0, 2, 9, dtype=np.float32))]
    assert warmth == sorted(warmth)
    np.testing.assert_allclose(luminance(colour.at(np.linspace(0, 2, 9))), 1, atol=1e-6)
