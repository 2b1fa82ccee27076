"""Curved surfaces as grids of points, and their rendering with a depth buffer.

Unlike the convex solids of `primitives.py`, a grid can take any shape, such as a face. Axes are those of a
picture: x right, y up, z toward the camera. One ray per pixel centre: every map is a point sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TINY = 1e-12
EDGE_TOLERANCE = 1e-9  # of a triangle; without it, rounding would leave pinholes between neighbours


@dataclass(frozen=True, eq=False)
class Surface:
    """A grid of points with colours.

    Rows run downward and columns to the right as seen from outside, which tells the outside from the inside.

    Attributes:
        points: (R, C, 3) positions.
        albedo: (R, C, 3) colours.
        grain: (R, C) how strongly fine noise bends the normals, 0 for smooth.
        part: a number that `Fragments.part` gives back.
        closed: the first column follows the last.
        two_sided: the inside can be seen; it is drawn with `inside_albedo` times its colour.
        inside_albedo: how dark the inside is.
    """

    points: np.ndarray
    albedo: np.ndarray
    grain: np.ndarray
    part: int
    closed: bool = True
    two_sided: bool = False
    inside_albedo: float = 0.5

    def normals(self) -> np.ndarray:
        """(R, C, 3) outward unit normals: the mean of those of the quads around a point."""
        points = self.points
        if self.closed:
            points = np.concatenate([points, points[:, :1]], axis=1)
        # The cross product of the diagonals is twice the area times the normal; it survives at poles, where
        # one side of the quad vanishes.
        falling = points[1:, 1:] - points[:-1, :-1]
        rising = points[:-1, 1:] - points[1:, :-1]
        quads = np.cross(falling, rising)
        if self.closed:
            around = quads + np.roll(quads, 1, axis=1)
        else:
            around = np.pad(quads, ((0, 0), (0, 1), (0, 0))) + np.pad(quads, ((0, 0), (1, 0), (0, 0)))
        around = np.pad(around, ((0, 1), (0, 0), (0, 0))) + np.pad(around, ((1, 0), (0, 0), (0, 0)))
        return around / np.maximum(np.linalg.norm(around, axis=2, keepdims=True), TINY)

    def triangles(self) -> np.ndarray:
        """(T, 3) numbers of points, counter-clockwise as seen from outside."""
        rows, columns = self.points.shape[:2]
        number = np.arange(rows * columns).reshape(rows, columns)
        if self.closed:
            number = np.concatenate([number, number[:, :1]], axis=1)
        corners = [number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]]
        above, right, below, far = (corner.ravel() for corner in corners)
        return np.concatenate([np.stack([above, below, right], 1), np.stack([right, below, far], 1)])


@dataclass(frozen=True)
class PortraitCamera:
    """A camera on the z axis that looks along -z.

    Attributes:
        distance: from the origin, in the units of the surfaces.
        centre: (x, y) at depth 0 that is in the middle of the picture.
        half_width: of the picture at depth 0.
    """

    distance: float
    centre: tuple[float, float]
    half_width: float

    def project(self, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) points -> (N, 2) column and row of a picture, whole numbers at pixel centres, and depth."""
        depth = self.distance - points[:, 2]
        scale = self.distance / depth
        across = (points[:, 0] * scale - self.centre[0]) / self.half_width
        down = (self.centre[1] - points[:, 1] * scale) / self.half_width
        return (np.stack([across, down], 1) + 1) * (size / 2) - 0.5, depth


@dataclass(frozen=True, eq=False)
class Fragments:
    """What is seen at the M pixels that show a surface.

    Attributes:
        pixel: (M,) number of the pixel, row by row.
        points, normals, albedo: (M, 3).
        grain: (M,).
        depth: (M,) distance from the camera along z.
        part: (M,) int.
    """

    pixel: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    grain: np.ndarray
    depth: np.ndarray
    part: np.ndarray


