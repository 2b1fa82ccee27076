"""Convex solids and exact ray casting: the geometry of every embedded scene.

A solid is the intersection of half-spaces and at most one quadric of revolution in its own local frame,
carried into the world by an affine map. World axes: x to the image right, y into the scene, z up, in metres.
Arrays of points and rays are (3, N) float32, so that one small matrix product moves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

QUADRIC_FACE = -2  # the face number of the curved surface; planes count from 0
NO_FACE = -1
BLAS_THREAD_LIMIT = 1 << 17  # multiplications; OpenBLAS goes parallel above twice that


@dataclass(frozen=True, eq=False)
class Primitive:
    """One convex solid.

    Local space: every plane row (a, b, c, h) means a x + b y + c z <= h; the quadric (curvature, limit) means
    x^2 + y^2 + curvature z^2 <= limit. There is at least one of both.
    """

    planes: np.ndarray  # (K, 4) float32, K may be 0
    quadric: tuple[float, float] | None
    rotation: np.ndarray  # (3, 3), object axes in the world, without the scale
    to_local: np.ndarray  # (3, 3) inverse of rotation times scale
    centre: np.ndarray  # (3,) world position of the local origin
    radius: float  # of a bounding sphere around `centre`, metres
    material: int
    seed: int  # makes two solids of one material look different

    def interval(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays that share one origin are inside the solid, in front of the origin.

        With a common origin it is known beforehand whether a plane is entered or left, so a ray costs one
        small matrix product, one max and one min.

        Args:
            origin: (3,) world point.
            rays: (3, N) directions of any length.

        Returns:
            enter, leave: (N,) ray parameters; a ray meets the solid where enter < leave and leave > 0.
            From an origin inside, enter is negative and has no other meaning.
        """
        return self._interval(origin, rays, None)

    def entry(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`interval`, and (N,) int16 the face that each ray enters: a plane's number or QUADRIC_FACE."""
        faces = np.full(rays.shape[1], NO_FACE, np.int16)
        return *self._interval(origin, rays, faces), faces

    def _interval(self, origin, rays, faces):
        start = self.to_local @ (origin - self.centre)
        enter, leave = self._plane_interval(start, rays, faces)
        if self.quadric is not None:
            near, far = self._quadric_interval(start, rays, *self.quadric)
            if faces is not None:
                faces[near > enter] = QUADRIC_FACE
            np.maximum(enter, near, out=enter)
            np.minimum(leave, far, out=leave)
        return enter, leave

    def _plane_interval(self, start, rays, faces):
        slack = self.planes[:, 3] - self.planes[:, :3] @ start
        normals = self.planes[:, :3] @ self.to_local
        entering, leaving = np.flatnonzero(slack < 0), np.flatnonzero(slack >= 0)
        enter = np.full(rays.shape[1], -np.inf, np.float32)
        leave = np.full(rays.shape[1], np.inf, np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):  # rays along a plane
            if len(entering):
                slope = project(normals[entering], rays)
                t = slack[entering, None] / slope
                t[slope >= 0] = np.inf
                enter = t.max(0)
                if faces is not None:
                    faces[:] = entering[t.argmax(0)]
            if len(leaving):
                slope = project(normals[leaving], rays)
                t = slack[leaving, None] / slope
                t[slope <= 0] = np.inf
                leave = t.min(0)
        return enter, leave

    def _quadric_interval(self, start, rays, curvature, limit):
        curvature, limit = np.float32(curvature), np.float32(limit)
        x, y, z = project(self.to_local, rays)
        a = x * x + y * y
        b = start[0] * x + start[1] * y
        c = start[0] ** 2 + start[1] ** 2 - limit
        if curvature:
            a += curvature * z * z
            b += curvature * start[2] * z
            c += curvature * start[2] ** 2
        discriminant = b * b - a * c
        crosses = (discriminant > 0) & (a > 1e-12)
        root = np.sqrt(np.where(crosses, discriminant, 0))
        scale = 1 / np.where(a > 1e-12, a, 1)
        near = np.where(crosses, (-b - root) * scale, np.inf)
        far = np.where(crosses, (root - b) * scale, -np.inf)
        if c <= 0:  # a ray along the axis of a cylinder never leaves through the curved side
            near[~crosses], far[~crosses] = -np.inf, np.inf
        return near, far

    def normals(self, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Outward unit normals (3, N) at world points (3, N) on the given faces (N,)."""
        normals = np.zeros_like(points)
        flat = np.flatnonzero(faces >= 0)
        if len(flat):
            normals[:, flat] = self.planes[faces[flat], :3].T
        if self.quadric is not None:
            curved = faces == QUADRIC_FACE
            local = self.to_local @ (points[:, curved] - self.centre[:, None])
            local[2] *= np.float32(self.quadric[0])
            normals[:, curved] = local
        normals = project(self.to_local.T, normals)
        return normals / np.maximum(np.sqrt((normals * normals).sum(0)), 1e-12)


def project(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """matrix (K, 3) times vectors (3, N), both float32 -> (K, N).

    Worked off in blocks that stay in the cache and are too small for a BLAS library to start threads on:
    threads cost more than they bring here, and several renderers may run side by side.
    """
    count = vectors.shape[1]
    block = max(1, BLAS_THREAD_LIMIT // matrix.size)
    if count <= block:
        return matrix @ vectors
    product = np.empty((len(matrix), count), np.float32)
    for start in range(0, count, block):
        np.matmul(matrix, vectors[:, start : start + block], out=product[:, start : start + block])
    return product


def rotation_x(angle: float) -> np.ndarray:
    """(3, 3) rotation about x by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> np.ndarray:
    """(3, 3) rotation about y by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(angle: float) -> np.ndarray:
    """(3, 3) rotation about the vertical by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _unit_planes(rows: list[list[float]]) -> np.ndarray:
    planes = np.array(rows, np.float64)
    return planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True)


CUBE = _unit_planes(
    [[1, 0, 0, 1], [-1, 0, 0, 1], [0, 1, 0, 1], [0, -1, 0, 1], [0, 0, 1, 1], [0, 0, -1, 1]]
)  # -1..1 on each axis
CAPS = _unit_planes([[0, 0, 1, 1], [0, 0, -1, 1]])
GABLE = _unit_planes(
    [[1, 0, 1, 1], [-1, 0, 1, 1], [0, 0, -1, 0], [0, 1, 0, 1], [0, -1, 0, 1]]
)  # roof with its ridge along y, z from 0 to 1
NO_PLANES = np.zeros((0, 4))
PYRAMID = _unit_planes([[2, 0, 1, 1], [-2, 0, 1, 1], [0, 2, 1, 1], [0, -2, 1, 1], [0, 0, -1, 0]])

SHAPES: dict[str, tuple[np.ndarray, tuple[float, float] | None]] = {
    "box": (CUBE, None),
    "cylinder": (CAPS, (0.0, 1.0)),
    "ellipsoid": (NO_PLANES, (1.0, 1.0)),
    "gable": (GABLE, None),
    "pyramid": (PYRAMID, None),
}


def rock_planes(rng: np.random.Generator, facets: int = 18) -> np.ndarray:
    """(facets + 6, 4) random half-spaces around the origin, inside the cube -1..1."""
    normals = rng.standard_normal((facets, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    heights = rng.uniform(0.72, 1.0, (facets, 1))
    return np.concatenate([np.concatenate([normals, heights], 1), CUBE])


def make_primitive(
    planes: np.ndarray,
    quadric: tuple[float, float] | None,
    scale: ArrayLike,
    centre: ArrayLike,
    rotation: np.ndarray | None = None,
    material: int = 0,
    seed: int = 0,
) -> Primitive:
    """Place a local shape in the world: first scaled, then rotated, then moved to `centre` (metres).

    A shape with planes must lie inside the cube -1..1, one without inside the unit sphere: the bounding
    sphere relies on it.
    """
    rotation = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
    half = np.asarray(scale, np.float64)
    return Primitive(
        planes=np.asarray(planes, np.float32),
        quadric=quadric,
        rotation=rotation.astype(np.float32),
        to_local=np.linalg.inv(rotation * half).astype(np.float32),
        centre=np.asarray(centre, np.float32),
        radius=float(np.linalg.norm(half) if len(planes) else half.max()),
        material=material,
        seed=seed,
    )
