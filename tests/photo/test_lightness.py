"""Changing lightness: the numbers of CIE Lab, hue and saturation kept, nothing out of range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.photo.colour import (
    LUMINANCE_WEIGHTS,
    linear_to_srgb,
    luminance,
    rgb_to_lab,
    srgb_to_linear,
)
from tf_relight.photo.lightness import (
    CEILING,
    KNEE,
    LightColour,
    change_lightness,
    lightness,
    luminance_ratio,
    to_luminance,
)
from tf_relight.photo.picture import as_float

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


def relit_plainly(pixels, before, after):
    """`change_lightness` of neutral light in plain words and 64 bits."""
    old = srgb_to_linear(pixels).astype(np.float64)
    ratio = ((to_luminance(after) + 2e-3) / (to_luminance(before) + 2e-3)).astype(np.float64)[..., None]
    grey = (old @ LUMINANCE_WEIGHTS)[..., None]
    kept = np.maximum(ratio, 1) ** (-1 / 6) * np.clip(ratio, 0.1, 1) ** (-1 / 12)
    light = np.maximum(grey + (old - grey) * kept, 0) * ratio

    def shoulder(value, was):
        knee, ceiling = np.maximum(was, KNEE), np.maximum(was, CEILING)
        over = np.maximum(value - knee, 0)
        slope = (ceiling - knee) / np.sqrt((ceiling - knee) ** 2 + over**2 + 1e-12)
        return np.minimum(value, knee) + over * slope

    most = light.max(axis=-1, keepdims=True)
    alike = light * shoulder(most, old.max(axis=-1, keepdims=True)) / np.maximum(most, 1e-9)
    bent = np.where(most > KNEE, (alike + shoulder(light, old)) / 2, light)
    return np.clip(linear_to_srgb(bent), 0, 1)


@pytest.mark.parametrize("kind, decibels", [(np.float32, 90), (np.uint8, 57), (np.uint16, 90)])
def test_tables_and_strips_give_the_numbers_of_the_plain_formulas(kind, decibels):
    """8 bits cannot do better than 58.9 dB, the noise of rounding."""
    stored = PIXELS if kind == np.float32 else (PIXELS * np.iinfo(kind).max).astype(kind)
    plain = as_float(stored)
    before = lightness(stored)
    after = np.clip(before * RNG.uniform(0.3, 2, before.shape), 0, 1).astype(np.float32)
    found = change_lightness(stored, before, after)
    assert found.dtype == kind
    error = as_float(found).astype(np.float64) - relit_plainly(plain, before, after)
    assert -10 * np.log10(np.square(error).mean()) > decibels


def test_highlights_bend_and_do_not_burn():
    pixels = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None] * np.float32([1, 0.9, 0.8])
    before = lightness(pixels)
    for factor in (1.1, 1.5, 3, 10):
        relit = change_lightness(pixels, before, np.minimum(before * factor, 1.0).astype(np.float32))
        # Nothing that was not white becomes white, nothing gets darker or changes its order.
        assert (relit[pixels < 254.5 / 255] < 254.5 / 255).all()
        assert (relit - pixels).min() > -1e-6 and np.diff(relit, axis=1).min() > -2e-3
    # Slowly brighter light does not jump anywhere: the steps stay of one size.
    for pixel in ([0.9, 0.55, 0.4], [0.98, 0.98, 0.97], [0.5, 0.5, 0.5]):
        one = np.float32([[pixel]])
        old = lightness(one)
        steps = np.linspace(float(old[0, 0]), 1, 200, dtype=np.float32)
        shown = np.concatenate([change_lightness(one, old, step[None, None])[0] for step in steps])
        assert np.diff(shown, axis=0).max() < 0.012


def test_bright_skin_stays_skin():
    pixels = np.float32([[[0.9, 0.55, 0.4]]])
    relit = change_lightness(pixels, lightness(pixels), np.full((1, 1), 0.9, np.float32))
    red, green, blue = relit[0, 0]
    assert 0.99 > red > green > blue > 0.5
    assert lightness(pixels)[0, 0] + 0.1 < lightness(relit)[0, 0] < 0.9


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
