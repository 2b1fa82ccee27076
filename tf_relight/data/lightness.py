"""L of Lab in place of colours, for methods that see luminance only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from tf_relight.data.source import FormedSource, Part, PooledSource, Source
from tf_relight.light.lamps import LUMINANCE

PICTURES = ("image", "target", "original", "shadow_free")
"""Fields that are turned into luminance; albedo and the like keep their colours."""
LIGHTS = ("light", "target_light")


def as_luminance(source: Source) -> Source:
    """Return the source with the pictures of `PICTURES` as L of Lab: uint8 (H, W, 1), 255 = white.

    Coloured lights (9, 3) become their luminance (9,).

    Source: DPR's demo takes 8-bit L of OpenCV's Lab over 255.
    """
    own = getattr(source, "lightness", None)
    if own is not None:  # it forms its pictures as lightness anyway
        return own()
    if isinstance(source, PooledSource):
        return LuminancePool(source)
    if isinstance(source, FormedSource):
        return FormedLuminance(source)
    return Luminance(source)


def light_luminance(light: np.ndarray) -> np.ndarray:
    """Return the luminance (9,) of a light (9,) or (9, 3)."""
    return light if light.ndim == 1 else (light @ LUMINANCE).astype(light.dtype)


class Luminance:
    """A source whose pictures are luminance."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.fields = source.fields

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._source)

    def key(self, index: int) -> str:
        """The name of the sample."""
        return self._source.key(index)

    def read(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one sample, pictures (H, W, 1)."""
        sample = self._source.read(index)
        return {name: _luminance(a) if name in PICTURES else _plain(name, a) for name, a in sample.items()}


class FormedLuminance(Luminance):
    """A source that forms its pictures when they are read."""

    _source: FormedSource

    @property
    def on_the_fly(self) -> bool:
        """As the source."""
        return self._source.on_the_fly

    def prepare(self, *, progress: bool = True) -> None:
        """As the source."""
        self._source.prepare(progress=progress)

    def fingerprint(self) -> str:
        """That of the source, marked."""
        return _marked(self._source)


class LuminancePool(Luminance):
    """A source whose samples share pictures; the cache then keeps luminance, a third of the bytes."""

    _source: PooledSource

    @property
    def pools(self) -> Mapping[str, int]:
        """As the source."""
        return self._source.pools

    def load(self, pool: str, number: int) -> np.ndarray:
        """Decode one array; pictures become (H, W, 1)."""
        array = self._source.load(pool, number)
        return _luminance(array) if array.dtype == np.uint8 and array.shape[-1:] == (3,) else array

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """As the source; coloured lights become their luminance."""
        return {name: _plain(name, part) for name, part in self._source.parts(index).items()}

    def origin(self, pool: str, number: int) -> str:
        """The file of an array, where the source knows it."""
        origin = getattr(self._source, "origin", None)
        return origin(pool, number) if origin else f"{pool} {number}"

    def fingerprint(self) -> str:
        """That of the source, marked."""
        return _marked(self._source)


def _marked(source: Source) -> str:
    fingerprint = getattr(source, "fingerprint", None)
    return f"{fingerprint()}-luminance" if fingerprint else ""


def _plain(name: str, part: Part | np.ndarray) -> Any:
    """Take the colour out of a light; leave anything else."""
    return (
        light_luminance(part) if name in LIGHTS and isinstance(part, np.ndarray) and part.ndim == 2 else part
    )


def _luminance(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB)[..., :1].copy()
