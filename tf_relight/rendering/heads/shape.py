"""The shape of a head: skull, face, ears, neck and shoulders, drawn at random within human proportions.

Head axes: x to the head's left (the picture's right when it faces the camera), y up, z out of the face. The
unit is half the height of the head; the origin is in its middle, the eyes are near y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NECK_TURN = 0.4  # the share of the head's turn that the shoulders follow
PIVOT = np.array([0.0, -0.65, -0.2])  # the head turns about the top of the neck

# Half width, depth of the face and depth of the back, over cos(latitude), at some latitudes in degrees.
_LATITUDES = np.radians([-90, -60, -40, -20, 0, 25, 50, 90])
_WIDTH = np.array([0.62, 0.66, 0.71, 0.705, 0.715, 0.79, 0.83, 0.84])
_FRONT = np.array([1.20, 1.22, 0.98, 0.86, 0.80, 0.91, 0.96, 0.92])
_BACK = np.array([0.55, 0.62, 0.74, 0.86, 0.96, 1.05, 1.02, 0.94])


@dataclass(frozen=True)
class HeadShape:
    """Everything about the shape of one head that is drawn at random; lengths in head units.

    Attributes:
        width, front, back: (8,) the skull at `_LATITUDES`.
        eye: (x, y, half width, half height of the opening).
        brow, nose, mouth: heights y of the brow ridge, the tip of the nose and the line of the lips.
        nose_size: (length out of the face, half width).
        lips: (half width, fullness); smile: how far the corners are raised.
        relief: strengths of the smaller features by name, about 1.
        ear: (height of the middle, half height, angle away from the head).
        neck, shoulders: half widths.
        turn: (3, 3) rotation of the head in the picture; body_turn that of the shoulders.
    """

    width: np.ndarray
    front: np.ndarray
    back: np.ndarray
    eye: tuple[float, float, float, float]
    brow: float
    nose: float
    nose_size: tuple[float, float]
    mouth: float
    lips: tuple[float, float]
    smile: float
    ear: tuple[float, float, float]
    neck: float
    shoulders: float
    turn: np.ndarray
    body_turn: np.ndarray
    relief: dict[str, float] = field(default_factory=dict)


def draw_shape(rng: np.random.Generator) -> HeadShape:
    """Draw a head and how it is held."""
    jaw = rng.normal(0, 0.06) * np.array([1, 1, 0.8, 0.4, 0, 0, 0, 0])
    yaw, pitch = np.clip(rng.normal(0, 0.3), -0.8, 0.8), rng.normal(0.03, 0.11)
    roll = rng.normal(0, 0.06)
    eye_y = rng.normal(0.0, 0.02)
    nose = eye_y - rng.normal(0.345, 0.03)
    mouth = nose - rng.normal(0.255, 0.022)
    names = ("brow", "socket", "cheek", "hollow", "fold", "chin", "wings", "tip", "groove", "lid")
    return HeadShape(
        width=_WIDTH * (1 + rng.normal(0, 0.04) + jaw + rng.normal(0, 0.012, 8)),
        front=_FRONT * (1 + rng.normal(0, 0.015, 8)),
        back=_BACK * (1 + rng.normal(0, 0.03) + rng.normal(0, 0.015, 8)),
        eye=(rng.normal(0.295, 0.014), eye_y, rng.normal(0.132, 0.008), rng.uniform(0.042, 0.062)),
        brow=eye_y + rng.normal(0.16, 0.014),
        nose=nose,
        nose_size=(rng.normal(0.185, 0.028), rng.normal(0.092, 0.013)),
        mouth=mouth,
        lips=(rng.normal(0.205, 0.02), rng.uniform(0.5, 1.5)),
        smile=rng.normal(0.012, 0.016),
        ear=(eye_y - rng.normal(0.09, 0.02), rng.normal(0.235, 0.02), rng.uniform(0.25, 0.6)),
        neck=rng.normal(0.43, 0.035),
        shoulders=rng.normal(1.5, 0.12),
        turn=turned(yaw, pitch, roll),
        body_turn=turned(NECK_TURN * yaw, 0, 0),
        relief={name: float(np.clip(rng.normal(1, 0.3), 0.3, 1.8)) for name in names},
    )


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) rotation: to the side about y, then nodding about x, then leaning about z; radians."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(angle), np.sin(angle)) for angle in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def place(points: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """(..., 3) head axes -> picture axes."""
    return (points - PIVOT) @ turn.T + PIVOT


def skull(shape: HeadShape, longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """(..., 3) points of the head without features; longitude 0 is the face, latitude pi/2 the crown."""
    width, front, back = (
        curve(_LATITUDES, table, latitude) for table in (shape.width, shape.front, shape.back)
    )
    forward = np.cos(longitude)
    x = np.cos(latitude) * width * np.sin(longitude)
    z = np.cos(latitude) * np.where(forward > 0, front, back) * forward
    return np.stack(np.broadcast_arrays(x, np.sin(latitude), z), -1)


def face_grid(detail: int) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes (1, C) and latitudes (R, 1) of the face's points, denser where the features are."""
    steps = (np.arange(2 * detail) + 0.5) / (2 * detail) * 2 * np.pi - np.pi
    rows = np.linspace(1, -1, round(1.3 * detail))
    latitude = np.pi / 2 * (rows + 0.10 * np.sin(np.pi * rows))
    return (steps - 0.55 * np.sin(steps))[None], np.clip(latitude, -1.5705, 1.5705)[:, None]


