"""Which parts of a photo are relit: the whole of a close portrait, else a crop around each face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tf_relight.photo.faces import Face

CROP_SIDE = 2.0  # of the face's height; in the network's training pictures it is 1.3
WHOLE_SIDE = 2.6  # a picture with one face that is no longer than so many of its heights is not cropped
STRETCH = 1.25  # by which the short side of a part may grow on its way into a network
_FADE = 0.3  # of the crop's side, over which the change dies out

Place = tuple[slice, slice, np.ndarray | None]
"""Rows, columns and weight (H, W) 0..1 of a part of the picture; None stands for 1 everywhere."""


def regions(size: tuple[int, int], faces: Sequence[Face]) -> list[Place]:
    """Return (rows, columns, weight) of the parts of a picture that are relit one by one.

    The whole picture when it is little more than one face, or has none; else a square around each face. The
    weight, (H, W) of the part, falls to 0 at its borders inside the picture; None stands for 1 everywhere.
    """
    height, width = size
    whole = slice(0, height), slice(0, width)
    if not faces or (len(faces) == 1 and max(size) <= WHOLE_SIDE * faces[0].height):
        return [(*whole, None)]
    found: list[Place] = []
    for face in faces:
        side = CROP_SIDE * face.height
        row, column = face.centre
        rows, down = _span(row, side, height)
        columns, across = _span(column, side, width)
        found.append((rows, columns, down[:, None] * across))
    return found


def _span(centre: float, side: float, end: int) -> tuple[slice, np.ndarray]:
    """Return where a crop lies along one axis, and its weight there."""
    first, last = max(0, round(centre - side / 2)), min(end, round(centre + side / 2))
    last = max(last, first + 1)
    places = np.arange(first, last, dtype=np.float32) + 0.5
    fade = max(1.0, _FADE * side)
    from_start = (places - first) / fade if first > 0 else np.ones_like(places)
    from_end = (last - places) / fade if last < end else np.ones_like(places)
    ramp = np.clip(np.minimum(from_start, from_end), 0, 1)
    return slice(first, last), ramp * ramp * (3 - 2 * ramp)


def size_for_network(size: tuple[int, ...], long_side: int) -> tuple[int, int]:
    """Return (height, width) at which a part reaches a portrait network; small faces grow, too.

    The short side is stretched by up to `STRETCH`, at most to a square; what is then left to one is filled by
    reflection (`squares.as_square`). Real faces under known lamps are met better so than by reflection alone.
    """
    full = max(size[:2])
    return _rounded(min(1.0, STRETCH * size[0] / full), min(1.0, STRETCH * size[1] / full), long_side)


def same_shape(size: tuple[int, ...], long_side: int) -> tuple[int, int]:
    """Return (height, width) of the same shape with the given long side."""
    full = max(size[:2])
    return _rounded(size[0] / full, size[1] / full, long_side)


def _rounded(height: float, width: float, long_side: int) -> tuple[int, int]:
    return max(1, round(height * long_side)), max(1, round(width * long_side))
