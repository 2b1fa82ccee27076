"""How a person turns the head, and how the camera frames it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.humans.meshes import vertex_normals
from tf_relight.rendering.humans.person_parts import Figure

DISTANCES = (5.5, 22.0)
"""Of the camera from the face, in decimetres."""
FRAMES = (1.0, 2.1)
"""Side of the picture over the height of the face, chin to hairline."""


@dataclass(frozen=True, eq=False)
class View:
    """A perspective camera that looks along -z.

    Attributes:
        place: (3,) decimetres. side: of the picture, in decimetres, at `distance`.
        yaw, pitch, roll: of the head, in radians.
    """

    place: np.ndarray
    side: float
    distance: float
    yaw: float
    pitch: float
    roll: float

    def rays(self, pixels: int) -> np.ndarray:
        """Return unit directions (pixels * pixels, 3) float32, row by row from the top left."""
        across = ((np.arange(pixels) + 0.5) / pixels - 0.5) * self.side
        x, y = np.meshgrid(across, -across)
        rays = np.stack([x, y, np.full_like(x, -self.distance)], axis=-1).reshape(-1, 3)
        return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)


def pose(figure: Figure, rng: np.random.Generator) -> View:
    """Turn the head, and the body a little, in place; return a camera that frames the face."""
    yaw = (
        float(np.clip(rng.normal(0, 0.3), -0.85, 0.85)) if rng.random() < 0.7 else float(rng.normal(0, 0.08))
    )
    pitch, roll = float(np.clip(rng.normal(-0.03, 0.12), -0.35, 0.35)), float(rng.normal(0, 0.08))
    head, body = _turn(yaw, pitch, roll), _turn(yaw * rng.uniform(0.2, 1) + rng.normal(0, 0.1), 0, 0)
    pivot = np.array(
        [0, figure.chin[1] - 0.19 * figure.face, figure.eyes[2] - 0.55 * figure.face], np.float32
    )

    def posed(places: np.ndarray) -> np.ndarray:
        share = np.clip((places[:, 1] - figure.chin[1]) / figure.face + 0.6, 0, 0.5)[:, None] * 2
        share = share * share * (3 - 2 * share)
        away = places - pivot
        return ((away @ head.T) * share + (away @ body.T) * (1 - share) + pivot).astype(np.float32)

    middle = (figure.eyes + figure.chin) / 2 + np.array([0, 0.12 * figure.face, 0])
    face = posed(middle[None])[0]
    crown = posed((figure.eyes - np.array([0, -0.05, 0.4], np.float32) * figure.face)[None])[0]
    for part in figure.parts:
        part.vertices = posed(part.vertices)
        part.normals = vertex_normals(part.vertices, part.corners if part.smooth is None else part.smooth)
        if part.kind in ("hair", "beard") and part.rest is not None:
            part.normals = _rounded(part.normals, part.vertices - crown, 0.55 if part.kind == "hair" else 1.5)
        elif part.kind == "brow":
            part.normals = _toward_camera(part.normals)
    side = figure.face * float(np.exp(rng.uniform(*np.log(FRAMES))))
    distance = float(np.exp(rng.uniform(*np.log(DISTANCES))))
    centre = face + np.array(
        [rng.normal(0, 0.06) * side, rng.normal(0, 0.045) * side + 0.06 * (side - 1.25 * figure.face), 0]
    )
    place = np.array([centre[0], centre[1], face[2] + distance], np.float32)
    return View(place, side, distance, yaw, pitch, roll)


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def _rounded(normals: np.ndarray, outward: np.ndarray, own: float) -> np.ndarray:
    """Bend the normals of strands outward: light sees the volume, not single cards."""
    outward = outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    side = np.where((normals * outward).sum(axis=1, keepdims=True) < 0, -1, 1)
    bent = own * normals * side + outward
    return (bent / np.maximum(np.linalg.norm(bent, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def _toward_camera(normals: np.ndarray) -> np.ndarray:
    bent = normals * np.where(normals[:, 2:] < 0, -1, 1) + np.array([0, 0, 1.0])
    return (bent / np.linalg.norm(bent, axis=1, keepdims=True)).astype(np.float32)
