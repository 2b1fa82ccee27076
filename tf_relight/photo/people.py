"""Telling people from the background, softly.

A small network sees the whole picture and a crop around each face; a guided filter lets its border, a few
pixels wide, follow the photo's own edges and hair.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from tf_relight.litert import cores
from tf_relight.photo.face_mesh import outline
from tf_relight.photo.faces import Face
from tf_relight.photo.picture import as_float, resize, shrunk
from tf_relight.photo.small_networks import NETWORKS, session
from tf_relight.photo.strips import by_strips

_ENOUGH = 3  # times as large as what is looked at, a picture shows all that counts
LOOKED_AT = 512  # long side of the copy on which the border is found
BUST = (1.9, 1.3, 2.9)
"""Of a crop around a face, in heights of the face from its middle: to each side, up and down."""
_FADE = 0.15  # of a crop's side, over which what it says dies out towards its border
_REACH = 6  # pixels of that copy over which the border may follow the photo
_EVENNESS = 1e-4  # variance of colour below which the border stays as it is
_STEEPER = 1.25  # than the filter leaves the border, so that the inside is 1 and the background 0

_Box = tuple[int, int, int, int]
"""Top, bottom, left, right in pixels."""


def person_mask(
    pixels: np.ndarray,
    faces: Sequence[Face],
    size: tuple[int, int] | None = None,
    *,
    looked_at: int = LOOKED_AT,
) -> np.ndarray:
    """Return how far each pixel belongs to people.

    Args:
        pixels: (H, W, 3) sRGB; float 0..1, uint8 or uint16.
        faces: those around which it is looked closely.
        size: height and width of the result, no larger than the picture; None takes the picture's.
        looked_at: long side of the copy on which the border is found; smaller is quicker.

    Returns:
        (H, W) float32, 0 = background, 1 = person, in between along hair and soft edges.

    Raises:
        RelightError: LiteRT is not installed.

    Source: He and Sun, "Fast Guided Filter", 2015.
    """
    looked_at = looked_at if size is None else min(looked_at, 2 * max(size))
    nearer = _ENOUGH * looked_at / max(pixels.shape[:2])
    if size is not None and nearer < 1:
        # Several parts are looked at, each made smaller by itself: quicker from a smaller picture.
        near = max(size[0], round(pixels.shape[0] * nearer)), max(size[1], round(pixels.shape[1] * nearer))
        pixels = resize(np.ascontiguousarray(pixels), near, "area")
        faces = [face.scaled(nearer) for face in faces]
    scale = min(1.0, looked_at / max(pixels.shape[:2]))
    low = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    small = shrunk(pixels, low)
    models = _linear_models(small, _seen(pixels, small, faces))
    if size is None:
        return _follow(pixels, models)
    return _follow(shrunk(pixels, size), models)


def _seen(pixels: np.ndarray, small: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Return what the network says of the small copy, (h, w) float32 0..1."""
    height, width = small.shape[:2]
    ratio = height / pixels.shape[0], width / pixels.shape[1]
    boxes = [_bust(face, pixels.shape[:2]) for face in faces]
    everything = (0, pixels.shape[0], 0, pixels.shape[1])
    if everything not in boxes:
        boxes.append(everything)
    with ThreadPoolExecutor(cores()) as pool:
        answers = list(pool.map(lambda box: _answer(pixels, box), boxes))
    seen, closely = np.zeros((2, height, width), np.float32)
    for box, answer in zip(boxes, answers, strict=True):
        rows, down = _place(box[0], box[1], pixels.shape[0], ratio[0], height)
        columns, across = _place(box[2], box[3], pixels.shape[1], ratio[1], width)
        size = columns.stop - columns.start, rows.stop - rows.start
        place, weight = (rows, columns), down[:, None] * across
        there = cv2.resize(answer, size, interpolation=cv2.INTER_LINEAR)
        if box == everything:
            # From afar counts where nothing was seen closely.
            seen[place] += (1 - closely[place]) * there
        else:
            np.maximum(seen[place], weight * there, out=seen[place])
            np.maximum(closely[place], weight, out=closely[place])
    for face in faces:
        # A face belongs to somebody, also where the network knows no person: in a painting, on a statue.
        cv2.fillConvexPoly(seen, _hull(face, ratio), 1.0)
    return seen


