"""Camera rays, first hits and hard shadows among convex primitives.

All rays of one call start at one point (the eye, or a lamp), which is what makes them cheap; see
`Primitive.interval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.primitives import BLAS_THREAD_LIMIT, Primitive

NOTHING = -1


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with a square picture; axes are unit vectors (3,), `half_width` = tan(fov / 2)."""

    eye: np.ndarray
    right: np.ndarray
    up: np.ndarray
    forward: np.ndarray
    half_width: float

    @classmethod
    def looking_at(cls, eye: np.ndarray, target: np.ndarray, field_of_view: float) -> Camera:
        """Level camera at `eye` (metres) with `target` in the middle of the picture; angle in degrees."""
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(forward, (0, 0, 1))
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        half_width = float(np.tan(np.radians(field_of_view) / 2))
        eye, right, up, forward = (axis.astype(np.float32) for axis in (eye, right, up, forward))
        return cls(eye, right, up, forward, half_width)

    def rays(self, size: int) -> np.ndarray:
        """(3, size * size) float32 unit directions through the pixel centres, row by row from the top."""
        offset = (((np.arange(size) + 0.5) / size * 2 - 1) * self.half_width).astype(np.float32)
        across = self.right[:, None, None] * offset[None, None, :]
        down = self.up[:, None, None] * offset[None, :, None]
        rays = (self.forward[:, None, None] + across - down).reshape(3, -1)
        return rays / np.sqrt((rays * rays).sum(0))


@dataclass(frozen=True)
class Hits:
    """What each of N rays meets first."""

    distance: np.ndarray  # (N,) float32 metres along the unit ray, inf where nothing is hit
    owner: np.ndarray  # (N,) int16 primitive number or NOTHING
    points: np.ndarray  # (3, N) world points; the eye where nothing is hit
    normals: np.ndarray  # (3, N) outward unit geometric normals; 0 where nothing is hit
    members: list[np.ndarray]  # per primitive: the rays that hit it


def first_hits(primitives: Sequence[Primitive], eye: np.ndarray, rays: np.ndarray) -> Hits:
    """Find the nearest entry of unit rays (3, N) from `eye` into any primitive."""
    count = rays.shape[1]
    distance = np.full(count, np.inf, np.float32)
    owner = np.full(count, NOTHING, np.int16)
    faces = np.zeros(count, np.int16)
    near_cone, _ = _inside_cones(primitives, eye, rays)
    for number, primitive in enumerate(primitives):
        candidates = np.flatnonzero(near_cone[number])
        if not len(candidates):
            continue
        enter, leave, face = primitive.entry(eye, rays.take(candidates, axis=1))
        wins = np.flatnonzero((enter < leave) & (enter > 1e-3) & (enter < distance.take(candidates)))
        winners = candidates.take(wins)
        distance[winners], faces[winners], owner[winners] = enter.take(wins), face.take(wins), number

    points = eye[:, None] + rays * np.where(owner == NOTHING, np.float32(0), distance)
    normals = np.zeros_like(points)
    order = np.argsort(owner, kind="stable")
    edges = np.searchsorted(owner[order], np.arange(len(primitives) + 1))
    members = [order[edges[i] : edges[i + 1]] for i in range(len(primitives))]
    for primitive, rows in zip(primitives, members, strict=True):
        if len(rows):
            normals[:, rows] = primitive.normals(points.take(rows, axis=1), faces.take(rows))
    return Hits(distance, owner, points, normals, members)


def lit_by(primitives: Sequence[Primitive], lamp: np.ndarray, hits: Hits, reach: float) -> np.ndarray:
    """(N,) bool: which hit points a point lamp at `lamp` (3,) lights directly.

    A convex solid never shadows its own lit side, so a point's own solid is skipped: no acne and no bias. The
    ground (primitive 0) cannot shadow what stands on it.

    Args:
        reach: distance in metres beyond which the lamp gives no light.
    """
    toward = hits.points - lamp[:, None]
    distance = np.sqrt((toward * toward).sum(0))
    facing = (toward * hits.normals).sum(0) < -1e-4
    rows = np.flatnonzero(facing & (distance < reach) & (hits.owner != NOTHING))
    toward, distance, owner = toward.take(rows, axis=1), distance.take(rows), hits.owner.take(rows)

    near_cone, nearest = _inside_cones(primitives, lamp, toward / distance)
    free = np.ones(len(rows), bool)
    for number in range(1, len(primitives)):
        candidates = np.flatnonzero(
            near_cone[number] & free & (distance > nearest[number]) & (owner != number)
        )
        if not len(candidates):
            continue
        enter, leave = primitives[number].interval(lamp, toward.take(candidates, axis=1))
        free[candidates] = ~((enter < leave) & (leave > 1e-4) & (enter < 1 - 1e-4))
    lit = np.zeros(hits.owner.shape, bool)
    lit[rows] = free
    return lit


def _inside_cones(primitives, origin, rays):
    """(P, N) bool: unit rays inside the cone around each bounding sphere; (P,) distance to the sphere."""
    to_centre = np.stack([primitive.centre for primitive in primitives]) - origin
    radius = np.array([primitive.radius for primitive in primitives])
    distance = np.linalg.norm(to_centre, axis=1)
    safe = np.maximum(distance, 1e-6)
    cosine = np.sqrt(np.maximum(1 - (radius / safe) ** 2, 0)) - 1e-5
    cosine[distance <= radius * 1.001] = -2  # the origin is inside the sphere: every ray counts
    axes, cosine = (to_centre / safe[:, None]).astype(np.float32), cosine[:, None].astype(np.float32)
    inside = np.empty((len(axes), rays.shape[1]), bool)
    block = BLAS_THREAD_LIMIT // axes.size
    for start in range(0, rays.shape[1], block):
        part = slice(start, start + block)
        np.greater_equal(axes @ rays[:, part], cosine, out=inside[:, part])
    return inside, (distance - radius).astype(np.float32)