def render_surfaces(surfaces: list[Surface], camera: PortraitCamera, size: int) -> Fragments:
    """The nearest surface at every pixel centre of a size * size picture."""
    vertices, triangles, owners = [], [], []
    first = 0
    for number, surface in enumerate(surfaces):
        columns = [surface.points, surface.normals(), surface.albedo, surface.grain[..., None]]
        vertices.append(np.concatenate(columns, axis=2).reshape(-1, 10).astype(np.float32))
        triangles.append(surface.triangles() + first)
        owners.append(np.full(len(triangles[-1]), number))
        first += len(vertices[-1])
    vertex, triangle, owner = np.concatenate(vertices), np.concatenate(triangles), np.concatenate(owners)
    place, depth = camera.project(vertex[:, :3].astype(np.float64), size)
    corners = place.T[:, triangle.T]  # (2, 3, T) columns and rows
    area = _doubled_area(corners)
    two_sided = np.array([surface.two_sided for surface in surfaces])
    # Rows of a picture count downward, so that a triangle seen from outside has a negative area.
    kept = np.flatnonzero((area < 0) | (two_sided[owner] & (area > 0)))
    low, high = _boxes(corners[:, :, kept], size)
    some = np.flatnonzero((high >= low).all(0))
    kept, low, high = kept[some], low[:, some], high[:, some]
    pixel, winner, weights = _nearest(
        corners[:, :, kept], depth[triangle[kept].T], area[kept], (low, high), size
    )
    chosen = kept[winner]
    corner = triangle[chosen]
    mixed = sum(weights[:, i, None] * vertex.take(corner[:, i], axis=0) for i in range(3))
    normals = mixed[:, 3:6] / np.maximum(np.linalg.norm(mixed[:, 3:6], axis=1, keepdims=True), TINY)
    albedo = mixed[:, 6:9]
    inside = area[chosen] > 0
    shade = np.array([surface.inside_albedo for surface in surfaces], np.float32)
    albedo[inside] *= shade[owner[chosen[inside]], None]
    normals[inside] *= -1
    parts = np.array([surface.part for surface in surfaces])
    return Fragments(
        pixel=pixel,
        points=mixed[:, :3],
        normals=normals,
        albedo=albedo,
        grain=mixed[:, 9],
        depth=camera.distance - mixed[:, 2],
        part=parts[owner[chosen]],
    )


def _doubled_area(corners: np.ndarray) -> np.ndarray:
    (ax, bx, cx), (ay, by, cy) = corners
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def _boxes(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last (2, T) column and row of the pixel centres within the box around each triangle."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    low = np.ceil(np.minimum(np.minimum(a, b), c))
    high = np.floor(np.maximum(np.maximum(a, b), c))
    return np.clip(low, 0, size).astype(np.int64), np.clip(high, -1, size - 1).astype(np.int64)


def _nearest(
    corners: np.ndarray,
    depth: np.ndarray,
    area: np.ndarray,
    boxes: tuple[np.ndarray, np.ndarray],
    size: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels that are covered (M,), the triangle nearest at each (M,), and its weights there (M, 3)."""
    low, high = boxes
    width, height = high - low + 1
    # All pixels of the boxes around all triangles, in one list.
    count = width * height
    source = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count)
    down, across = np.divmod(within, width[source])
    across += low[0, source]
    down += low[1, source]
    weights = np.empty((3, len(source)))
    for i in range(3):
        start, end = corners[:, (i + 1) % 3], corners[:, (i + 2) % 3]
        edge = (end - start) / area
        offset = start[1] * edge[0] - start[0] * edge[1]
        weights[i] = edge[0, source] * down - edge[1, source] * across - offset[source]
    inside = np.minimum(np.minimum(weights[0], weights[1]), weights[2]) >= -EDGE_TOLERANCE
    covered = np.flatnonzero(inside)
    source, weights = source[covered], weights[:, covered]
    pixel = down[covered] * size + across[covered]
    distance = sum(depth[i, source] * weights[i] for i in range(3))
    nearest = np.full(size * size, np.inf)
    np.minimum.at(nearest, pixel, distance)
    winners = np.flatnonzero(distance == nearest[pixel])
    seen, first = np.unique(pixel[winners], return_index=True)  # one where two triangles share an edge
    chosen = winners[first]
    return seen, source[chosen], weights[:, chosen].T.astype(np.float32)
