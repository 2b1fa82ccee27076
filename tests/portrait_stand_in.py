"""A portrait method without a network, and pictures for it: quick, and easy to predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tf_relight import methods
from tf_relight.contract.card import MethodInfo
from tf_relight.methods.method import Method
from tf_relight.methods.trained import LoadedModel
from tf_relight.photo.picture import Picture
from tf_relight.photo.writing import write_picture

OWN_LIGHT = np.float32([0.8, -0.2, 0.1, 0, 0, 0, 0, 0, 0])
"""The light that the stand-in sees in every picture."""


class Shader(Method):
    """A method with DPR's card, or DMSHN's, whose one call into networks is answered by a rule.

    The side that the light's x coefficient points to gets brighter, the other darker; without a light the
    picture is turned into its negative. All else is the real handle's. `lights` are those it was asked for
    beside the picture's own, `seen` the sizes of the pictures.
    """

    def __init__(self, name: str = "dpr512", takes_light: bool = True, native_size: int = 32):
        of = "dpr512" if takes_light else "dmshn"
        super().__init__(name, methods.METHODS[of])
        card = replace(methods.get(of).info, native_size=native_size, default_weights=None)
        for field, value in {"card": card, "lights": [], "seen": []}.items():
            object.__setattr__(self, field, value)

    @property
    def info(self) -> MethodInfo:
        return self.card

    def predict(self, model, *, mode=None, image, light=None):
        assert model == "the model" and image.dtype == np.float32
        self.seen.append(image.shape[:2])
        if light is None:
            return {"relit": 1 - image}
        assert light.shape == (9, 1) and light.dtype == np.float32 and image.shape[2:] == (1,)
        # Its own light may come at another brightness.
        if light.any() and not np.allclose(light[:, 0] * OWN_LIGHT[0], OWN_LIGHT * light[0, 0], atol=1e-6):
            self.lights.append(light[:, 0])
        across = np.linspace(-1, 1, image.shape[1], dtype=np.float32)[:, None]
        relit = image * (0.75 + 0.25 * across * np.clip(2 * light[3], -1, 1))
        return {"relit": relit, "source_light": OWN_LIGHT[:, None]}

    def relight_paper(self, model, image_u8, light):
        assert image_u8.dtype == np.uint8
        self.lights.append(light)
        return 255 - image_u8


def loaded(name: str = "dpr512", takes_light: bool = True, native_size: int = 32) -> LoadedModel:
    """What `photos.load_for` returns."""
    method = Shader(name, takes_light, native_size)
    return LoadedModel("the model", method, method.config(), {})


def grey_photo(path: Path, size: tuple[int, int] = (40, 48), **fields) -> Path:
    """Write an even grey photo."""
    write_picture(path, Picture(np.full((*size, 3), 0.5, np.float32), **fields))
    return path


def lit_side(pixels: np.ndarray) -> float:
    """How much brighter the right half is than the left one, -1..1."""
    half = pixels.shape[1] // 2
    left, right = float(pixels[:, :half].mean()), float(pixels[:, half:].mean())
    return (right - left) / (right + left)
