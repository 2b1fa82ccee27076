"""Telling the person from the background, softly, without a network.

GrabCut separates the colours around the faces from those of the rest; a guided filter turns its hard border
into one that follows hair.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tf_relight.photo.faces import Face
from tf_relight.photo.picture import as_float, shrunk, to_u8

LOOKED_AT = 384  # long side of the copy that is separated
_ROUNDS = 5
_COLOUR_BINS = 16
_REACH = 6  # pixels of that copy over which the border may follow the photo
_EVENNESS = 1e-4  # variance of colour below which the border stays as it is
_STRIP_ROWS = 256


def person_mask(pixels: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Return how far each pixel belongs to the people with these faces.

    Args:
        pixels: (H, W, 3) sRGB; float 0..1, uint8 or uint16.
        faces: at least one.

    Returns:
        (H, W) float32, 0 = background, 1 = person, in between along hair and soft edges.

    Source: Rother et al., "GrabCut", SIGGRAPH 2004; He and Sun, "Fast Guided Filter", 2015.
    """
    scale = min(1.0, LOOKED_AT / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    small = shrunk(pixels, size)
    scaled = [face.scaled(scale) for face in faces]
    guess = _first_guess(small, scaled)
    if (guess == cv2.GC_PR_BGD).any() or (guess == cv2.GC_BGD).any():
        colours = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)  # the first clusters of colour are drawn at random
        cv2.grabCut(to_u8(small), guess, (0, 0, 1, 1), *colours, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    person = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD))
    person = _parts_with(person, _core(size, scaled))
    return _follow(pixels, small, person.astype(np.float32))


def _first_guess(small: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Return GrabCut's labels (h, w): around the head and over the body the colours decide, elsewhere not.

    Without the colours, a plain background beside the cheeks would be learned as part of the person.
    """
    size = small.shape[:2]
    near, likely, hair, sure = (np.zeros(size, np.uint8) for _ in range(4))
    for face in faces:
        row, column = face.centre
        cv2.ellipse(near, _ellipse(row, column, 2.8 * face.width, 1.5 * face.height), 1, -1)
        near[max(0, int(face.top + face.height)) :] = 1
        cv2.fillPoly(likely, [_body(face)], 1)
        above = row - 0.1 * face.height
        cv2.ellipse(likely, _ellipse(above, column, 0.85 * face.width, 0.73 * face.height), 1, -1)
        cv2.ellipse(hair, _ellipse(above, column, 0.6 * face.width, 0.6 * face.height), 1, -1)
        cv2.ellipse(sure, _ellipse(row, column, *_sure(face)), 1, -1)
    colours = to_u8(small) // (256 // _COLOUR_BINS)
    person = _how_common(colours, (hair == 1) | _core(size, faces))
    other = _how_common(colours, likely == 0)
    is_person = (likely == 1) & (person > other)
    guess = np.where(is_person, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    guess[(near == 0) & (likely == 0)] = cv2.GC_BGD
    guess[sure == 1] = cv2.GC_FGD
    return guess


def _body(face: Face) -> np.ndarray:
    """Return the outline of hair and shoulders, for OpenCV."""
    right_side = [(0.6, 0.3), (1.0, 0.75), (1.2, 1.05), (1.9, 1.5), (2.1, 9.0)]
    outline = right_side + [(-across, down) for across, down in reversed(right_side)]
    column = face.centre[1]
    points = [(column + across * face.width, face.top + down * face.height) for across, down in outline]
    return np.array(points).astype(np.int32)


def _how_common(colours: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return (h, w) how large a share of the pixels `where` have about the colour of each pixel."""
    table = np.zeros((_COLOUR_BINS,) * 3, np.float32)
    np.add.at(table, tuple(colours[where].T), 1)
    for axis in (0, 1, 2) * 3:  # neighbouring colours count, too
        padded = np.pad(table, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
        before, after = (np.take(padded, range(i, i + _COLOUR_BINS), axis) for i in (0, 2))
        table = 0.25 * before + 0.5 * table + 0.25 * after
    table /= max(1.0, float(table.sum()))
    return table[tuple(np.moveaxis(colours, -1, 0))] + np.float32(1e-7)


def _ellipse(
    row: float, column: float, half_width: float, half_height: float
) -> tuple[tuple[float, float], tuple[float, float], float]:
    return (column, row), (2 * half_width, 2 * half_height), 0.0


def _core(size: tuple[int, int], faces: Sequence[Face]) -> np.ndarray:
    """Return where the middle of the face and of the chest lie, (h, w) bool."""
    core = np.zeros(size, np.uint8)
    for face in faces:
        row, column = face.centre
        cv2.ellipse(core, _ellipse(row, column, *_sure(face)), 1, -1)
        left, right = round(column - 0.6 * face.width), round(column + 0.6 * face.width)
        chest = round(face.top + 1.5 * face.height), round(face.top + 3 * face.height)
        core[chest[0] : chest[1], max(0, left) : max(0, right)] = 1
    return core.astype(bool)


def _sure(face: Face) -> tuple[float, float]:
    return 0.36 * face.width, 0.42 * face.height


def _parts_with(person: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Keep the parts that hang together with a face or a chest, and fill holes that are small."""
    _, labels = cv2.connectedComponents(person.astype(np.uint8))
    kept = np.isin(labels, np.unique(labels[core & person])) & person
    count, labels, statistics, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8))
    for index in range(1, count):
        if statistics[index, cv2.CC_STAT_AREA] < 0.002 * person.size:
            kept |= labels == index
    return kept


def _follow(pixels: np.ndarray, small: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mask at the size of `pixels`, as a local linear function of the colours there."""
    slope, offset = _linear_models(small, mask)
    height, width = pixels.shape[:2]
    result = np.empty((height, width), np.float32)
    low_height = small.shape[0]
    columns = (np.arange(width, dtype=np.float32) + 0.5) * (small.shape[1] / width) - 0.5
    models = np.dstack([slope, offset])
    for top in range(0, height, _STRIP_ROWS):
        rows = slice(top, min(top + _STRIP_ROWS, height))
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * (low_height / height) - 0.5
        across, down = np.meshgrid(columns, y)
        local = cv2.remap(models, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result[rows] = np.einsum("hwc,hwc->hw", local[..., :3], as_float(pixels[rows])) + local[..., 3]
    # Steeper than the filter left it, so that the inside is 1 and the background 0.
    return np.clip((result - 0.5) * 1.25 + 0.5, 0, 1, out=result)


def _linear_models(guide: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slope (h, w, 3) and offset (h, w) of `values` against the colours around each pixel."""
    mean, mean_values = _mean(guide), _mean(values)
    covariance = _mean(guide * values[..., None]) - mean * mean_values[..., None]
    spread = np.empty((*values.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(3):
            spread[..., i, j] = _mean(guide[..., i] * guide[..., j]) - mean[..., i] * mean[..., j]
    spread += _EVENNESS * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0]
    offset = mean_values - (slope * mean).sum(axis=2)
    return _mean(slope), _mean(offset)


def _mean(values: np.ndarray) -> np.ndarray:
    side = 2 * _REACH + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT_101)
