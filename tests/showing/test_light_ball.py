"""The ball that one drags, and what shows itself in a notebook."""

from __future__ import annotations

import base64
import importlib
import sys

import numpy as np
import pytest

from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.picture import LONGEST_SHOWN, Picture, png_of
from tf_relight.showing import light_ball
from tf_relight.showing.light_ball import LightBall


def decoded(png: bytes) -> np.ndarray:
    import cv2

    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_balls_light_is_that_of_its_angles():
    ball = LightBall(azimuth=-60, elevation=25, temperature=3000.0)
    want = Light.from_direction(-60, 25, temperature=3000.0)
    np.testing.assert_allclose(ball.light.coefficients, want.coefficients)
    ball.azimuth = 90
    assert round(ball.light.angles[0]) == 90


def test_the_script_shades_the_ball_as_python_does():
    ball = LightBall(azimuth=70, elevation=10)
    numbers = np.array(ball.coefficients)
    x, z = 0.5, 0.3
    y = -np.sqrt(1 - x * x - z * z)
    terms = np.array([1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
    from tf_relight.light.spherical_harmonics import shading

    np.testing.assert_allclose(
        terms @ numbers, shading(np.array([x, y, z]), ball.light.coefficients), atol=1e-9
    )


def test_without_a_kernel_for_widgets_the_ball_is_a_picture_with_a_sentence():
    data, _ = LightBall(azimuth=-60)._repr_mimebundle_()
    assert data["text/html"].startswith("<img") and "cannot be dragged" in data["text/html"]
    assert "azimuth -60" in data["text/plain"] and "cannot be dragged" in data["text/plain"]
    png = data["image/png"]
    assert decoded(png if isinstance(png, bytes) else base64.b64decode(png)).shape == (192, 192, 3)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, light_ball.__name__)
    with pytest.raises(RelightError, match=r"pip install 'tf_relight\[notebook\]'"):
        importlib.import_module(light_ball.__name__)


def test_lights_and_pictures_show_themselves():
    left = decoded(Light.from_direction(-90, 0)._repr_png_())
    assert left[64, 20].mean() > 2 * left[64, 108].mean()
    assert "from the left" in repr(Light.from_direction(-90, 0))
    large = Picture(np.zeros((20, 3000, 3), np.uint8), np.full((20, 3000, 1), 0.5, np.float32))
    assert decoded(large._repr_png_()).shape == (7, LONGEST_SHOWN, 4)
    assert png_of(np.zeros((2, 2, 3), np.float32)).startswith(b"\x89PNG")
