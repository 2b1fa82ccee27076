"""Hair: a cap on the skull that ends at the hairline, and for long hair a curtain that falls from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.heads.materials import HeadColours
from tf_relight.rendering.heads.shape import HeadShape, curve, skull, smooth_step

STYLES = ("bald", "shaved", "short", "swept", "fringe", "bob", "long", "tied", "afro")
STYLE_SHARES = (0.06, 0.08, 0.20, 0.17, 0.08, 0.13, 0.15, 0.07, 0.06)
FALL_FROM = 0.35  # radians of latitude at which long hair leaves the skull


@dataclass(frozen=True)
class Hairdo:
    """The hair of one head; lengths in head units.

    Attributes:
        style: one of STYLES.
        front, temple, side, nape: heights y at which the hair ends.
        thickness: above the skull, on top and at the sides.
        parting: longitude from which swept hair rises, and how much higher it stands there.
        length: of the curtain, 0 for none; open_: half the angle that it leaves free at the face.
        flare: how much wider the curtain gets; wave: size of its waves.
        strands: waves around the head; phases: (6,) of all random waves.
    """

    style: str
    front: float
    temple: float
    side: float
    nape: float
    thickness: tuple[float, float]
    parting: tuple[float, float]
    length: float
    open_: float
    flare: float
    wave: float
    strands: float
    phases: np.ndarray


def draw_hairdo(rng: np.random.Generator) -> Hairdo:
    """Draw the hair of one head."""
    style = STYLES[rng.choice(len(STYLES), p=STYLE_SHARES)]
    top = {"shaved": 0.018, "short": rng.uniform(0.05, 0.11), "swept": rng.uniform(0.09, 0.15)}
    top |= {"tied": 0.05, "afro": rng.uniform(0.28, 0.5), "fringe": rng.uniform(0.08, 0.14)}
    top_thickness = top.get(style, rng.uniform(0.08, 0.14))
    side = {"shaved": 0.012, "short": 0.6 * top_thickness, "swept": 0.045, "tied": 0.04}
    long_ = style in ("bob", "long")
    front = rng.normal(0.66, 0.04)
    if style == "fringe":
        front = rng.normal(0.34, 0.04)
    elif long_ and rng.random() < 0.25:
        front = rng.normal(0.36, 0.04)
    return Hairdo(
        style=style,
        front=front,
        temple=rng.normal(0.44, 0.05) if style != "fringe" else 0.25,
        side=rng.normal(-0.12, 0.06),
        nape=rng.normal(-0.48, 0.05),
        thickness=(top_thickness, side.get(style, 0.9 * top_thickness)),
        parting=(rng.choice((-1, 1)) * rng.uniform(0.15, 0.6), rng.uniform(0.0, 0.8)),
        length={"bob": rng.uniform(0.55, 0.95), "long": rng.uniform(1.2, 2.0)}.get(style, 0.0),
        open_=rng.uniform(0.85, 1.1),
        flare=rng.uniform(-0.05, 0.25),
        wave=rng.uniform(0, 0.05) if rng.random() < 0.6 else 0.0,
        strands=rng.uniform(40, 75),
        phases=rng.uniform(0, 2 * np.pi, 6),
    )


def cap_points(shape: HeadShape, hair: Hairdo, detail: int) -> np.ndarray:
    """(R, C, 3) points of the cap, rows from the crown to a little under the skin at the hairline."""
    turn = np.linspace(-np.pi, np.pi, 2 * detail, endpoint=False)[None]
    t = np.linspace(0.001, 1, round(0.75 * detail))[:, None]
    end = np.arcsin(np.clip(hairline(hair, turn), -0.95, 0.95))
    latitude = np.pi / 2 - t * (np.pi / 2 - end)
    base = skull(shape, turn, latitude)
    # The end dives under the skin, so that the depth buffer cuts a clean hairline.
    below_end = (latitude - end) / max(hair.thickness[0], 0.05)
    if hair.style in ("afro", "fringe", "bob", "long"):
        rounded = np.sqrt(np.clip(below_end / 0.7, 0, 1))
    else:
        rounded = smooth_step(0.0, 1.6, below_end)
    depth = cap_thickness(hair, turn, latitude) * rounded * (1 + strand_wave(hair, turn, latitude, detail))
    depth = depth - 0.035 * smooth_step(0.10, 0.0, latitude - end)
    outward = base / np.linalg.norm(base, axis=2, keepdims=True)
    return base + outward * depth[..., None]


def hairline(hair: Hairdo, turn: np.ndarray) -> np.ndarray:
    """Height y at which the hair ends at each longitude, from the forehead over the ears to the nape."""
    angle = np.abs(turn)
    stops = np.array([0.0, 0.45, 0.75, 1.02, 1.22, 1.45, 1.75, 2.1, np.pi])
    above_ear = 0.16 if hair.length == 0 else hair.side
    drop = 0.20 if hair.length else 0.0  # long hair covers the temples
    heights = np.array(
        [hair.front, hair.front - 0.02, hair.temple + 0.06 - drop, hair.temple - 0.22 - drop, hair.side]
        + [above_ear, -0.15, hair.nape, hair.nape]
    )
    p = hair.phases
    ragged = sum(np.sin(rate * turn + p[i]) for i, rate in enumerate((13, 23, 37, 61, 89)))
    ragged = ragged * (0.010 + 0.004 * np.sin(5 * turn + p[5]))
    return curve(stops, heights, angle) + ragged + 0.02 * np.sin(turn + p[3])


def cap_thickness(hair: Hairdo, turn: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """How far the hair stands off the skull, without strands."""
    top, side = hair.thickness
    up = smooth_step(0.15, 1.0, latitude)
    depth = side + (top - side) * up
    if hair.style in ("swept", "short", "bob", "long"):
        at, rise = hair.parting
        # Higher on the far side of the parting, with a furrow along it.
        across = np.sin(turn - at) * np.cos(latitude) * np.sign(-at)
        front = smooth_step(-0.2, 0.6, np.cos(turn))
        depth = depth * (1 + 0.5 * rise * smooth_step(-0.1, 0.5, across) * front * up)
        furrow = np.exp(-0.5 * ((across + 0.02) / 0.035) ** 2) * front * smooth_step(0.5, 0.8, latitude)
        depth = depth * (1 - 0.45 * furrow * (rise > 0.3))
    if hair.style == "afro":
        p = hair.phases
        depth = depth * (
            1 + 0.06 * np.sin(5 * turn + p[4]) * np.cos(latitude) + 0.05 * np.sin(6 * latitude + p[5])
        )
    return depth


def strand_wave(hair: Hairdo, turn: np.ndarray, latitude: np.ndarray, detail: int) -> np.ndarray:
    """Relative height of strands, left out where the grid is too coarse to show them."""
    waves = hair.strands
    shown = float(np.clip((0.55 - waves / detail) / 0.3, 0, 1))
    p = hair.phases
    bent = waves * turn + 4 * np.sin(3 * latitude + p[0]) + 2 * np.sin(2 * turn + p[1])
    clumps = 0.10 * np.sin(0.31 * bent + p[2]) + 0.06 * np.sin(0.17 * bent + 3 * latitude + p[3])
    amount = {"shaved": 0.0, "afro": 0.02}.get(hair.style, 1.0)
    return amount * (clumps + 0.05 * shown * np.sin(bent)) * np.cos(latitude)


def curtain_points(shape: HeadShape, hair: Hairdo, detail: int) -> np.ndarray:
    """(R, C, 3) points of long hair, from the sides of the skull down, open toward the face."""
    turn = np.linspace(hair.open_, 2 * np.pi - hair.open_, 2 * detail)[None]
    fall = np.linspace(0, 1, detail)[:, None]
    start = skull(shape, turn, np.full_like(turn, FALL_FROM))
    outward = start * np.array([1, 0, 1])
    outward = outward / np.linalg.norm(outward, axis=2, keepdims=True)
    depth = cap_thickness(hair, turn, np.full_like(turn, FALL_FROM))
    depth = depth * (1 + strand_wave(hair, turn, fall, detail))
    p = hair.phases
    bend = hair.flare * np.sin(np.pi * 0.75 * fall) - 0.10 * smooth_step(0.75, 1.0, fall)
    wavy = hair.wave * np.sin(3.0 * np.pi * fall * hair.length + p[0] + 0.8 * np.sin(2 * turn + p[1]))
    # Toward the face the curtain turns in behind the cheek.
    to_edge = np.minimum(turn - hair.open_, 2 * np.pi - hair.open_ - turn)
    edge = smooth_step(0.22, 0.0, to_edge)
    depth = depth + (bend + wavy) * smooth_step(0, 0.3, fall) - (0.10 + 0.5 * depth) * edge
    points = start + outward * depth[..., None]
    ends = 1 + 0.03 * np.sin(9 * turn + p[2]) + 0.02 * np.sin(23 * turn + p[3])
    points[..., 1] -= hair.length * fall * ends
    # Behind the shoulders it hangs straight, at the sides in front of them.
    points[..., 2] -= 0.12 * edge * (1 - fall)
    return points


def bun_points(shape: HeadShape, hair: Hairdo, detail: int) -> np.ndarray:
    """(R, C, 3) points of the knot of tied hair at the back of the crown."""
    turn = np.linspace(-np.pi, np.pi, detail, endpoint=False)[None]
    latitude = np.linspace(np.pi / 2, -np.pi / 2, detail // 2)[:, None]
    size = 0.26 * (1 + 0.04 * np.sin(8 * turn + 5 * latitude + hair.phases[0]))
    ball = np.stack(
        np.broadcast_arrays(
            np.cos(latitude) * np.sin(turn), 0.85 * np.sin(latitude), np.cos(latitude) * np.cos(turn)
        ),
        -1,
    )
    height = 0.75 + 0.2 * np.sin(hair.phases[1])
    middle = skull(shape, np.array(np.pi), np.arcsin(height)) * 1.12
    return middle + ball * size[..., None]


def hair_albedo(hair: Hairdo, colours: HeadColours, points: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """(R, C, 3) colour of hair, lighter and darker by strands, and skin shining through where it is thin.

    Args:
        hair, colours: of the head.
        points: (R, C, 3) of the cap, the curtain or the knot.
        noise: (R, C) of unit variance.
    """
    around = np.arctan2(points[..., 0], points[..., 2])
    streak = np.sin(0.6 * hair.strands * around + hair.phases[4] + 1.5 * np.sin(4 * points[..., 1]))
    tone = 1 + 0.07 * streak + 0.08 * noise
    albedo = colours.hair * tone[..., None]
    if hair.style not in ("shaved", "short", "swept", "tied"):
        return albedo
    end = np.arcsin(np.clip(hairline(hair, around), -0.95, 0.95))
    latitude = np.arctan2(points[..., 1], np.hypot(points[..., 0], points[..., 2]))
    thin = 0.65 * smooth_step(0.16, 0.02, latitude - end) + (0.35 if hair.style == "shaved" else 0)
    thin = np.clip(thin, 0, 0.9)[..., None]
    return albedo * (1 - thin) + thin * colours.skin
