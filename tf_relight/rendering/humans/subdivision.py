"""One step of Catmull-Clark as a sparse matrix, so that it is worked out once for all people.

Source: Catmull and Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes", 1978.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


class Subdivision:
    """A mesh's finer version.

    Attributes:
        quads: (4F, 4) faces of the finer mesh; quads 4f..4f+3 come from face f.
        uv: (4F, 4, 2) their texture coordinates, split along straight lines.
    """

    def __init__(self, count: int, quads: np.ndarray, uv: np.ndarray) -> None:
        """Prepare the step for a mesh of `count` vertices."""
        faces = len(quads)
        sides = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
        edges, edge_of, uses = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
        edge_of = edge_of.reshape(-1)
        self._matrix = _matrix(count, quads, edges, edge_of, uses)
        edge_points = count + edge_of.reshape(faces, 4)
        centres = count + len(edges) + np.arange(faces)
        corners = [
            np.stack([quads[:, i], edge_points[:, i], centres, edge_points[:, i - 1]], axis=-1)
            for i in range(4)
        ]
        self.quads = np.stack(corners, axis=1).reshape(-1, 4)
        middle, centre = (uv + np.roll(uv, -1, axis=1)) / 2, uv.mean(axis=1)
        places = [np.stack([uv[:, i], middle[:, i], centre, middle[:, i - 1]], axis=1) for i in range(4)]
        self.uv = np.stack(places, axis=1).reshape(-1, 4, 2)

    def refine(self, vertices: np.ndarray) -> np.ndarray:
        """Return the finer mesh's vertices (V', 3): the old ones moved, then the edges', then the faces'."""
        return self._matrix @ vertices


def _matrix(
    count: int, quads: np.ndarray, edges: np.ndarray, edge_of: np.ndarray, uses: np.ndarray
) -> sparse.csr_matrix:
    faces, corner_face = len(quads), np.repeat(np.arange(len(quads)), 4)
    ones = np.ones(faces * 4)
    face_mean = sparse.csr_matrix((ones / 4, (corner_face, quads.reshape(-1))), (faces, count))
    ends = np.repeat(np.arange(len(edges)), 2)
    edge_mean = sparse.csr_matrix((np.full(len(ends), 0.5), (ends, edges.reshape(-1))), (len(edges), count))
    edge_faces = sparse.csr_matrix((ones, (edge_of, corner_face)), (len(edges), faces))
    inside = uses == 2
    # An edge's point: the mean of its ends and of its two faces' centres; on a border of its ends alone.
    edge_points = _diagonal(np.where(inside, 0.5, 1.0)) @ edge_mean
    edge_points += _diagonal(np.where(inside, 0.25, 0.0)) @ edge_faces @ face_mean

    vertex_faces = sparse.csr_matrix((ones, (quads.reshape(-1), corner_face)), (count, faces))
    vertex_edges = sparse.csr_matrix((np.ones(len(ends)), (edges.reshape(-1), ends)), (count, len(edges)))
    valence = np.maximum(np.asarray(vertex_faces.sum(axis=1)).ravel(), 1)
    edge_count = np.maximum(np.asarray(vertex_edges.sum(axis=1)).ravel(), 1)
    moved = (
        _diagonal(1 / valence**2) @ vertex_faces @ face_mean
        + _diagonal(2 / (valence * edge_count)) @ vertex_edges @ edge_mean
        + _diagonal((valence - 3) / valence)
    )
    border = _diagonal((~inside).astype(float))
    border_count = np.maximum(np.asarray((vertex_edges @ border).sum(axis=1)).ravel(), 1)
    along = _diagonal(0.5 / border_count) @ vertex_edges @ border @ edge_mean + _diagonal(np.full(count, 0.5))
    on_border = np.zeros(count)
    on_border[edges[~inside].ravel()] = 1
    vertices = _diagonal(1 - on_border) @ moved + _diagonal(on_border) @ along
    return sparse.vstack([vertices, edge_points, face_mean]).tocsr().astype(np.float32)


def _diagonal(values: np.ndarray) -> sparse.dia_matrix:
    return sparse.diags(values)
