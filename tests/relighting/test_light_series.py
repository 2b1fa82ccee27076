"""Lights by name, and turning one around."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.picture import Picture
from tf_relight.relighting.light_series import at_most, named_light, named_lights, on_white, once_around


def test_names_of_every_kind(tmp_path):
    Light.from_direction(10, 20).to_file(tmp_path / "my light.txt")
    lights = named_lights(f"left, golden_hour ,upper-right,{tmp_path / 'my light.txt'},N_4500", up=25)
    assert [each.name for each in lights] == ["left", "golden hour", "upper-right", "my light", "N 4500"]
    angles = [each.light.angles for each in lights]
    np.testing.assert_allclose(angles[0], (-90, 25), atol=1e-6)
    np.testing.assert_allclose(angles[2:4], [(45, 45), (10, 20)], atol=1e-3)


@pytest.mark.parametrize(
    "words,message",
    [
        ("", "at least one light"),
        (" , ", "at least one light"),
        ("left,left", "given twice"),
        ("letf", "Did you mean 'left'"),
        ("rembrant", "Did you mean 'rembrandt'"),
        ("nosuch.txt", "is no light"),
    ],
)
def test_mistakes(words, message):
    with pytest.raises(RelightError, match=message):
        named_lights(words)


def test_a_preset_keeps_its_height():
    np.testing.assert_array_equal(
        named_light("loop", up=80).coefficients, Light.from_preset("loop").coefficients
    )


def test_once_around_the_person_and_around_the_face():
    light = Light.from_direction(0, 30)
    around = [each.angles for each in once_around(light, 4)]
    np.testing.assert_allclose(np.abs(around), [(0, 30), (90, 30), (180, 30), (90, 30)], atol=1e-6)
    assert around[1][0] > 0 > around[3][0]
    front = once_around(light, 8, "view")
    assert all(each.luminance[1] < 0 for each in front)  # toward the camera throughout
    above, right = front[0].angles, front[2].angles
    np.testing.assert_allclose((above, right), ((0, 30), (30, 0)), atol=1e-6)


def test_pictures_are_made_smaller_and_opaque():
    picture = Picture(np.zeros((20, 40, 3), np.float32), alpha=np.full((20, 40, 1), 0.25, np.float32))
    small = at_most(picture, 10)
    assert small.size == (5, 10) and small.alpha.shape == (5, 10, 1)
    assert at_most(picture, 100) is picture
    opaque = on_white(small)
    assert opaque.alpha is None and np.allclose(opaque.pixels, 0.75)
