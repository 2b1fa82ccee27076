"""Hair too short for cards: shells around the skin, each with fewer strands than the one below.

Source: Lengyel, "Real-Time Fur", 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import vertex_normals
from tf_relight.rendering.humans.parts import Keep, Part
from tf_relight.rendering.humans.textures import look_up, smooth_noise

_REPEATS = 5
"""How often the pattern of strands repeats over the skin's texture."""
_LIFT = 0.004
"""Of the lowest shell off the skin, in decimetres: more than a ray's step between layers."""


@dataclass(frozen=True)
class Fuzz:
    """Hair that grows out of the skin.

    Attributes:
        long: decimetres. shells: how many stand for it. thick: share of the skin covered at the roots.
        grows: places of the neutral body (N, 3) -> (N,) 0..1, where it grows.
    """

    long: float
    shells: int
    thick: float
    grows: Keep


def fuzz_parts(
    library: Library, skin: Part, linear: np.ndarray, fuzz: Fuzz, rng: np.random.Generator
) -> list[Part]:
    """Return shells around the skin where hair grows, each with fewer strands left than the one below.

    Args:
        linear: colour of many strands, linear RGB (3,).
    """
    where = fuzz.grows(skin.rest)
    near = (where[skin.corners] > 0.02).any(axis=1)
    if not near.any():
        return []
    used, corners = np.unique(skin.corners[near], return_inverse=True)
    corners = corners.reshape(-1, 3)
    normals = vertex_normals(skin.vertices, skin.smooth if skin.smooth is not None else skin.corners)[used]
    base, rest, uv = skin.vertices[used], skin.rest[used], skin.uv[near] * np.float32(_REPEATS)
    droop = np.array([0, -float(rng.uniform(0, 0.25)), 0], np.float32)
    which = 1 + int(rng.integers(4))
    strands = fuzz_texture(library, which)
    growth = where[used][:, None]
    uneven = np.float32(rng.uniform(0.15, 0.5))
    mottle = fuzz_texture(library, 0)

    def paint(at: np.ndarray, place: np.ndarray) -> np.ndarray:
        noise = look_up(mottle, at * 3).astype(np.float32) / 255
        return np.clip(linear * (1 + uneven * (noise - 0.5))[:, None], 0, 0.9)

    parts = []
    for shell in range(fuzz.shells):
        height = (shell + 1) / fuzz.shells
        vertices = base + np.float32(_LIFT) * normals
        vertices += np.float32(fuzz.long * height) * growth * (normals + droop * height**2)
        part = Part("hair", vertices.astype(np.float32), corners, uv, rest, paint, gloss=0.15)
        level = round(fuzz.thick * (1 - 0.75 * height), 1)
        part.alpha = library.made(f"strands {which} {level}", partial(_left, strands, level))
        part.keep = fuzz.grows
        parts.append(part)
    return parts


def _left(strands: np.ndarray, level: float) -> np.ndarray:
    """Opacity where the strands are among the `level` longest share."""
    return np.where(strands > np.quantile(strands[::4, ::4], 1 - level), 255, 0).astype(np.uint8)


def fuzz_texture(library: Library, which: int) -> np.ndarray:
    """Noise (1024, 1024) uint8 whose spots are strands or tufts of strands."""

    def make() -> np.ndarray:
        rng = np.random.default_rng([which, 0xF022])
        fine = smooth_noise(rng, (1024, 1024), 3, 1)
        tufts = smooth_noise(rng, (1024, 1024), 9 + 6 * which, 3)
        mixed = fine + (0.2 + 0.35 * which) * tufts
        return np.clip(128 + 42 * mixed, 0, 255).astype(np.uint8)

    return library.made(f"fuzz texture {which}", make)
