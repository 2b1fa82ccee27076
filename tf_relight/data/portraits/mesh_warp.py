"""Bending a picture so that landmarks come to lie where they belong: as rigid as possible in between.

A triangle mesh over the picture is deformed. Every triangle wants to turn only; landmarks and the picture's
border are where they must be.

Source: Igarashi et al., "As-Rigid-As-Possible Shape Manipulation", 2005, for the aim; Liu et al., "A
Local/Global Approach to Mesh Parameterization", 2008, for the energy of triangles and its minimisation, which
is what libigl does in two dimensions, and so DPR's data preparation.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay, cKDTree

from tf_relight.errors import RelightError

BORDER_POINTS = 50
"""Fixed points along each side of the picture, corners included; 196 in all."""
MAX_ITERATIONS = 100
SYMMETRIC = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
"""For `splu`: SciPy has no sparse Cholesky, this makes its LU do the same on a symmetric matrix."""
_SETTLED = 1e-4  # of the mesh spacing: movement of a point in one iteration that ends the search
_RIM = 2.0  # pixels by which a pixel may come from outside its triangle: triangles are drawn with their rim
_ONE_PLACE = 0.5  # pixels
_CELLS = 48  # free points along the longer side; about the spacing of the border points


@dataclass(frozen=True)
class Mesh:
    """Triangles over a picture.

    Attributes:
        points: (N, 2) float64 x and y in pixels; the centre of the first pixel is (0, 0).
        triangles: (T, 3) indices of points.
        fixed: indices of the points with a given place: first the landmarks, then the border.
    """

    points: np.ndarray
    triangles: np.ndarray
    fixed: np.ndarray


def build_mesh(landmarks: np.ndarray, size: tuple[int, int]) -> Mesh:
    """Return the Delaunay triangles of landmarks, border points and a lattice of free points between them.

    Args:
        landmarks: (N, 2) x and y in pixels, inside the picture, no two in one place.
        size: height and width of the picture.

    Raises:
        RelightError: landmarks that are not numbers, too few or outside the picture.

    Source: DPR's data preparation, step 3. Differs: a lattice gives well-shaped triangles in place of the
    program Triangle, which may not be used freely.
    """
    landmarks = check_landmarks(landmarks, size)
    border = _border(size)
    fixed = np.concatenate([landmarks, border])
    lattice = _lattice(size)
    spacing = max(size) / _CELLS
    distance, _ = cKDTree(fixed).query(lattice)
    points = np.concatenate([fixed, lattice[distance > 0.6 * spacing]])
    triangles = Delaunay(points).simplices
    corners = points[triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    # Along the border rounding leaves triangles without area.
    return Mesh(points, triangles[area > 1e-6 * spacing**2], np.arange(len(fixed)))


def check_landmarks(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return landmarks as float64.

    Raises:
        RelightError: not (N, 2) with N >= 3, not finite, or outside the picture.
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.ndim != 2 or landmarks.shape[1] != 2 or len(landmarks) < 3:
        raise RelightError(f"Landmarks must be at least 3 points of x and y, not {landmarks.shape}.")
    if not np.isfinite(landmarks).all():
        raise RelightError("A landmark is NaN or infinite.")
    height, width = size
    outside = ((landmarks <= 0) | (landmarks >= [width - 1, height - 1])).any(axis=1)
    if outside.any():
        x, y = landmarks[outside][0]
        raise RelightError(
            f"Landmark ({x:g}, {y:g}) is outside the picture of {width} x {height} pixels; leave it out."
        )
    return landmarks


def merge_landmarks(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return landmarks (N, 2) with those that lie in one place of `source` made one, at their middle.

    The lips of a closed mouth have landmarks in one place; a mesh cannot have two points there.
    """
    groups: list[list[int]] = []
    for number, point in enumerate(source):
        near = [group for group in groups if np.linalg.norm(source[group[0]] - point) < _ONE_PLACE]
        if near:
            near[0].append(number)
        else:
            groups.append([number])
    merged = [np.array([points[group].mean(axis=0) for group in groups]) for points in (source, target)]
    return merged[0], merged[1]