def face_points(shape: HeadShape, base: np.ndarray) -> np.ndarray:
    """(R, C, 3) points of `skull`, with the features of the face raised on them."""
    x, y, z = base[..., 0], base[..., 1], base[..., 2]
    facing = smooth_step(0.05, 0.35, z)
    out = sum(bump(x, y, *row) for row in _features(shape))
    out = out + _nose(shape, x, y) + _lips(shape, x, y) + _lids(shape, x, y)
    points = base.copy()
    points[..., 2] += out * facing
    # A relief that only comes forward makes flat cheeks; let these widen the face too.
    points[..., 0] += (
        np.sign(x) * 0.03 * shape.relief["cheek"] * bump(np.abs(x), y, 0.55, -0.16, 0.14, 0.12, 1)
    )
    return points


def _features(shape: HeadShape) -> list[tuple[float, float, float, float, float]]:
    """Rows (x, y, spread across, spread up, height) of smooth bumps on the front of the head."""
    r, (ex, ey, _, _), mouth = shape.relief, shape.eye, shape.mouth
    rows = [
        (0.0, mouth - 0.155, 0.16, 0.04, -0.030 * r["groove"]),
        (0.0, mouth - 0.275, 0.15, 0.085, 0.070 * r["chin"]),
        (0.0, shape.nose - 0.13, 0.028, 0.05, -0.020 * r["groove"]),
        (0.0, 0.5, 0.35, 0.2, 0.02 * r["brow"]),
        (0.0, shape.brow - 0.03, 0.09, 0.09, 0.035),
    ]
    for side in (-1, 1):
        rows += [
            (side * 0.25, shape.brow, 0.19, 0.06, 0.034 * r["brow"]),
            (side * (ex - 0.02), ey + 0.005, 0.145, 0.085, -0.100 * r["socket"]),
            (side * ex, ey - 0.005, 0.105, 0.062, 0.082),
            (side * 0.43, -0.17, 0.15, 0.10, 0.040 * r["cheek"]),
            (side * 0.24, -0.30, 0.12, 0.11, 0.030 * r["cheek"]),
            (side * 0.43, mouth + 0.1, 0.13, 0.15, -0.035 * r["hollow"]),
            (side * (shape.lips[0] + 0.06), mouth + 0.06, 0.035, 0.10, -0.016 * r["fold"]),
            (side * 0.64, 0.28, 0.12, 0.16, -0.03),
        ]
    return rows