def _hull(face: Face, ratio: tuple[float, float]) -> np.ndarray:
    """Return the outline of a face on the small copy, for OpenCV."""
    if face.mesh is not None:
        points = outline(face.mesh)
    else:
        around = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        row, column = face.centre
        points = np.stack(
            [column + 0.45 * face.width * np.cos(around), row + 0.45 * face.height * np.sin(around)], axis=1
        )
    places = (points + 0.5) * np.array([ratio[1], ratio[0]]) - 0.5
    return cv2.convexHull(np.rint(places).astype(np.int32))


def _bust(face: Face, size: tuple[int, ...]) -> _Box:
    row, column = face.centre
    side, up, down = (part * max(face.height, face.width) for part in BUST)
    top, bottom = max(0, round(row - up)), min(size[0], round(row + down))
    left, right = max(0, round(column - side)), min(size[1], round(column + side))
    return top, max(bottom, top + 1), left, max(right, left + 1)


def _answer(pixels: np.ndarray, box: _Box) -> np.ndarray:
    top, bottom, left, right = box
    part, wanted = pixels[top:bottom, left:right], NETWORKS["people"].side
    fits = min(part.shape[0], wanted), min(part.shape[1], wanted)
    squeezed = cv2.resize(shrunk(part, fits), (wanted, wanted), interpolation=cv2.INTER_LINEAR)
    return session("people").run(squeezed[None])[0][0, ..., 0]


def _place(first: int, last: int, end: int, ratio: float, small_end: int) -> tuple[slice, np.ndarray]:
    """Return where a span lies on the small copy, and the weight of what is said there."""
    start = min(round(first * ratio), small_end - 1)
    stop = max(start + 1, min(small_end, round(last * ratio)))
    places = (np.arange(stop - start, dtype=np.float32) + 0.5) / ((stop - start) * _FADE)
    weight = np.ones_like(places)
    if first > 0:
        weight = np.minimum(weight, places)
    if last < end:
        weight = np.minimum(weight, places[::-1])
    return slice(start, stop), weight


def _follow(pixels: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Return the mask at the size of `pixels`, as a local linear function of the colours there."""
    height, width = pixels.shape[:2]
    result = np.empty((height, width), np.float32)
    columns = (np.arange(width, dtype=np.float32) + 0.5) * (models.shape[1] / width) - 0.5

    def work(rows: slice) -> None:
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * (models.shape[0] / height) - 0.5
        across, down = np.meshgrid(columns, y)
        local = cv2.remap(models, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        colours = as_float(pixels[rows])
        mask = local[..., 3].copy()
        for channel in range(3):
            mask += local[..., channel] * colours[..., channel]
        result[rows] = np.clip((mask - 0.5) * _STEEPER + 0.5, 0, 1)

    by_strips(pixels.shape, work)
    return result


def _linear_models(guide: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (h, w, 4) slope and offset of `values` against the colours around each pixel."""
    mean, mean_values = _mean(guide), _mean(values)
    covariance = _mean(guide * values[..., None]) - mean * mean_values[..., None]
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    products = np.stack([guide[..., i] * guide[..., j] for i, j in pairs[:4]], axis=-1)
    others = np.stack([guide[..., i] * guide[..., j] for i, j in pairs[4:]], axis=-1)
    means = np.concatenate([_mean(products), _mean(others)], axis=-1)
    rr, rg, rb, gg, gb, bb = (
        means[..., k] - mean[..., i] * mean[..., j] + (_EVENNESS if i == j else 0)
        for k, (i, j) in enumerate(pairs)
    )
    # The inverse of a symmetric matrix, written out: a general solver takes ten times as long.
    a, b, c = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    d, e, f = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * a + rg * b + rb * c
    x, y, z = (covariance[..., i] for i in range(3))
    slope = np.stack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z], axis=-1)
    slope /= determinant[..., None]
    offset = mean_values - (slope * mean).sum(axis=2)
    return _mean(np.dstack([slope, offset]).astype(np.float32))


def _mean(values: np.ndarray) -> np.ndarray:
    side = 2 * _REACH + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT_101)
