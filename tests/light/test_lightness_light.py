"""Lights told in lightness: the fit, its inverse, and that they mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.light import lightness_light as ll
from tf_relight.light.spherical_harmonics import basis, project_environment

TOWARD = np.array([0.6, -0.5, 0.624])


def test_points_cover_the_sphere_evenly():
    points = ll.sphere()
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.ones(len(points)), abs=1e-6)
    assert points.T @ points / len(points) == pytest.approx(np.eye(3) / 3, abs=1e-3)


def test_the_fit_gives_nine_numbers_back():
    light = np.array([0.8, -0.3, 0.2, 0.1, -0.1, 0.05, 0.02, 0.1, -0.05])
    assert ll.fit(basis(ll.sphere()) @ light) == pytest.approx(light, abs=1e-5)
    assert ll.shading_of(light) == pytest.approx(basis(ll.sphere()) @ light, abs=1e-5)
    coloured = np.stack([light, 2 * light], axis=1)
    assert ll.fit(ll.shading_of(coloured)) == pytest.approx(coloured, abs=1e-5)


def test_an_even_light_stays_even():
    even = ll.from_irradiance(np.full(ll.SPHERE_POINTS, 0.5))
    assert ll.shading_of(even) == pytest.approx(np.full(ll.SPHERE_POINTS, 0.5**0.42), abs=1e-4)
    assert ll.to_irradiance(even) == pytest.approx(np.full(ll.SPHERE_POINTS, 0.5), abs=1e-4)


def test_a_lamp_is_softer_in_lightness_than_in_linear_light():
    linear = ll.irradiance(TOWARD[None], np.ones(1)) + 0.1
    told, plain = ll.from_irradiance(linear), ll.fit(linear)
    assert np.linalg.norm(told[1:4]) / told[0] < 0.75 * np.linalg.norm(plain[1:4]) / plain[0]
    direction = np.array([told[3], told[1], told[2]])
    assert direction / np.linalg.norm(direction) == pytest.approx(TOWARD, abs=0.01)


def test_the_fit_is_nearer_to_the_ball_than_any_other_nine_numbers():
    shading = (ll.irradiance(TOWARD[None], np.ones(1)) + 0.1) ** ll.EXPONENT
    best = ll.fit(shading)
    error = np.mean((ll.shading_of(best) - shading) ** 2)
    rng = np.random.default_rng(0)
    assert all(
        np.mean((ll.shading_of(best + rng.normal(0, 0.01, 9)) - shading) ** 2) > error for _ in range(20)
    )


def test_soft_lights_go_to_lightness_and_back():
    sky = np.stack([np.full((16, 32), 0.6), np.full((16, 32), 0.5), np.full((16, 32), 0.4)], axis=-1)
    sky[:8] += 0.3
    linear = project_environment(sky)
    back = ll.to_linear(ll.from_linear(linear))
    assert back == pytest.approx(linear, abs=0.03 * np.abs(linear).max())
    grey = linear.mean(axis=1)
    assert ll.to_linear(ll.from_linear(grey)) == pytest.approx(grey, abs=0.03 * grey[0])


def test_lamps_add_up_before_they_are_told():
    two = np.stack([TOWARD, TOWARD * [-1, 1, 1]])
    together = ll.from_lamps(two, np.ones(2))
    apart = ll.from_irradiance(ll.irradiance(two[:1], np.ones(1)) + ll.irradiance(two[1:], np.ones(1)))
    assert together == pytest.approx(apart, abs=1e-6)
    assert together[3] == pytest.approx(0, abs=1e-3)
