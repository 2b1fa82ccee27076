"""Meshes of four-sided faces: reading .obj, triangles, normals.

Axes: x to the right of the picture, y up, z toward the camera. Unit: decimetre.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_relight.rendering.humans.assets import AssetError, asset_text


@dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh.

    Attributes:
        vertices: (V, 3) float32.
        quads: (F, 4) numbers of vertices; a triangle repeats its last corner.
        uv: (F, 4, 2) float32 texture coordinates of the corners, v upwards.
    """

    vertices: np.ndarray
    quads: np.ndarray
    uv: np.ndarray


def read_obj(path: Path, group: str | None = None) -> Mesh:
    """Read a Wavefront .obj file.

    Args:
        path: the file; of a face with more than four corners the first four are taken.
        group: only the faces of this group; None takes all.

    Raises:
        AssetError: the file cannot be read, or a line makes no sense.
    """
    vertices: list[list[float]] = []
    coordinates: list[list[float]] = []
    faces: list[list[int]] = []
    corners: list[list[int]] = []
    current: str | None = None
    number, lines = 0, asset_text(path).splitlines()
    try:
        for line in lines:
            number += 1
            words = line.split()
            if not words:
                continue
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:4]])
            elif words[0] == "vt":
                coordinates.append([float(word) for word in words[1:3]])
            elif words[0] == "g":
                current = words[1] if len(words) > 1 else None
            elif words[0] == "f" and (group is None or current == group):
                face, corner = _face(words[1:])
                faces.append(face)
                corners.append(corner)
        quads, places = np.array(faces, np.int64), np.array(corners, np.int64)
        table = np.array(coordinates or [[0.0, 0.0]], np.float32)
        mesh = Mesh(np.array(vertices, np.float32), quads, table[places])
        if (
            mesh.vertices.shape[1:] != (3,)
            or not len(quads)
            or not 0 <= quads.min() <= quads.max() < len(vertices)
        ):
            raise ValueError("faces without vertices")
    except (ValueError, IndexError) as error:
        raise AssetError(f"{path} is not a usable .obj mesh (read to line {number}: {error}).") from error
    return mesh


def _face(words: list[str]) -> tuple[list[int], list[int]]:
    parts = [word.split("/") for word in words[:4]]
    face = [int(part[0]) - 1 for part in parts]
    corner = [int(part[1]) - 1 if len(part) > 1 and part[1] else 0 for part in parts]
    if len(face) == 3:
        face.append(face[2])
        corner.append(corner[2])
    if len(face) != 4:
        raise ValueError("a face with fewer than three corners")
    return face, corner


def triangles(quads: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles (T, 3) and their texture coordinates (T, 3, 2); flat ones are left out."""
    corners = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    places = np.concatenate([uv[:, [0, 1, 2]], uv[:, [0, 2, 3]]])
    a, b, c = corners.T
    solid = (a != b) & (b != c) & (a != c)
    return corners[solid], places[solid]


def vertex_normals(vertices: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return unit normals (V, 3) float32, the mean of the triangles around weighted by their areas."""
    first, second, third = (vertices[corners[:, i]] for i in range(3))
    faces = np.cross(second - first, third - first)
    total = np.zeros((len(vertices), 3))
    for corner in corners.T:
        for axis in range(3):
            total[:, axis] += np.bincount(corner, faces[:, axis], len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return (total / np.maximum(length, 1e-9)).astype(np.float32)
