"""What is drawn for a scene before any picture is sampled: solids, camera, lamps on a ring, ambient light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.light.vidit import DIRECTIONS
from tf_relight.rendering.primitives import Primitive
from tf_relight.rendering.scenes.assembly import assemble
from tf_relight.rendering.scenes.materials import Material
from tf_relight.rendering.scenes.raycast import Camera, first_hits

CAMERA_DISTANCE = (3.2, 6.0)  # metres
CAMERA_ELEVATION = (8.0, 32.0)  # degrees
CAMERA_YAW = 0.12  # spread, radians
FIELD_OF_VIEW = (50.0, 85.0)  # degrees
RING_RADIUS = (0.55, 0.75)  # of the distance from the camera to what it looks at
RING_HEIGHT = (0.38, 0.55)
AMBIENT_EXPONENT = (-3.2, -1.5)  # decimal, against a lamp of 1 at the ring's distance
SKY_CHANCE = 0.2


@dataclass(frozen=True)
class Composition:
    """Everything about a scene that does not depend on the picture size."""

    kind: str
    primitives: list[Primitive]
    materials: list[Material]
    camera: Camera
    lamps: np.ndarray  # (8, 3) world positions in the order of DIRECTIONS
    lamp_distance: float  # metres from a lamp to the point the camera looks at
    ambient: np.ndarray  # (3,) linear light from everywhere
    sky: np.ndarray  # (3,) linear light where nothing is hit


def draw_composition(rng: np.random.Generator, kind: str) -> Composition:
    """Draw a scene of one of `assembly.KINDS`; nothing in it depends on the picture size."""
    assembly = assemble(rng, kind)
    distance, elevation = rng.uniform(*CAMERA_DISTANCE), np.radians(rng.uniform(*CAMERA_ELEVATION))
    yaw = rng.normal(0, CAMERA_YAW)
    target = np.array([0, 0, rng.uniform(0.3, 0.9)])
    side, ahead = np.sin(yaw) * np.cos(elevation), np.cos(yaw) * np.cos(elevation)
    eye = target + distance * np.array([side, -ahead, np.sin(elevation)])
    camera = Camera.looking_at(eye, target, rng.uniform(*FIELD_OF_VIEW))

    # VIDIT's lamps stand on a ring around the point that the central ray meets.
    middle = first_hits(assembly.primitives, camera.eye, camera.forward[:, None])
    centre_distance = float(middle.distance[0]) if np.isfinite(middle.distance[0]) else 4.0
    centre = camera.eye + camera.forward * centre_distance
    radius = centre_distance * rng.uniform(*RING_RADIUS)
    height = centre_distance * rng.uniform(*RING_HEIGHT)
    azimuth = np.radians(45.0 * np.arange(len(DIRECTIONS)))
    ring = np.stack([radius * np.sin(azimuth), radius * np.cos(azimuth), np.full(len(azimuth), height)], 1)

    ambient = 10 ** rng.uniform(*AMBIENT_EXPONENT) * np.array([0.8, 0.95, 1.2]) * rng.uniform(0.9, 1.1, 3)
    sky = ambient * rng.uniform(0.1, 0.6) * (rng.random() < SKY_CHANCE)
    return Composition(
        kind=kind,
        primitives=assembly.primitives,
        materials=assembly.materials,
        camera=camera,
        lamps=(centre + ring).astype(np.float32),
        lamp_distance=float(np.hypot(radius, height)),
        ambient=ambient.astype(np.float32),
        sky=sky.astype(np.float32),
    )
