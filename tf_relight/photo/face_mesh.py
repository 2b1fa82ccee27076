"""The face mesh of MediaPipe: 468 points on a face, with their depth."""

from __future__ import annotations

import cv2
import numpy as np

from tf_relight.photo.small_networks import NETWORKS, session

POINTS = 468
OVAL = (
    (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288)
    + (397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136)
    + (172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
)
"""Points of the outline, from the middle of the forehead over the right cheek to the chin and back."""
_CROP = 1.5
"""Side of the crop over the long side of the box."""
_EYES = 33, 263
"""The outer corners of the left and right eye of the picture."""


def mesh_of(picture: np.ndarray, box: np.ndarray, eyes: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the points of one face, and how sure the network is that there is one.

    It looks twice: at the detector's box, then at what it saw there.

    Args:
        picture: (H, W, 3) uint8 RGB.
        box: left, top, right, bottom.
        eyes: (2, 2) column and row of the left and right eye of the picture, which tell how the head is
            tilted.

    Returns:
        (468, 3) float32 column, row and depth in pixels of the picture, the depth growing away from the
        camera, 0 about in the middle of the head; and 0..1.

    Source: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019.
    """
    mesh, sure = _look(picture, box, eyes[1] - eyes[0])
    places = mesh[:, :2]
    box = np.concatenate([places.min(axis=0), places.max(axis=0)])
    mesh, again = _look(picture, box, places[_EYES[1]] - places[_EYES[0]])
    return mesh, min(sure, again)


def _look(picture: np.ndarray, box: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, float]:
    """Return points and sureness as seen in a square around a box, turned so that `across` lies level."""
    wanted = NETWORKS["face_mesh"].side
    centre, side = (box[:2] + box[2:]) / 2, max(1.0, _CROP * float((box[2:] - box[:2]).max()))
    angle = float(np.arctan2(across[1], across[0]))
    right = np.array([np.cos(angle), np.sin(angle)])
    down = np.array([-right[1], right[0]])
    # From a place of the crop, from its middle in pixels, to the picture.
    step = np.stack([right, down], axis=1) * (side / wanted)
    offset = centre - step @ np.full(2, wanted / 2)
    # Both say where pixels' middles lie.
    seen = np.concatenate([step, (offset + step @ np.full(2, 0.5) - 0.5)[:, None]], axis=1)
    source, seen = _no_larger(picture, seen, side / wanted)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(source, seen, (wanted, wanted), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    points, logit = session("face_mesh").run(patch[None].astype(np.float32) / 255)
    points = points.reshape(POINTS, 3).astype(np.float64)
    placed = points[:, :2] @ step.T + offset
    result = np.concatenate([placed, points[:, 2:] * (side / wanted)], axis=1).astype(np.float32)
    return result, float(1 / (1 + np.exp(-np.clip(logit, -50, 50))).item())


def outline(mesh: np.ndarray) -> np.ndarray:
    """Return the points (36, 2) of the face's outline, in order."""
    return mesh[list(OVAL), :2]


def tilt(mesh: np.ndarray) -> float:
    """Return by how many degrees the head is tilted, clockwise as the picture shows it."""
    down = mesh[152, :2] - mesh[10, :2]
    return float(np.degrees(np.arctan2(-down[0], down[1])))


def _no_larger(picture: np.ndarray, seen: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what `cv2.warpAffine` is to read: a smaller copy where it would leave out pixels."""
    times = int(scale)
    if times < 2:
        return picture, seen
    height, width = (max(1, side // times) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    ratio = np.array([width / picture.shape[1], height / picture.shape[0]])[:, None]
    shifted = seen * ratio
    shifted[:, 2:] += 0.5 * ratio - 0.5
    return small, shifted
