"""Finding faces in photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tf_relight.photo.blazeface import Find, each_once, look, tiles, whole
from tf_relight.photo.face_mesh import OVAL, mesh_of, outline, tilt
from tf_relight.photo.picture import shrunk, to_u8

LOOKED_AT = 1280
"""Long side of the copy that is looked at."""
WINDOWS = ((0.55, 0.82), (0.25, 0.65), (0.125, 0.65))
"""For small faces: side of the windows, of the long side, and the largest step between them, of that side."""
IN_A_CROWD = 0.13
"""Height of a face, of a window's side, from which down smaller windows are looked through, too."""
_FOREHEAD = 0.1
"""What lies between the mesh, which ends on the forehead, and the hairline, of the mesh's height."""
LEAST_SURE, IF_FAINT = 0.5, 0.998
"""Of the mesh, which tells faces from what only looks like one; where the detector is below `FAINT`, more."""
FAINT = 0.5
SURE_ENOUGH = 0.8
"""Of the detector, where the mesh sees no face: in profile, or half covered."""


@dataclass(frozen=True)
class Face:
    """A face in a picture, in pixels of that picture.

    Attributes:
        left, top, width, height: box from the hairline to the chin; it may touch the border.
        confidence: 0..1, how sure the detector is.
        mesh: (468, 3) column, row and depth of points on it, see `face_mesh`; None where there is none.
        tilt: by how many degrees the head is tilted, clockwise as the picture shows it.
    """

    left: float
    top: float
    width: float
    height: float
    confidence: float
    mesh: np.ndarray | None = field(default=None, compare=False, repr=False)
    tilt: float = 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the middle of the box."""
        return self.top + self.height / 2, self.left + self.width / 2

    def moved(self, down: float, right: float) -> Face:
        """Return the face in a picture whose corner lies elsewhere."""
        mesh = None if self.mesh is None else self.mesh + np.array([right, down, 0], np.float32)
        return replace(self, top=self.top + down, left=self.left + right, mesh=mesh)

    def scaled(self, scale: float) -> Face:
        """Return the face in a picture of another size."""
        box = (self.left * scale, self.top * scale, self.width * scale, self.height * scale)
        mesh = None if self.mesh is None else self.mesh * np.float32(scale)
        return Face(*box, confidence=self.confidence, mesh=mesh, tilt=self.tilt)


def find_faces(pixels: np.ndarray) -> list[Face]:
    """Return the faces in a picture, the largest first; those turned far away or covered may be missed.

    The whole picture is looked at, and through windows what is small in it. A photo with small faces, or in
    which nobody is seen, is looked at more closely; one with nobody still, turned by a quarter each way and
    upside down.

    Args:
        pixels: (H, W, 3) sRGB, any size; float 0..1, uint8 or uint16.

    Raises:
        RelightError: LiteRT is not installed.

    Source: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019.
    """
    scale = min(1.0, LOOKED_AT / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    small = to_u8(shrunk(pixels, size))
    finds: list[Find] = []
    windows = whole(*size)
    for number, (share, step) in enumerate(WINDOWS):
        finds = each_once([*finds, *look(small, [*windows, *tiles(*size, share, step)])])
        faces, windows = _faces(small, finds), []
        # Where nobody is seen, the smallest windows would find little but mistakes.
        smallest = min((face.height for face in faces), default=np.inf if number else 0.0)
        if smallest >= IN_A_CROWD * share * max(size):
            break
    if not faces:
        faces = _in_turned(small)
    return sorted((face.scaled(1 / scale) for face in faces), key=lambda face: -face.height)


def _faces(small: np.ndarray, finds: Sequence[Find]) -> list[Face]:
    """Return what are faces indeed, with their meshes."""
    found: list[tuple[Find, Face]] = []
    for find in finds:
        mesh, sure = mesh_of(small, find.box, find.points[:2])
        if sure >= (LEAST_SURE if find.score >= FAINT else IF_FAINT):
            face = _face(_around(mesh), max(sure, find.score), mesh, tilt(mesh))
        elif find.score >= SURE_ENOUGH:
            face = _face(_from_hairline(find.box), find.score, None, _tilt_of_eyes(find.points))
        else:
            continue
        found.append((replace(find, box=_corners(face)), face))
    kept = {id(find) for find in each_once([find for find, _ in found])}
    return [face for find, face in found if id(find) in kept]


def _in_turned(small: np.ndarray) -> list[Face]:
    """Return the faces that are seen in the picture turned by quarters, in its own pixels."""
    height, width = small.shape[:2]
    for quarters in (1, 3, 2):
        turned = np.ascontiguousarray(np.rot90(small, quarters))
        finds = look(turned, whole(*turned.shape[:2]))
        faces = [_turned_back(face, quarters, height, width) for face in _faces(turned, finds)]
        if faces:
            return faces
    return []


def _turned_back(face: Face, quarters: int, height: int, width: int) -> Face:
    """Return a face found in `np.rot90(picture, quarters)` in the picture, (height, width) of pixels."""

    def back(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0], points[:, 1]
        places = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]
        return np.stack(places, axis=1)

    corners = back(_corners(face).reshape(2, 2))
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    mesh = None
    if face.mesh is not None:
        mesh = np.concatenate([back(face.mesh[:, :2]), face.mesh[:, 2:]], axis=1).astype(np.float32)
    return _face(box, face.confidence, mesh, face.tilt + 90 * quarters)


def _around(mesh: np.ndarray) -> np.ndarray:
    """Return the box of a mesh and the forehead above it."""
    oval, up = outline(mesh), mesh[OVAL[0], :2] - mesh[OVAL[len(OVAL) // 2], :2]
    facing_up = (oval - oval.mean(axis=0)) @ up > 0
    points = np.concatenate([oval, oval[facing_up] + np.float32(_FOREHEAD) * up])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _face(box: np.ndarray, confidence: float, mesh: np.ndarray | None, tilted: float) -> Face:
    left, top, right, bottom = (float(value) for value in box)
    tilted = (tilted + 180) % 360 - 180
    return Face(left, top, max(1.0, right - left), max(1.0, bottom - top), confidence, mesh, tilted)


def _tilt_of_eyes(points: np.ndarray) -> float:
    across, down = points[1] - points[0]
    return float(np.degrees(np.arctan2(down, across)))


def _corners(face: Face) -> np.ndarray:
    return np.array([face.left, face.top, face.left + face.width, face.top + face.height])


def _from_hairline(box: np.ndarray) -> np.ndarray:
    """Return the detector's box, which begins at the brows, with the forehead."""
    left, top, right, bottom = box
    return np.array([left, top - 0.3 * (bottom - top), right, bottom])