def _nose(shape: HeadShape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the nose: a ridge that rises to the tip and ends short below it, with two wings."""
    length, half_width = shape.nose_size
    top = shape.eye[1] + 0.10
    along = np.clip((top - y) / (top - shape.nose), 0, 1.6)
    ridge = np.where(along < 1, 0.22 * smooth_step(0, 0.25, along) + 0.78 * along**1.35, 1)
    ridge = ridge * (1 - smooth_step(0.98, 1.26, along))
    breadth = half_width * (0.62 + 0.30 * np.clip(along, 0, 1.1))
    profile = np.exp(-0.5 * np.abs(x / breadth) ** 2.4)
    height = length * ridge * profile
    r = shape.relief
    height = height + bump(x, y, 0, shape.nose + 0.015, 0.06, 0.05, 0.045 * r["tip"])
    for side in (-1, 1):
        wing = side * half_width * 1.15
        height = height + bump(x, y, wing, shape.nose - 0.035, 0.045, 0.045, 0.085 * r["wings"])
        height = height - bump(x, y, side * half_width * 0.55, shape.nose - 0.085, 0.028, 0.018, 0.045)
    return height


def _lips(shape: HeadShape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of both lips with the line between them."""
    half_width, full = shape.lips
    line = mouth_line(shape, x)
    taper = smooth_step(1.12, 0.25, np.abs(x) / half_width)
    upper = bump(0, y - line, 0, 0.036, 1, 0.026, 0.046) * (1 - 0.25 * np.exp(-0.5 * (x / 0.03) ** 2))
    lower = bump(0, y - line, 0, -0.044, 1, 0.031, 0.054)
    mound = bump(x, y, 0, shape.mouth, 0.24, 0.12, 0.045)  # the teeth behind
    groove = bump(0, y - line, 0, 0, 1, 0.009, 0.028)
    corners = sum(bump(x, y - line, side * half_width, 0, 0.03, 0.03, 0.022) for side in (-1, 1))
    return mound + (upper + lower) * taper * (0.6 + 0.4 * full) - groove * taper - corners


def mouth_line(shape: HeadShape, x: np.ndarray) -> np.ndarray:
    """Height y of the line between the lips."""
    return shape.mouth + shape.smile * (x / shape.lips[0]) ** 2


def _lids(shape: HeadShape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The eyeball lies a little deeper than the lids, and the upper lid has a crease."""
    across, up = eye_coordinates(shape, x, y)
    open_ = eye_opening(across, up)
    crease = np.exp(-0.5 * ((up - 1.9) / 0.28) ** 2) * np.exp(-0.5 * (across / 0.8) ** 4)
    return -0.020 * open_ - 0.014 * shape.relief["lid"] * crease


def eye_coordinates(shape: HeadShape, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place within the nearer eye: across -1 (nose) .. 1 (temple), up 0 on the line between the corners."""
    ex, ey, half_width, half_height = shape.eye
    across = (np.abs(x) - ex) / half_width
    return across, (y - ey - 0.010 * across) / half_height


def eye_opening(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """0..1, where the lids leave the eyeball free: an almond, the upper lid more curved."""
    arch = np.clip(1 - across**2, 0, None)
    above, below = 1.05 * arch**0.8 - up, up + 0.62 * arch
    return smooth_step(-0.06, 0.10, np.minimum(above, below)) * (np.abs(across) < 1)


def ear_points(shape: HeadShape, side: int, detail: int) -> np.ndarray:
    """(R, C, 3) points of one ear, rows from the middle to the rim; side 1 is at x > 0."""
    height, half_height, angle = shape.ear
    radius = np.linspace(0.0, 1.0, max(8, detail // 8))[:, None]
    turn = np.linspace(0, 2 * np.pi, max(16, detail // 4), endpoint=False)[None] * side
    up, back = radius * np.cos(turn), radius * np.sin(turn) * -1
    back = back + 0.10 * up  # ears lean back
    outline = 1 - 0.22 * smooth_step(0.0, -1.0, up) * np.abs(back)  # narrower at the lobe
    rim = np.exp(-0.5 * ((radius - 0.86) / 0.10) ** 2) * smooth_step(-0.9, -0.2, up)
    bowl = np.exp(-0.5 * (((back + 0.15) / 0.30) ** 2 + ((up + 0.12) / 0.32) ** 2))
    fold = np.exp(-0.5 * ((radius - 0.52) / 0.10) ** 2) * smooth_step(-0.2, 0.5, back)
    flap = smooth_step(-1.0, -0.55, back) * (1 - smooth_step(0.9, 1.0, radius))
    raised = 0.05 * rim + 0.025 * fold - 0.07 * bowl + 0.05 * flap
    local_x = 0.60 * half_height * outline * back  # toward the back of the head
    at = skull(shape, np.array(np.pi / 2), np.arcsin(height))
    x = at[0] - 0.015 + raised + np.sin(angle) * np.clip(local_x + 0.12, 0, None)
    z = -0.10 - np.cos(angle) * local_x
    return np.stack(np.broadcast_arrays(side * x, height + half_height * up, z), -1)


def body_points(shape: HeadShape, detail: int) -> np.ndarray:
    """(R, C, 3) points of neck and shoulders, rows from inside the head downward."""
    heights = np.array([-0.45, -0.75, -1.00, -1.18, -1.34, -1.50, -1.72, -2.05, -2.90])
    n, s = shape.neck, shape.shoulders
    width = np.array([0.95 * n, 0.96 * n, n, 1.12 * n, 1.7 * n, 0.66 * s, 0.90 * s, s, 0.98 * s])
    depth = np.array([0.42, 0.42, 0.43, 0.45, 0.48, 0.52, 0.58, 0.64, 0.66])
    lean = np.array([-0.16, -0.19, -0.23, -0.27, -0.31, -0.34, -0.36, -0.36, -0.34])
    y = np.linspace(heights[0], heights[-1], detail)[:, None]
    turn = np.linspace(-np.pi, np.pi, 3 * detail // 2, endpoint=False)[None]
    wide, deep, middle = (curve(-heights, table, -y) for table in (width, depth, lean))
    # Shoulders are boxier than a neck.
    power = 1 - 0.25 * smooth_step(-1.2, -1.7, y)
    x = wide * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    z = middle + deep * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    return np.stack(np.broadcast_arrays(x, y, z), -1)


def bump(x, y, at_x, at_y, across, up, height):
    """A smooth hill of the given height and spreads."""
    return height * np.exp(-0.5 * (((x - at_x) / across) ** 2 + ((y - at_y) / up) ** 2))


def smooth_step(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 at `low`, 1 at `high`, with a smooth rise between; `low` may be the larger one."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def curve(knots: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A smooth curve through (knots, values): cubic pieces with the slopes of the neighbouring chords."""
    slopes = np.gradient(values, knots)
    place = np.clip(at, knots[0], knots[-1])
    i = np.clip(np.searchsorted(knots, place, side="right") - 1, 0, len(knots) - 2)
    step = knots[i + 1] - knots[i]
    t = (place - knots[i]) / step
    hermite = (1 + 2 * t) * (1 - t) ** 2 * values[i] + t * (1 - t) ** 2 * step * slopes[i]
    return hermite + t * t * (3 - 2 * t) * values[i + 1] + t * t * (t - 1) * step * slopes[i + 1]
