"""Sampling a composition: one ray per sample, shared by all lamps, then shadows and light for each lamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.light.vidit import DIRECTIONS
from tf_relight.rendering.primitives import project
from tf_relight.rendering.scenes.composition import Composition
from tf_relight.rendering.scenes.materials import surfaces
from tf_relight.rendering.scenes.raycast import NOTHING, first_hits, lit_by

RING_REACH = 5.0  # a lamp's light ends at this many ring distances
NEAREST_FALLOFF = 0.05  # squared distance, relative to the ring's, below which light grows no more


@dataclass(frozen=True)
class View:
    """A composition sampled on a square grid of N = size * size rays, before exposure."""

    size: int
    directions: tuple[str, ...]
    owner: np.ndarray  # (N,) primitive number or NOTHING
    depth: np.ndarray  # (N,) metres along the optical axis, inf where nothing is hit
    distance: np.ndarray  # (N,) metres along the ray
    albedo: np.ndarray  # (N, 3) linear
    normals: np.ndarray  # (3, N) with bumps
    geometric_normals: np.ndarray  # (3, N) without
    visible: np.ndarray  # (L, N) bool, lit by the lamp
    irradiance: np.ndarray  # (L, N) from a white lamp
    highlight: np.ndarray  # (L, N) light mirrored by gloss
    ambient: np.ndarray  # (N, 3) reflected linear light

    def direct(self, row: int) -> np.ndarray:
        """(N, 3) linear light reflected from the lamp of `directions[row]`, white."""
        light = self.albedo * self.irradiance[row][:, None]
        if self.highlight[row].any():
            light += self.highlight[row][:, None]
        return light


def render_view(scene: Composition, size: int, directions: tuple[str, ...]) -> View:
    """Sample a composition with size * size rays under the named lamps."""
    camera = scene.camera
    rays = camera.rays(size)
    hits = first_hits(scene.primitives, camera.eye, rays)
    albedo, normals = _surfaces(scene, hits, np.float32(2 * camera.half_width / size))
    shape = (len(directions), rays.shape[1])
    visible = np.zeros(shape, bool)
    irradiance, highlight = np.empty(shape, np.float32), np.zeros(shape, np.float32)
    for row, name in enumerate(directions):
        lamp = scene.lamps[DIRECTIONS.index(name)]
        visible[row] = lit_by(scene.primitives, lamp, hits, RING_REACH * scene.lamp_distance)
        _shade(scene, lamp, hits, rays, normals, visible[row], irradiance[row], highlight[row])
    hit = hits.owner != NOTHING
    ambient = albedo * scene.ambient * (0.6 + 0.4 * normals[2])[:, None]
    ambient[~hit] = scene.sky
    return View(
        size=size,
        directions=directions,
        owner=hits.owner,
        depth=np.where(hit, camera.forward @ rays * hits.distance, np.float32(np.inf)),
        distance=hits.distance,
        albedo=albedo,
        normals=normals,
        geometric_normals=hits.normals,
        visible=visible,
        irradiance=irradiance,
        highlight=highlight,
        ambient=ambient,
    )


def _surfaces(scene, hits, pixel_angle):
    """Albedo (N, 3) and shading normals (3, N) of all hit points, 0 where nothing is hit."""
    albedo = np.zeros((hits.owner.size, 3), np.float32)
    normals = np.zeros((hits.owner.size, 3), np.float32)
    seen = [(solid, rows) for solid, rows in zip(scene.primitives, hits.members, strict=True) if len(rows)]
    if not seen:
        return albedo, normals.T.copy()
    # Into the axes of each object, one object after the other ...
    rows_in_order = np.concatenate([rows for _, rows in seen])
    counts = [len(rows) for _, rows in seen]
    points = [
        project(solid.rotation.T, hits.points.take(rows, axis=1) - solid.centre[:, None])
        for solid, rows in seen
    ]
    flat = [project(solid.rotation.T, hits.normals.take(rows, axis=1)) for solid, rows in seen]
    albedo[rows_in_order], bumped = surfaces(
        [scene.materials[solid.material] for solid, _ in seen],
        [solid.seed for solid, _ in seen],
        counts,
        np.concatenate(points, axis=1).T.copy(),
        np.concatenate(flat, axis=1).T.copy(),
        hits.distance.take(rows_in_order) * pixel_angle,
    )
    # ... and the normals back into the world.
    parts = np.split(bumped.T.copy(), np.cumsum(counts)[:-1], axis=1)
    for (solid, rows), part in zip(seen, parts, strict=True):
        normals[rows] = project(solid.rotation, part).T
    return albedo, normals.T.copy()


def _shade(scene, lamp, hits, rays, normals, visible, irradiance, highlight):
    """Fill in the irradiance and the mirror-like highlight (N,) of one lamp."""
    toward = lamp[:, None] - hits.points
    squared = (toward * toward).sum(0)
    toward /= np.sqrt(squared)
    reference = np.float32(scene.lamp_distance**2)
    window = np.maximum(1 - (squared / (RING_REACH**2 * reference)) ** 2, 0) ** 2
    falloff = reference / np.maximum(squared, NEAREST_FALLOFF * reference) * window
    falloff *= visible
    np.multiply(np.maximum((toward * normals).sum(0), 0), falloff, out=irradiance)
    for solid, rows in zip(scene.primitives, hits.members, strict=True):
        material = scene.materials[solid.material]
        if material.specular == 0 or not len(rows):
            continue
        lit = rows[visible[rows]]
        half = toward.take(lit, axis=1) - rays.take(lit, axis=1)
        half /= np.sqrt((half * half).sum(0))
        lobe = np.maximum((half * normals.take(lit, axis=1)).sum(0), 0) ** np.float32(material.gloss)
        strength = np.float32(material.specular) * (np.float32(material.gloss) + 8) / 25
        highlight[lit] = strength * lobe * irradiance[lit]
