"""Rays: what the camera sees, and what stands between a place and a light. By Intel's Embree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.rendering.humans.parts import Part

SEEN_LAYERS, SHADOW_LAYERS = 16, 8
"""How many layers of strands a ray may pass."""
_STEP, _SHADOW_STEP = 1e-3, 2e-3


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays met something.

    Attributes:
        ray: (N,) numbers of the rays that did. triangle: (N,). weights: (N, 3) of its corners.
        distance: (N,) from the start.
    """

    ray: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray
    distance: np.ndarray


class Tracer:
    """The posed parts of one person as one scene.

    Attributes:
        parts: the parts. part: (T,) number of each triangle's part. corners: (T, 3, 3) places.
    """

    def __init__(self, parts: list[Part]) -> None:
        """Build the scene.

        Raises:
            RelightError: embreex is not installed.
        """
        try:
            from embreex import rtcore_scene
            from embreex.mesh_construction import TriangleMesh
        except ImportError as error:
            raise RelightError(
                "Rendering humans needs embreex: install it with `pip install 'tf_relight[humans]'`."
            ) from error
        self.parts = parts
        counts = [len(part.corners) for part in parts]
        self.part = np.repeat(np.arange(len(parts), dtype=np.int16), counts)
        self.corners = np.ascontiguousarray(
            np.concatenate([p.vertices[p.corners] for p in parts]), np.float32
        )
        self._uv = np.concatenate([part.uv for part in parts]).astype(np.float32)
        self._rest = np.concatenate([part.rest[part.corners] for part in parts]).astype(np.float32)
        normals = [part.normals[part.corners] for part in parts if part.normals is not None]
        self._normals = np.concatenate(normals).astype(np.float32)
        self._see_through = np.array([part.see_through for part in parts])[self.part]
        self._scene: Any = rtcore_scene.EmbreeScene()
        self._mesh = TriangleMesh(self._scene, self.corners)  # the scene does not keep it alive

    def uv(self, triangle: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return texture coordinates (N, 2)."""
        return _mixed(self._uv, triangle, weights)

    def rest(self, triangle: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return places of rest (N, 3)."""
        return _mixed(self._rest, triangle, weights)

    def normal(self, triangle: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return unit normals (N, 3), smooth over the triangles."""
        found = _mixed(self._normals, triangle, weights)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    def flat_normal(self, triangle: np.ndarray) -> np.ndarray:
        """Return unit normals (N, 3) of the triangles themselves."""
        first, second, third = (self.corners[triangle, i] for i in range(3))
        found = np.cross(second - first, third - first)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    def opacity(self, triangle: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return how much of the light is stopped at places on triangles, (N,) 0..1."""
        found = np.ones(len(triangle), np.float32)
        part = self.part[triangle]
        for number in np.unique(part):
            if self.parts[number].see_through:
                here = part == number
                place = triangle[here], weights[here]
                found[here] = self.parts[number].opacity(self.uv(*place), self.rest(*place))
        return found

    def first_hits(self, start: np.ndarray, rays: np.ndarray, rng: np.random.Generator) -> Hits:
        """Return what each ray meets; strands stop it with the chance of their opacity.

        Args:
            start: (3,), the same for all. rays: (N, 3) unit directions.
        """
        count = len(rays)
        triangle, distance = np.full(count, -1, np.int32), np.zeros(count, np.float32)
        weights = np.zeros((count, 3), np.float32)
        alive, begun = np.arange(count), np.zeros(count, np.float32)
        for _ in range(SEEN_LAYERS):
            hit, met, at, far = self._next(start + begun[alive][:, None] * rays[alive], rays[alive])
            alive = alive[hit]
            if not len(alive):
                break
            stops = self._stops(met, at, rng, 1.15, 0.08)
            ended, goes_on = alive[stops], alive[~stops]
            triangle[ended], weights[ended] = met[stops], at[stops]
            distance[ended] = begun[ended] + far[stops]
            begun[goes_on] += far[~stops] + _STEP
            alive = goes_on
        ray = np.flatnonzero(triangle >= 0)
        return Hits(ray, triangle[ray], weights[ray], distance[ray])

    def blocked(self, starts: np.ndarray, rays: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return whether something stands in the way of each ray (N, 3) from its start (N, 3)."""
        found = np.zeros(len(rays), bool)
        alive, places = np.arange(len(rays)), starts
        for _ in range(SHADOW_LAYERS):
            hit, met, at, far = self._next(places, rays[alive])
            alive, places = alive[hit], places[hit]
            if not len(alive):
                break
            stops = self._stops(met, at, rng, 0.8, 0.0)
            found[alive[stops]] = True
            alive = alive[~stops]
            places = places[~stops] + (far[~stops] + np.float32(_SHADOW_STEP))[:, None] * rays[alive]
        return found

    def _stops(
        self, triangle: np.ndarray, weights: np.ndarray, rng: np.random.Generator, gain: float, least: float
    ) -> np.ndarray:
        stops = np.ones(len(triangle), bool)
        unsure = np.flatnonzero(self._see_through[triangle])
        if len(unsure):
            chance = (self.opacity(triangle[unsure], weights[unsure]) - least) * gain
            stops[unsure] = rng.random(len(unsure), np.float32) < chance
        return stops

    def _next(
        self, starts: np.ndarray, rays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return which rays hit, and for those the triangle, the weights of its corners and the distance."""
        found = self._scene.run(
            np.ascontiguousarray(starts, np.float32), np.ascontiguousarray(rays, np.float32), output=1
        )
        hit = np.flatnonzero(found["primID"] >= 0)
        u, v = found["u"][hit], found["v"][hit]
        weights = np.stack([1 - u - v, u, v], axis=-1).astype(np.float32)
        return hit, found["primID"][hit], weights, found["tfar"][hit].astype(np.float32)


def _mixed(table: np.ndarray, triangle: np.ndarray, weights: np.ndarray) -> np.ndarray:
    corners = table[triangle]
    return corners[:, 0] * weights[:, :1] + corners[:, 1] * weights[:, 1:2] + corners[:, 2] * weights[:, 2:]
