"""A portrait method without a network, and pictures for it: quick, and easy to predict."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tf_relight.photo.picture import Picture
from tf_relight.photo.writing import write_picture


class Shader:
    """The side that the light's x coefficient points to gets brighter, the other darker."""

    def __init__(self, name: str = "dpr512", light: str = "spherical harmonics"):
        self.name = name
        self.info = SimpleNamespace(native_size=32, light=light, default_weights=None)
        self.networks = self
        self.lights: list[np.ndarray] = []

    def relight_luminance(self, model, luminance, light):
        self.lights.append(light)
        across = np.linspace(-1, 1, luminance.shape[1], dtype=np.float32)
        return luminance * (0.75 + 0.25 * across * np.clip(2 * light[3], -1, 1))

    @staticmethod
    def check_mode(mode):
        assert mode is None

    def relight(self, model, image, mode=None):
        return 1 - image

    def estimate_light(self, model, image):
        return np.float32([0.8, -0.2, 0.1, 0.3, 0, 0, 0, 0, 0])


def loaded(name: str = "dpr512", light: str = "spherical harmonics") -> SimpleNamespace:
    """What `photos.load_for` returns."""
    return SimpleNamespace(model="the model", method=Shader(name, light), metadata={})


def grey_photo(path: Path, size: tuple[int, int] = (40, 48), **fields) -> Path:
    """Write an even grey photo."""
    write_picture(path, Picture(np.full((*size, 3), 0.5, np.float32), **fields))
    return path


def lit_side(pixels: np.ndarray) -> float:
    """How much brighter the right half is than the left one, -1..1."""
    half = pixels.shape[1] // 2
    left, right = float(pixels[:, :half].mean()), float(pixels[:, half:].mean())
    return (right - left) / (right + left)
