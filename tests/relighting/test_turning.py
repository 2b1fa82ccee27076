"""Tilted heads reach networks upright, and their light with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.portrait_stand_in import loaded
from tf_relight.light.light import Light
from tf_relight.methods.trained import load_model
from tf_relight.photo.faces import Face
from tf_relight.photo.picture import Picture
from tf_relight.relighting import coloured
from tf_relight.relighting.decompose import decompose
from tf_relight.relighting.portraits import PortraitRelighter
from tf_relight.relighting.request import RelightOptions
from tf_relight.relighting.turning import TURNED, UPRIGHT, turn_of, turned

RNG = np.random.default_rng(0)
DEGREES = st.floats(-720, 720)


@given(DEGREES)
def test_a_turn_is_none_for_upright_heads_whole_for_tilted_ones_and_never_farther(tilt):
    turn, least = turn_of(tilt), (tilt + 180) % 360 - 180
    if abs(least) <= UPRIGHT:
        assert turn == 0
    elif abs(least) >= TURNED:
        assert turn == least
    assert 0 <= turn * np.sign(least) <= abs(least)


@given(st.floats(-170, 170), st.floats(0, 0.01))
def test_a_turn_grows_without_a_jump(tilt, more):
    # At its steepest, just below `TURNED`, it grows by 3 degrees with each degree of tilt.
    assert abs(turn_of(tilt + more) - turn_of(tilt)) <= 3.01 * more + 1e-9


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("shape", [(5, 5), (6, 6), (4, 4, 3), (1, 1)])
def test_quarters_are_exact_and_clockwise(shape, quarters):
    square = RNG.random(shape).astype(np.float32)
    np.testing.assert_allclose(turned(square, 90 * quarters), np.rot90(square, -quarters), atol=1e-6)


def test_turned_there_and_back_smooth_pictures_stay():
    y, x = np.indices((48, 48)) / 48
    square = np.sin(4 * x + 2 * y).astype(np.float32)
    inside = np.hypot(x - 0.5, y - 0.5) < 0.45
    back = turned(turned(square, 33), -33)
    # Twice the error of straight lines between pixels, (4 / 48)^2 / 8 at most.
    assert np.abs(back - square)[inside].max() < 2e-3
    assert turned(square, 0) is square


def face(size: int, tilt: float) -> Face:
    return Face(0.2 * size, 0.1 * size, 0.6 * size, 0.8 * size, 1.0, tilt=tilt)


@pytest.mark.parametrize("tilt", [90.0, -90.0, 180.0])
def test_a_photo_on_its_side_is_relit_like_the_upright_one(tilt):
    """The stand-in shades from side to side of what it sees: the upright head, in turned light."""
    size, quarters = 32, round(tilt / 90)
    upright = RNG.random((size, size, 3)).astype(np.float32)
    light = Light.from_direction(70, 20)
    options = RelightOptions(light=light)
    places = [(slice(0, size), slice(0, size), None)]

    def relit(pixels, tilted, under):
        relighter = PortraitRelighter(
            Picture(pixels), loaded(native_size=size), faces=[face(size, tilted)], places=places
        )
        relighter._people[0] = np.ones((size, size), np.float32)
        return relighter.relight(replace(options, light=under)).pixels

    wanted = relit(upright, 0.0, light)
    assert np.abs(wanted - upright).mean() > 0.02
    lying = np.ascontiguousarray(np.rot90(upright, -quarters))
    found = relit(lying, tilt, light.rotate(roll=tilt))
    # The pixels between which places lie are the same but for rounding.
    np.testing.assert_allclose(np.rot90(found, quarters), wanted, atol=2e-3)


@pytest.fixture(scope="module")
def apart():
    return load_model("sfsnet-humans-64-v3")


@pytest.mark.parametrize("tilt", [90.0, 180.0])
def test_a_face_on_its_side_is_taken_apart_like_the_upright_one(apart, tilt):
    size, quarters = 64, round(tilt / 90)
    upright = RNG.random((size, size, 3)).astype(np.float32)
    lying = np.ascontiguousarray(np.rot90(upright, -quarters))
    (wanted,) = decompose(Picture(upright), apart, faces=[face(size, 0.0)])
    (found,) = decompose(Picture(lying), apart, faces=[face(size, tilt)])
    x, y, z = np.moveaxis(np.rot90(wanted.normal, -quarters), -1, 0)
    for _ in range(quarters):
        x, y = y, -x
    # The network's picture is the same but for rounding, and normals are divided by their length.
    np.testing.assert_allclose(found.normal, np.stack([x, y, z], axis=-1), atol=5e-3)
    np.testing.assert_allclose(found.albedo, np.rot90(wanted.albedo, -quarters), atol=5e-3)
    turned_light = Light.from_array(wanted.light, domain=wanted.domain).rotate(roll=tilt).coefficients
    np.testing.assert_allclose(found.light, turned_light, atol=1e-3)


def test_a_face_on_its_side_is_relit_in_colour_like_the_upright_one(apart, monkeypatch):
    monkeypatch.setattr(coloured, "person_mask", lambda pixels, faces: np.ones(pixels.shape[:2], np.float32))
    size, light = 64, Light.from_direction(70, 20)
    upright = RNG.random((size, size, 3)).astype(np.float32)
    lying = np.ascontiguousarray(np.rot90(upright, -1))

    def relit(pixels, tilted, under):
        options = RelightOptions(light=under)
        return coloured.relight_in_colour(Picture(pixels), apart, options, [face(size, tilted)]).pixels

    wanted, found = relit(upright, 0.0, light), np.rot90(relit(lying, 90.0, light.rotate(roll=90)), 1)
    assert np.abs(wanted - upright).mean() > 0.02
    # The picture is clipped to 0..1 before a ratio is made of it, not after.
    np.testing.assert_allclose(found, wanted, atol=1e-2)
