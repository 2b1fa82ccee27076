"""From the coarse normals of a fitted face to normals for every pixel of a portrait.

A face model fitted to a portrait gives normals that are a few pixels off and cover the face only. They are
bent so that landmarks meet, freed of what is no surface, and continued over hair and background by the
smoothest field there is, the solution of Laplace's equation.

Fitting the face model (3DDFA with the Basel face model, in DPR's data preparation) is not part of this
package, for these models may not be passed on: bring its normals as PNG files, and its landmarks.

Normals are (H, W, 3) in the projection frame: x right, y down, z into the picture. A surface that faces the
camera has z < 0.

Source: Zhou et al., "Deep Single-Image Portrait Relighting", ICCV 2019, and its released data preparation,
steps 3 to 5.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from tf_relight.data.portraits.mesh_warp import SYMMETRIC, warp_map
from tf_relight.errors import RelightError

OPENING = 7
"""Diameter of the ellipse that removes specks and closes cracks."""
EROSION, EROSIONS = 9, 4
"""Side of the square by which the face is eroded, and how often: its rim is unreliable."""
MARGIN = 40
"""Pixels by which the picture is extended, so that its corners are not tied to the border's normals."""
_LARGEST = 640  # pixels: longer side of the equation; its factors take 0.4 GB then


def valid_normals(normals: np.ndarray) -> np.ndarray:
    """Return where (H, W) there is a surface that faces the camera: length near 1 and z <= 0, cleaned.

    Args:
        normals: (H, W, 3), not normalised; a pixel of a PNG without a surface is black or grey and has a
            length of 1.7 or 0.

    Source: DPR's data preparation, step 4.
    """
    length = np.linalg.norm(normals, axis=2)
    valid = ((np.abs(length - 1) < 0.5) & (normals[..., 2] <= 0)).astype(np.uint8)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (OPENING, OPENING))
    opened = cv2.morphologyEx(valid, cv2.MORPH_OPEN, ellipse)
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, ellipse).astype(bool)


