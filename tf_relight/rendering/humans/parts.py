"""A part of a person: its mesh, and what light meets on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.humans.textures import look_up

Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(uv (N, 2), rest (N, 3)) -> linear RGB (N, 3)."""
Keep = Callable[[np.ndarray], np.ndarray]
"""rest (N, 3) -> (N,) 0..1."""

KINDS = ("background", "skin", "hair", "eye", "brow", "teeth", "cloth", "glasses", "beard")
"""What a pixel shows; its place in this tuple is the number in the G-buffers."""
SEE_THROUGH = ("hair", "brow", "beard")
"""Kinds made of strands: cards with transparency."""


@dataclass(eq=False)
class Part:
    """One mesh of a person.

    Attributes:
        kind: one of KINDS.
        vertices: (V, 3) decimetres; posing moves them.
        corners: (T, 3) triangles. uv: (T, 3, 2) texture coordinates.
        rest: (V, 3) places that `paint` and `keep` are told: where the part is before it is posed.
        paint: (uv (N, 2), rest (N, 3)) -> linear RGB (N, 3).
        alpha: (H, W) uint8 opacity, or None where solid. thinness: what the opacity is multiplied with.
        keep: rest (N, 3) -> (N,) 0..1, what is left of the opacity at a place; None leaves all.
        gloss: strength of the highlight, 0..1.
        smooth: triangles that the normals are made from, when `corners` are not all of them.
    """

    kind: str
    vertices: np.ndarray
    corners: np.ndarray
    uv: np.ndarray
    rest: np.ndarray
    paint: Paint
    alpha: np.ndarray | None = None
    thinness: float = 1.0
    keep: Keep | None = None
    gloss: float = 0.0
    smooth: np.ndarray | None = None
    normals: np.ndarray | None = None

    @property
    def see_through(self) -> bool:
        """Whether light may pass between its strands."""
        return self.alpha is not None or self.keep is not None

    def opacity(self, uv: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Return the opacity (N,) float32 0..1 at texture coordinates and places of rest."""
        found = np.full(len(uv), self.thinness, np.float32)
        if self.alpha is not None:
            found *= look_up(self.alpha, uv).astype(np.float32) / 255
        if self.keep is not None:
            found *= self.keep(rest)
        return found


def one_colour(linear: np.ndarray) -> Paint:
    """Return a `paint` of one linear RGB colour (3,)."""
    colour = np.asarray(linear, np.float32)
    return lambda uv, rest: np.broadcast_to(colour, (len(uv), 3))
