"""BlazeFace: the windows it looks through, and what its numbers mean."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from tf_relight.litert import cores
from tf_relight.photo.small_networks import NETWORKS, session

LEAST_SCORE = 0.4
SAME_FACE = 0.3
"""Overlap of two finds, as intersection over union, from which on they are one face."""
_INSIDE = 0.7
"""Share of the smaller find that lies in a larger one, from which on they are one face."""
_ANCHORS = {"faces_near": ((8, 2), (16, 6)), "faces_far": ((4, 1),)}
"""(stride in pixels, places each) of the grids over which the networks answer."""


@dataclass(frozen=True, eq=False)
class Find:
    """One face as the detector tells it, in pixels of the picture.

    Attributes:
        box: left, top, right, bottom; from the brows to the chin.
        points: (6, 2) column and row of the left and right eye of the picture, nose tip, mouth, left and
            right ear.
        score: 0..1.
    """

    box: np.ndarray
    points: np.ndarray
    score: float

    def in_whole(self, scale: float, left: float, top: float) -> Find:
        """Return the find in a picture of which its own is a part, (left, top) its corner, scaled before."""
        shift = np.array([left, top])
        return Find(self.box * scale + np.tile(shift, 2), self.points * scale + shift, self.score)


def look(picture: np.ndarray, windows: Sequence[tuple[str, int, int, int]]) -> list[Find]:
    """Return what the networks find through windows on a picture, each face once, the surest first.

    Args:
        picture: (H, W, 3) uint8 RGB.
        windows: (name of the network, left, top, side) of squares, which may reach over the border.
    """
    with ThreadPoolExecutor(cores()) as pool:
        found = pool.map(lambda window: _look_through(picture, *window), windows)
    return each_once([find for finds in found for find in finds])


def whole(height: int, width: int) -> list[tuple[str, int, int, int]]:
    """Return the windows that show all of a picture, and one that shows it from farther away."""
    side = max(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    rim = side // 4
    far = ("faces_near", left - rim, top - rim, side + 2 * rim)
    return [("faces_near", left, top, side), ("faces_far", left, top, side), far]


def tiles(height: int, width: int, share: float, step: float) -> Iterator[tuple[str, int, int, int]]:
    """Yield windows whose side is a share of the long side, for faces that are small in it.

    Args:
        step: at most from one window to the next, of its side; a face no larger than the rest of it is whole
            in one of them.
    """
    side = max(1, round(share * max(height, width)))
    for top in _starts(height, side, step):
        for left in _starts(width, side, step):
            yield "faces_far", left, top, side


def each_once(finds: Sequence[Find]) -> list[Find]:
    """Return the finds without those that overlap a surer one, the surest first."""
    kept: list[Find] = []
    for find in sorted(finds, key=lambda each: -each.score):
        if not any(_is_same(find.box, other.box) for other in kept):
            kept.append(find)
    return kept


def _starts(length: int, side: int, step: float) -> list[int]:
    if length <= side:
        return [(length - side) // 2]
    count = 1 + int(np.ceil((length - side) / (step * side)))
    return [round(each) for each in np.linspace(0, length - side, count)]


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    across, down = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if across <= 0 or down <= 0:
        return False
    areas = [float(np.prod(each[2:] - each[:2])) for each in (a, b)]
    common = float(across * down)
    return common > SAME_FACE * (sum(areas) - common) or common > _INSIDE * min(areas)


def _look_through(picture: np.ndarray, name: str, left: int, top: int, side: int) -> list[Find]:
    wanted = NETWORKS[name].side
    seen = picture[max(0, top) : top + side, max(0, left) : left + side]
    if seen.size == 0:
        return []
    scale = wanted / side
    width, height = (max(1, round(each * scale)) for each in seen.shape[1::-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(np.ascontiguousarray(seen), (width, height), interpolation=way)
    square = np.zeros((1, wanted, wanted, 3), np.float32)
    row, column = round(max(0, -top) * scale), round(max(0, -left) * scale)
    height, width = min(height, wanted - row), min(width, wanted - column)
    square[0, row : row + height, column : column + width] = small[:height, :width]
    numbers, logits = session(name).run(square / np.float32(127.5) - 1)
    return [find.in_whole(side / wanted, left, top) for find in _finds(name, numbers[0], logits[0, :, 0])]


def _finds(name: str, numbers: np.ndarray, logits: np.ndarray) -> list[Find]:
    """Return what a network's numbers mean, in pixels of its own picture.

    Each place of the grid tells centre, size and six points, (x, y) in pixels from that place.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    found = []
    for index in np.flatnonzero(scores >= LEAST_SCORE):
        pairs = numbers[index].reshape(8, 2)
        anchor = _anchors(name)[index]
        centre, half = pairs[0] + anchor, pairs[1] / 2
        if half.min() > 0:
            box = np.concatenate([centre - half, centre + half])
            found.append(Find(box, pairs[2:] + anchor, float(scores[index])))
    return each_once(found)


@functools.cache
def _anchors(name: str) -> np.ndarray:
    """Return (n, 2) the places (x, y) in pixels of a network's answers, in their order."""
    places = []
    for stride, times in _ANCHORS[name]:
        line = (np.arange(NETWORKS[name].side // stride) + 0.5) * stride
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        places.append(np.repeat(grid, times, axis=0))
    return np.concatenate(places).astype(np.float32)