def warp_normals(normals: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return normals bent so that landmarks at `source` come to lie at `target`.

    Args:
        normals: (H, W, 3) float; missing normals are zero or of another length than 1.
        source, target: (N, 2) x and y in pixels.

    Returns:
        (H, W, 3) float32, interpolated and not normalised; directions are not turned, as in DPR.

    Raises:
        RelightError: landmarks that do not pair or do not fit the picture.
    """
    origin = warp_map(source, target, normals.shape[:2])
    return _remap(normals.astype(np.float32), origin, cv2.INTER_LINEAR)


def erode_face(face: np.ndarray) -> np.ndarray:
    """Return a face (H, W) bool without its rim, as DPR erodes it before the rest is filled."""
    kernel = np.ones((EROSION, EROSION), np.uint8)
    return cv2.erode(face.astype(np.uint8), kernel, iterations=EROSIONS).astype(bool)


def fill_normals(normals: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return normals for every pixel, continued smoothly from where they are known.

    Far from the face the field goes towards normals as on the face's outline, seen in the same direction
    from the picture's middle. Each component solves Laplace's equation, at half the size, with what is known
    and the picture's border given; then all are made unit length.

    Args:
        normals: (H, W, 3), used where `known`.
        known: (H, W) bool; holes inside are filled from their rim.

    Returns:
        (H, W, 3) float64 unit vectors; what is known stays, normalised.

    Raises:
        RelightError: no face, or the picture's middle is neither on it nor in a hole of it.

    Source: DPR's data preparation, step 5. Differs: solved directly, not by conjugate gradients, and pictures
    above 1200 px are brought to less than half their size.
    """
    height, width = known.shape
    outline = _outline(known)
    unit = normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    if known.all():
        return unit
    fixed = np.pad(known, MARGIN)
    given = np.pad(np.where(known[..., None], unit, 0.0), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    given, fixed = _shrink(given, fixed)
    _set_border(given, fixed, outline, unit)
    field = solve_laplace(given, fixed)
    full = cv2.resize(field, (width + 2 * MARGIN, height + 2 * MARGIN), interpolation=cv2.INTER_LINEAR)
    filled = np.where(known[..., None], unit, full[MARGIN:-MARGIN, MARGIN:-MARGIN])
    return filled / np.maximum(np.linalg.norm(filled, axis=2, keepdims=True), 1e-9)


def refine_normals(
    normals: np.ndarray,
    *,
    face: np.ndarray | None = None,
    source: np.ndarray | None = None,
    target: np.ndarray | None = None,
) -> np.ndarray:
    """Return normals for every pixel of a portrait from those of a fitted face: all steps together.

    Args:
        normals: (H, W, 3) in the projection frame, as read from a PNG (zero or black without a surface).
        face: (H, W) bool, where the normals may be used; leave out ears and neck. None: everywhere.
        source, target: (N, 2) landmarks in the normals and in the portrait; None: they fit already. `face`
            is bent with them.

    Returns:
        (H, W, 3) float64 unit vectors.

    Raises:
        RelightError: no usable normals, a face that is not in the middle, or landmarks that do not fit.
    """
    usable = np.ones(normals.shape[:2], bool) if face is None else face
    if source is not None and target is not None:
        origin = warp_map(source, target, usable.shape)
        normals = _remap(normals.astype(np.float32), origin, cv2.INTER_LINEAR)
        usable = _remap(usable.astype(np.uint8), origin, cv2.INTER_NEAREST) > 0
    return fill_normals(normals, erode_face(valid_normals(normals) & usable))


def solve_laplace(given: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Return the smoothest field: each free value is the mean of its neighbours.

    Args:
        given: (H, W, C), used where `fixed`.
        fixed: (H, W) bool; every free pixel must reach a fixed one.

    Returns:
        (H, W, C) float64, `given` where fixed. Nothing flows over a border that is free.
    """
    free = ~fixed
    result = np.array(given, dtype=np.float64)
    count = int(free.sum())
    if count == 0:
        return result
    number = np.full(fixed.shape, -1)
    number[free] = np.arange(count)
    diagonal, right = np.zeros(count), np.zeros((count, given.shape[2]))
    rows, columns = [], []
    first = (slice(None, -1), slice(None)), (slice(None), slice(None, -1))
    second = (slice(1, None), slice(None)), (slice(None), slice(1, None))
    for here, there in (*zip(first, second, strict=True), *zip(second, first, strict=True)):
        own = number[here][free[here]]
        diagonal[own] += 1
        neighbour, known = number[there][free[here]], fixed[there][free[here]]
        right[own[known]] += result[there][free[here]][known]
        rows.append(own[~known])
        columns.append(neighbour[~known])
    row, column = np.concatenate(rows), np.concatenate(columns)
    links = sparse.csc_matrix((np.ones(len(row)), (row, column)), shape=(count, count))
    matrix = (sparse.diags(diagonal) - links).tocsc()
    # Direct: one factorisation serves all components. Conjugate gradients take hundreds of steps for each.
    result[free] = splu(matrix, **SYMMETRIC).solve(right)
    return result


def _remap(values: np.ndarray, origin: np.ndarray, how: int) -> np.ndarray:
    x, y = cv2.split(origin)
    return cv2.remap(values, x, y, how, borderMode=cv2.BORDER_REPLICATE)


def _shrink(values: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values and their places at the size of the equation: means of the fixed ones in each block."""
    factor = max(2.0, max(fixed.shape) / _LARGEST)
    size = max(2, round(fixed.shape[1] / factor)), max(2, round(fixed.shape[0] / factor))
    share = cv2.resize(fixed.astype(np.float64), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(np.where(fixed[..., None], values, 0.0), size, interpolation=cv2.INTER_AREA)
    return total / np.maximum(share, 1e-12)[..., None], share > 1e-6


def _outline(known: np.ndarray) -> np.ndarray:
    """Return the outline (N, 2) x, y of the largest known region, which must hold the picture's middle."""
    found = cv2.findContours(known.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    if not found:
        raise RelightError(
            "The normal map holds no surface that faces the camera: red must be below 128 there (z into the "
            "picture), and what is no face must be black."
        )
    largest = max(found, key=cv2.contourArea)
    height, width = known.shape
    if cv2.pointPolygonTest(largest, (width / 2, height / 2), False) < 0:
        raise RelightError("The middle of the picture is not on the face: crop the portrait around the face.")
    return largest[:, 0]


def _set_border(given: np.ndarray, fixed: np.ndarray, outline: np.ndarray, unit: np.ndarray) -> None:
    """Give the border, in place, the outline's normals by direction from the middle, seen at a flat angle."""
    height, width = unit.shape[:2]
    along = np.array([(width - 1) / 2, (height - 1) / 2])
    there = outline - along
    angles = np.arctan2(there[:, 0], there[:, 1])
    order = np.argsort(angles)
    around = unit[outline[order, 1], outline[order, 0]].copy()
    around[:, 2] = around[:, 2].max()
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    border = np.zeros(fixed.shape, bool)
    border[[0, -1]] = True
    border[:, [0, -1]] = True
    rows, columns = np.nonzero(border)
    middle = (np.array(fixed.shape) - 1) / 2
    wanted = np.arctan2(columns - middle[1], rows - middle[0])
    given[rows, columns] = around[_nearest(angles[order], wanted)]
    fixed[rows, columns] = True


def _nearest(angles: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return for each wanted angle the index of the nearest of some sorted angles, around the circle."""
    count = len(angles)
    after = np.searchsorted(angles, wanted)
    candidates = np.stack([(after - 1) % count, after % count])
    gap = np.abs(np.angle(np.exp(1j * (angles[candidates] - wanted))))
    return np.where(gap[0] <= gap[1], candidates[0], candidates[1])
