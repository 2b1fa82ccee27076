"""Glasses: rims, bridge and temples as tubes; their shadows fall on the face."""

from __future__ import annotations

import numpy as np

from tf_relight.rendering.humans.meshes import triangles
from tf_relight.rendering.humans.parts import Part, one_colour

_AROUND = 6  # corners of a tube


def glasses_part(eyes: np.ndarray, rng: np.random.Generator) -> Part:
    """Return glasses before the eyes, whose vertices are (N, 3)."""
    thickness = float(rng.uniform(0.01, 0.032))
    half_width, half_height = rng.uniform(0.23, 0.3), rng.uniform(0.15, 0.25)
    power, front = rng.uniform(2, 4.5), eyes[:, 2].max() + rng.uniform(0.14, 0.24)
    tubes = []
    for side in (-1.0, 1.0):
        own = eyes[np.sign(eyes[:, 0]) == side]
        centre = own.mean(axis=0) + np.array([side * 0.03, -0.04, 0])
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        across, up = (np.sign(f(turn)) * np.abs(f(turn)) ** (2 / power) for f in (np.cos, np.sin))
        rim = np.stack(
            [centre[0] + half_width * across, centre[1] + half_height * up, front - 0.05 * np.abs(across)],
            axis=-1,
        )
        tubes.append(_tube(rim, thickness, closed=True))
        outer, inner = centre[0] + side * half_width, centre[0] - side * half_width
        ear = [[outer, centre[1] + 0.06, front - 0.05], [side * 0.77, centre[1] + 0.08, front - 0.5]]
        tubes.append(_tube(np.array([*ear, [side * 0.79, centre[1] + 0.04, 0.35]]), thickness, closed=False))
        bridge = [[inner, centre[1] + 0.05, front - 0.03], [0, centre[1] + 0.09, front + 0.02]]
        tubes.append(_tube(np.array(bridge), thickness, closed=False))
    counts = np.cumsum([0, *(len(vertices) for vertices, _ in tubes)])
    vertices = np.concatenate([vertices for vertices, _ in tubes])
    quads = np.concatenate([quads + first for (_, quads), first in zip(tubes, counts, strict=False)])
    corners, uv = triangles(quads, np.zeros((len(quads), 4, 2), np.float32))
    colour = (
        np.full(3, 0.01) if rng.random() < 0.5 else rng.uniform(0.02, 0.5) * np.exp(rng.normal(0, 0.3, 3))
    )
    return Part(
        "glasses", vertices, corners, uv, vertices.copy(), one_colour(np.clip(colour, 0, 0.8)), gloss=0.8
    )


def _tube(points: np.ndarray, radius: float, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices and quads of a tube along points (N, 3)."""
    count = len(points)
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    if not closed:
        along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    helper = np.where(np.abs(along[:, 2:]) < 0.8, [[0.0, 0, 1]], [[0.0, 1, 0]])
    first = np.cross(along, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    turn = np.arange(_AROUND) * (2 * np.pi / _AROUND)
    ring = np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    vertices = (points[:, None] + radius * ring).reshape(-1, 3).astype(np.float32)
    quads = [
        [i * _AROUND + j, i * _AROUND + (j + 1) % _AROUND, k * _AROUND + (j + 1) % _AROUND, k * _AROUND + j]
        for i in range(count if closed else count - 1)
        for k in [(i + 1) % count]
        for j in range(_AROUND)
    ]
    return vertices, np.array(quads)
