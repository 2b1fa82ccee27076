"""Layouts of environment maps, told by their shape: panorama, angular map, cross and strip of a cube.

Directions are in frame "dpr": x right, y into the picture, z up. What a panorama shows in its middle, an
angular map in its centre and a cube on its front face lies behind the subject, as the camera sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tf_relight.light.spherical_harmonics import basis, project_environment

_TOLERANCE = 0.02  # of a side ratio
_EMPTY = 0.02  # of the mean light: what may stand in the corners that a layout leaves empty

# Centre, right and down of each face of a cube as seen from inside, in right, up, forward.
_FACES: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "right": ((1, 0, 0), (0, 0, -1), (0, -1, 0)),
    "left": ((-1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "top": ((0, 1, 0), (1, 0, 0), (0, 0, 1)),
    "bottom": ((0, -1, 0), (1, 0, 0), (0, 0, -1)),
    "front": ((0, 0, 1), (1, 0, 0), (0, -1, 0)),
    "back": ((0, 0, -1), (-1, 0, 0), (0, -1, 0)),
}
_STRIP = ("right", "left", "top", "bottom", "front", "back")  # the order of graphics libraries: +X -X +Y ...
_MIDDLE = {"top": (0, 1), "left": (1, 0), "front": (1, 1), "right": (1, 2), "bottom": (2, 1)}
_LAYOUTS: dict[str, tuple[tuple[int, int], dict[str, tuple[int, int]]]] = {
    "vertical cross": ((4, 3), {**_MIDDLE, "back": (3, 1)}),
    "horizontal cross": ((3, 4), {**_MIDDLE, "back": (1, 3)}),
    "vertical strip": ((6, 1), {face: (index, 0) for index, face in enumerate(_STRIP)}),
    "horizontal strip": ((1, 6), {face: (0, index) for index, face in enumerate(_STRIP)}),
}
"""Rows and columns of square cells, and where each face lies."""


def project(radiance: np.ndarray) -> np.ndarray:
    """Return the light of an environment map in any known layout.

    Args:
        radiance: (H, W, C) linear; 2:1 panorama, 1:1 angular map, 3:4 or 4:3 cross, 6:1 or 1:6 strip.

    Returns:
        (9, C) float64, frame "dpr".

    Raises:
        ValueError: another shape, or content that does not fit the layout; the message, without a subject,
            says what it looks like.
    """
    name = layout(radiance)
    if name == "panorama":
        return project_environment(radiance)
    total = np.zeros((9, radiance.shape[2]))
    for directions, solid_angles, pixels in _patches(radiance, name):
        values = basis(directions, attenuated=False) * solid_angles[:, None]
        total += values.T @ pixels.astype(np.float64)
    return total


def layout(radiance: np.ndarray) -> str:
    """Return the name of a map's layout; raises ValueError as `project`."""
    height, width = radiance.shape[:2]
    ratio = width / height
    if abs(ratio / 2 - 1) <= _TOLERANCE:
        return "panorama"
    shape = f"is {width} x {height}"
    wanted = "Give a panorama of 2:1, an angular map of 1:1, a cross of 3:4 or 4:3, or six squares in a row"
    if abs(ratio - 1) <= _TOLERANCE:
        if _share(radiance, ~_inside(height, width)) > _EMPTY:
            raise ValueError(
                f"{shape} and bright outside its circle: it looks like two panoramas or an ordinary picture, "
                f"not an angular map. {wanted}"
            )
        return "angular map"
    for name, ((rows, columns), faces) in _LAYOUTS.items():
        if abs(ratio * rows / columns - 1) > _TOLERANCE:
            continue
        empty = np.ones((height, width), bool)
        for place in faces.values():
            empty[_cell(height, width, (rows, columns), place)] = False
        if _share(radiance, empty) > _EMPTY:
            raise ValueError(
                f"{shape} and has no empty corners: it looks like an ordinary picture, not a cube cross. "
                f"{wanted}"
            )
        return name
    looks = "a turned panorama" if abs(ratio * 2 - 1) <= _TOLERANCE else "an ordinary picture or a crop"
    raise ValueError(f"{shape}: it looks like {looks}. {wanted}")


def _share(radiance: np.ndarray, where: np.ndarray) -> float:
    """Return the mean light in one part over the mean light of the rest."""
    if not where.any():
        return 0.0
    rest = float(radiance[~where].mean(dtype=np.float64))
    return float(radiance[where].mean(dtype=np.float64)) / rest if rest > 0 else 0.0


def _inside(height: int, width: int) -> np.ndarray:
    across, down = (_places(length) for length in (width, height))
    # A pixel that the circle's edge runs through may hold some light.
    return np.hypot(across[None], down[:, None]) <= 1 + 3 / min(height, width)


def _places(length: int) -> np.ndarray:
    """Return the centres of pixels along a side that goes from -1 to 1."""
    return (np.arange(length) + 0.5) * (2 / length) - 1


def _cell(height: int, width: int, cells: tuple[int, int], place: tuple[int, int]) -> tuple[slice, slice]:
    rows, columns = (
        slice(round(length * index / count), round(length * (index + 1) / count))
        for length, count, index in zip((height, width), cells, place, strict=True)
    )
    return rows, columns


def _patches(radiance: np.ndarray, name: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield directions (N, 3), solid angles (N,) and pixels (N, C), row by row."""
    if name == "angular map":
        yield from _angular(radiance)
        return
    cells, faces = _LAYOUTS[name]
    for face, place in faces.items():
        part = radiance[_cell(radiance.shape[0], radiance.shape[1], cells, place)]
        # A vertical cross folds on from the bottom, so its back stands on its head.
        yield from _face(part[::-1, ::-1] if (name, face) == ("vertical cross", "back") else part, face)


def _angular(radiance: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Source: Debevec, "Light Probe Image Gallery": the angle from the view is pi times the radius."""
    height, width = radiance.shape[:2]
    across = _places(width)
    for row, down in enumerate(_places(height)):
        radius = np.hypot(across, down)
        kept = radius <= 1
        angle, radius = np.pi * radius[kept], np.maximum(radius[kept], 1e-12)
        sine = np.sin(angle)
        directions = np.stack([sine * across[kept] / radius, np.cos(angle), -sine * down / radius], axis=-1)
        yield directions, sine * np.pi / radius * (4 / (height * width)), radiance[row, kept]


def _face(pixels: np.ndarray, face: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    height, width = pixels.shape[:2]
    # Right, up, forward become x, z, y.
    centre, right, down = (np.array(axis, float)[[0, 2, 1]] for axis in _FACES[face])
    across = _places(width)
    for row, place in enumerate(_places(height)):
        directions = centre + across[:, None] * right + place * down
        length = np.linalg.norm(directions, axis=1)
        yield directions / length[:, None], 4 / (height * width) / length**3, pixels[row]