def deform(points: np.ndarray, triangles: np.ndarray, fixed: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return where the points of a mesh go when some of them are moved.

    Args:
        points: (N, 2) the mesh at rest.
        triangles: (T, 3) indices; every free point belongs to one.
        fixed: (F,) indices of points with a given place.
        targets: (F, 2) those places; they are met exactly.

    Returns:
        (N, 2) float64. A motion that is rigid for the fixed points is rigid for all.
    """
    edges, weights = _cotangents(points, triangles)
    count = len(points)
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    # Each column is an edge: its end minus its start.
    ones, number = np.ones(len(start)), np.arange(len(start))
    incidence = sparse.csr_matrix(
        (np.r_[-ones, ones], (np.r_[start, end], np.r_[number, number])), shape=(count, len(start))
    )
    laplacian = incidence @ sparse.diags(weights.ravel()) @ incidence.T
    free = np.setdiff1d(np.arange(count), fixed)
    deformed = np.array(points, dtype=np.float64)
    deformed[fixed] = targets
    if len(free) == 0:
        return deformed
    rows = laplacian.tocsr()[free]
    known = rows[:, fixed] @ deformed[fixed]
    factor = splu(rows[:, free].tocsc(), **SYMMETRIC)
    # Harmonic coordinates keep every affine motion, so a rigid one is found at once.
    deformed[free] = factor.solve(-known)
    tolerance = _SETTLED * np.sqrt(np.ptp(points, axis=0).prod() / count)
    for _ in range(MAX_ITERATIONS):
        turned = _rotated_edges(deformed, triangles, edges, weights)
        before = deformed[free]
        deformed[free] = factor.solve((incidence @ turned)[free] - known)
        if np.abs(deformed[free] - before).max() <= tolerance:
            break
    return deformed


def inverse_map(mesh: Mesh, deformed: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return for every pixel of the bent picture where in the original it comes from.

    Args:
        mesh: at rest, over the original.
        deformed: (N, 2) its points in the bent picture.
        size: height and width of the picture.

    Returns:
        (H, W, 2) float32 x and y in pixels, for `cv2.remap`.
    """
    height, width = size
    owner = np.full(size, -1, np.int32)
    shift = 4  # OpenCV takes points in sixteenths of a pixel
    corners = np.rint(deformed[mesh.triangles] * (1 << shift)).astype(np.int32)
    for number, triangle in enumerate(corners):
        cv2.fillConvexPoly(owner, triangle, number, shift=shift)
    if (owner < 0).any():
        raise ValueError("the mesh does not cover the picture")
    used, compact = np.unique(owner, return_inverse=True)
    before, after = mesh.points[mesh.triangles[used]], deformed[mesh.triangles[used]]
    # Inside a triangle the map is affine, and neighbours agree along their common edge. The pseudo-inverse
    # gives a squeezed triangle, which owns pixels along its rim only, the map along its length.
    middle = after.mean(axis=1, keepdims=True)
    affine = np.linalg.pinv(after - middle, rcond=1e-6) @ (before - before.mean(axis=1, keepdims=True))
    which = compact.reshape(size)
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    origin = np.einsum("hwi,hwij->hwj", pixels - middle[which, 0], affine[which])
    origin += before.mean(axis=1)[which]
    lowest, highest = before.min(axis=1)[which] - _RIM, before.max(axis=1)[which] + _RIM
    return np.clip(origin, lowest, highest).astype(np.float32)


def warp_map(source: np.ndarray, target: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the map (H, W, 2) for `cv2.remap` that brings landmarks from `source` to `target`.

    Args:
        source: (N, 2) x and y in pixels of landmarks in the picture to bend.
        target: (N, 2) where they belong.
        size: height and width of the picture; its border stays where it is.

    Raises:
        RelightError: landmarks that do not pair or do not fit the picture, see `build_mesh`.
    """
    if np.shape(source) != np.shape(target):
        raise RelightError(
            f"There are {len(source)} landmarks before and {len(target)} after; every one needs its partner."
        )
    source, target = merge_landmarks(check_landmarks(source, size), check_landmarks(target, size))
    mesh = build_mesh(source, size)
    targets = np.concatenate([target, mesh.points[mesh.fixed[len(source) :]]])
    return inverse_map(mesh, deform(mesh.points, mesh.triangles, mesh.fixed, targets), size)


def _border(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    along_x, along_y = np.linspace(0, width - 1, BORDER_POINTS), np.linspace(0, height - 1, BORDER_POINTS)
    sides = [np.stack([along_x, np.full(BORDER_POINTS, y)], 1) for y in (0.0, height - 1.0)]
    sides += [np.stack([np.full(BORDER_POINTS - 2, x), along_y[1:-1]], 1) for x in (0.0, width - 1.0)]
    return np.concatenate(sides)


def _lattice(size: tuple[int, int]) -> np.ndarray:
    """Rows of points, every second one shifted by half: near-equilateral triangles."""
    height, width = size
    spacing = max(size) / _CELLS
    rows = np.arange(spacing / 2, height - 1, spacing * np.sqrt(0.75))
    columns = np.arange(spacing / 2, width - 1, spacing)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += spacing / 2
    inside = x < width - 1
    return np.stack([x[inside], y[inside]], axis=1)


def _cotangents(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (T, 3, 2) from each corner to the next and half the cotangents (T, 3) opposite."""
    corners = points[triangles].astype(np.float64)
    following, opposite = np.roll(corners, -1, axis=1), np.roll(corners, -2, axis=1)
    one, other = corners - opposite, following - opposite
    area = np.abs(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])
    return following - corners, np.sum(one * other, axis=-1) / np.maximum(area, 1e-12) / 2


def _rotated_edges(
    deformed: np.ndarray, triangles: np.ndarray, edges: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the weighted edges at rest (3 T, 2), each turned as its triangle has turned."""
    corners = deformed[triangles]
    now = np.roll(corners, -1, axis=1) - corners
    dot = np.sum(weights[..., None] * now * edges, axis=(1, 2))
    cross = np.sum(weights * (edges[..., 0] * now[..., 1] - edges[..., 1] * now[..., 0]), axis=1)
    # The rotation nearest to the triangle's deformation has this angle; a triangle at a point keeps its own.
    length = np.hypot(dot, cross)
    safe = np.where(length > 0, length, 1)
    cosine, sine = np.where(length > 0, dot / safe, 1)[:, None], (cross / safe)[:, None]
    x, y = edges[..., 0], edges[..., 1]
    turned = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1) * weights[..., None]
    return turned.reshape(-1, 2)
