"""Normals and skin of a face from its mesh, for portraits that come without a fitted face model.

The mesh of `photo.face_mesh` lies on the face in the picture, so nothing has to be bent. Its triangles are
those between neighbours on the face seen from its front, whichever way the head is turned.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Delaunay

from tf_relight.photo.face_mesh import outline

SIDES, ENDS = (234, 454), (10, 152)
"""Points of the mesh at the picture's left and right end of the face, and at its forehead and chin."""
NO_SKIN = {
    "left eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    "right eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    "left brow": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    "right brow": (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    "mouth": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
}
"""Outlines on the mesh of what lies on a face and is not skin."""
LEAST_FACING = 0.15
"""How far a normal must be turned to the camera, -z, to be relied on."""
RIM = 0.02
"""Of the height of the face: how much of its rim is left out."""
_SUBPIXEL = 4  # bits of a pixel's fraction with which outlines are filled


def mesh_normals(mesh: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the normals of a face, smooth and without wrinkles.

    Args:
        mesh: (468, 3) column, row and depth of its points in pixels, as of `photo.face_mesh`.
        size: height and width of the picture.

    Returns:
        (H, W, 3) float32 in the projection frame (x right, y down, z into the picture): unit vectors on the
        face where it is turned to the camera, 0 elsewhere and at its rim.
    """
    triangles = _triangles(mesh)
    corners = mesh[triangles].astype(np.float64)
    faced = np.cross(
        corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    )  # as long as twice the area
    at_points = np.zeros((len(mesh), 3))
    np.add.at(at_points, triangles.ravel(), np.repeat(faced, 3, axis=0))
    at_points = _unit(at_points)

    seen = np.flatnonzero(faced[:, 2] < 0)
    far_first = seen[np.argsort(-corners[seen, :, 2].mean(axis=1))]
    drawn = np.full(size, -1, np.int32)
    for number in far_first:
        cv2.fillConvexPoly(drawn, _in_fractions(corners[number, :, :2]), int(number), shift=_SUBPIXEL)
    rows, columns = np.nonzero(drawn >= 0)
    which = drawn[rows, columns]
    weights = _shares(np.stack([columns, rows], axis=1) + 0.5, corners[which, :, :2])
    normals = np.zeros((*size, 3), np.float32)
    normals[rows, columns] = _unit((weights[..., None] * at_points[triangles[which]]).sum(axis=1))
    known = (normals[..., 2] < -LEAST_FACING).astype(np.uint8)
    rim = 2 * max(1, round(RIM * float(np.ptp(mesh[:, 1])))) + 1
    inside = cv2.erode(known, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim, rim))) > 0
    return np.where(inside[..., None], normals, np.float32(0))


def mesh_skin(mesh: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return where the skin of a face lies: inside its outline, without eyes, brows and mouth.

    Args:
        mesh, size: as of `mesh_normals`.

    Returns:
        (H, W) bool.
    """
    skin = np.zeros(size, np.uint8)
    cv2.fillPoly(skin, [_in_fractions(outline(mesh))], 1, shift=_SUBPIXEL)
    for points in NO_SKIN.values():
        hull = cv2.convexHull(mesh[list(points), :2].astype(np.float32))[:, 0]
        cv2.fillConvexPoly(skin, _in_fractions(hull), 0, shift=_SUBPIXEL)
    return skin.astype(bool)


def _triangles(mesh: np.ndarray) -> np.ndarray:
    """Return the corners (T, 3) of the triangles, ordered so that their normals point out of the head.

    The face is laid flat as it is seen from between the ears: what lies beside the eyes is no thin rim there.
    """
    right, down = (_unit(mesh[end] - mesh[start]).astype(np.float64) for start, end in (SIDES, ENDS))
    down = _unit(down - right * float(down @ right))
    out = np.cross(down, right)
    seen = _unit((mesh - mesh[list(SIDES)].mean(axis=0)) @ np.stack([right, down, out], axis=1))
    # As far from the middle as the angle to it is wide.
    angle = np.arccos(np.clip(seen[:, 2], -1, 1))
    flat = seen[:, :2] * (angle / np.maximum(np.sin(angle), 1e-6))[:, None]
    triangles = Delaunay(flat).simplices
    a, b, c = (flat[triangles[:, i]] for i in range(3))
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    return np.where((turn > 0)[:, None], triangles[:, ::-1], triangles)


def _shares(places: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return how near places (N, 2) are to each corner of their triangles (N, 3, 2): (N, 3) of sum 1."""
    a, b, c = np.moveaxis(corners, 1, 0)

    def cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]

    whole = cross(b - a, c - a)
    whole = np.where(np.abs(whole) < 1e-9, 1e-9, whole)
    second, third = cross(places - a, c - a) / whole, cross(b - a, places - a) / whole
    shares = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, 1)
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)


def _in_fractions(places: np.ndarray) -> np.ndarray:
    """Return places (N, 2), whose pixels' middles lie at .5, as OpenCV's fillers take them."""
    return np.rint((places - 0.5) * (1 << _SUBPIXEL)).astype(np.int32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
