"""Colours of a head: skin, hair, eyes and clothes, as stored (sRGB-encoded) values.

DPR and SfSNet multiply stored values by the shading, so the albedo of a head is a stored value too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.heads.shape import (
    HeadShape,
    bump,
    eye_coordinates,
    eye_opening,
    mouth_line,
    smooth_step,
)

# From the lightest to the darkest skin; between two of them colours are mixed.
SKIN = np.array(
    [
        [0.98, 0.83, 0.75],
        [0.95, 0.77, 0.65],
        [0.88, 0.67, 0.53],
        [0.76, 0.54, 0.41],
        [0.60, 0.41, 0.31],
        [0.46, 0.31, 0.23],
        [0.36, 0.25, 0.19],
    ]
)
HAIR = {
    "black": (0.10, 0.09, 0.09),
    "dark brown": (0.20, 0.14, 0.11),
    "brown": (0.33, 0.23, 0.17),
    "light brown": (0.46, 0.34, 0.24),
    "blond": (0.68, 0.55, 0.38),
    "red": (0.50, 0.25, 0.14),
    "grey": (0.52, 0.51, 0.50),
    "white": (0.76, 0.75, 0.73),
}
HAIR_SHARES = (0.26, 0.22, 0.16, 0.10, 0.10, 0.05, 0.07, 0.04)
IRIS = np.array([[0.20, 0.12, 0.07], [0.30, 0.19, 0.10], [0.32, 0.36, 0.24], [0.33, 0.44, 0.54]])


@dataclass(frozen=True)
class HeadColours:
    """The colours of one head, stored values 0..1 of shape (3,), and what is painted on the face.

    Attributes:
        skin, lips, hair, brow, iris, cloth.
        blush: redness of cheeks, nose and ears.
        beard: 0..1 density; moustache: whether it covers the upper lip too.
        gaze: (across, up) of the pupils in units of the eye.
        brow_size: (half width, thickness, slope of the outer end).
        neckline: height of the cloth's edge at the front, in head units.
        makeup: 0..1 darkness around the eyes.
    """

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    blush: float
    beard: float
    moustache: bool
    gaze: tuple[float, float]
    brow_size: tuple[float, float, float]
    neckline: float
    makeup: float


def draw_colours(rng: np.random.Generator) -> HeadColours:
    """Draw the colours of one head; dark skin goes with dark hair and eyes unless hair has greyed."""
    tone = rng.beta(1.1, 1.4)
    ladder = np.arange(len(SKIN)) / (len(SKIN) - 1)
    skin = np.array([np.interp(tone, ladder, SKIN[:, channel]) for channel in range(3)])
    skin = skin * rng.normal(1, 0.025, 3) * rng.normal(1, 0.03)
    shares = np.array(HAIR_SHARES)
    if tone > 0.5:
        shares = np.where(np.isin(list(HAIR), ("light brown", "blond", "red")), 0.1 * shares, shares)
    name = list(HAIR)[rng.choice(len(shares), p=shares / shares.sum())]
    hair = np.array(HAIR[name]) * rng.uniform(0.8, 1.2)
    iris = IRIS[rng.choice(4, p=(0.6, 0.2, 0.08, 0.12) if tone < 0.5 else (0.85, 0.13, 0.01, 0.01))]
    bearded = rng.random() < 0.3
    beard = rng.uniform(0.45, 0.95) if bearded else 0.0
    made_up = rng.random() < (0.05 if bearded else 0.35)
    lips = skin * np.array([0.93, 0.68, 0.68]) * rng.uniform(0.9, 1.02)
    if made_up:
        lips = np.array([0.70, 0.18, 0.20]) * rng.uniform(0.6, 1.0) * 0.75 + 0.25 * lips
    return HeadColours(
        skin=skin,
        lips=lips,
        hair=hair,
        brow=np.minimum(0.75 * hair + 0.03, 0.55 * skin),
        iris=iris * rng.uniform(0.85, 1.15),
        cloth=np.clip(rng.uniform(0.08, 0.85) + rng.normal(0, 0.16, 3), 0.05, 0.92),
        blush=rng.uniform(0.2, 1.0),
        beard=beard,
        moustache=bearded and rng.random() < 0.8,
        gaze=(rng.normal(0, 0.12), rng.normal(0.1, 0.12)),
        brow_size=(rng.normal(0.155, 0.012), rng.uniform(0.016, 0.032), rng.normal(0.03, 0.02)),
        neckline=rng.choice((-1.16, -1.3, -1.5)) + rng.normal(0, 0.04),
        makeup=rng.uniform(0.3, 0.9) if made_up else rng.uniform(0, 0.15),
    )


def paint_face(
    shape: HeadShape, colours: HeadColours, base: np.ndarray, stubble: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Colour the face.

    Args:
        shape, colours: of the head.
        base: (R, C, 3) points of `skull`, on which features are placed.
        stubble: (R, C) fine noise of unit variance that breaks the edge of the beard.

    Returns:
        albedo: (R, C, 3), and grain: (R, C) roughness, more on brows and beard.
    """
    x, y = base[..., 0], base[..., 1]
    front = smooth_step(0.05, 0.35, base[..., 2])
    albedo = np.broadcast_to(colours.skin, base.shape) * (1 - _redness(shape, colours, x, y, front))
    rough = np.zeros(x.shape)
    beard = _beard(shape, colours, base, stubble)
    albedo = _over(albedo, beard, 0.85 * colours.hair + 0.1 * colours.skin)
    rough += beard
    lips = _lip_mask(shape, x, y) * front
    albedo = _over(albedo, 0.85 * lips, colours.lips)
    line = bump(0, y - mouth_line(shape, x), 0, 0, 1, 0.008, 1)
    line = line * smooth_step(1.05, 0.75, np.abs(x) / shape.lips[0]) * front
    albedo = albedo * (1 - 0.62 * line[..., None])
    nostril = sum(
        bump(x, y, side * shape.nose_size[1] * 0.55, shape.nose - 0.068, 0.026, 0.013, front)
        for side in (-1, 1)
    )
    albedo = albedo * (1 - 0.75 * np.clip(nostril, 0, 1)[..., None])
    brow = _brow_mask(shape, colours, x, y) * front
    albedo = _over(albedo, brow * (0.75 + 0.2 * np.clip(stubble, -1, 1)), colours.brow)
    return _paint_eyes(albedo, shape, colours, x, y, front), rough + 0.6 * brow * (1 - lips)


def _over(below: np.ndarray, amount: np.ndarray, colour: np.ndarray) -> np.ndarray:
    amount = np.clip(amount, 0, 1)[..., None]
    return below * (1 - amount) + amount * colour


def _redness(shape, colours, x, y, front):
    side = np.abs(x)
    red = bump(side, y, 0.42, -0.24, 0.18, 0.13, 0.9) + bump(x, y, 0, shape.nose, 0.10, 0.08, 0.9)
    tired = bump(side, y, shape.eye[0], shape.eye[1] - 0.09, 0.12, 0.035, 0.6)
    loss = red[..., None] * np.array([0.01, 0.11, 0.10]) + tired[..., None] * np.array([0.08, 0.10, 0.07])
    return colours.blush * front[..., None] * loss


def _beard(shape, colours, base, stubble):
    """0..1, cheeks below a line from the ear to the mouth, the chin, and the upper lip."""
    if not colours.beard:
        return np.zeros(base.shape[:2])
    x, y, z = base[..., 0], base[..., 1], base[..., 2]
    side = np.abs(x)
    edge = shape.mouth + 0.02 + 0.42 * smooth_step(0.22, 0.62, side) + 0.03 * stubble
    cheeks = smooth_step(0.05, -0.05, y - edge) * smooth_step(-0.05, 0.12, z + 0.03 * stubble)
    upper = bump(0, y, 0, 0.5 * (shape.nose - 0.09 + shape.mouth + 0.05), 1, 0.045, 1)
    upper = upper * smooth_step(shape.lips[0] * 1.35, shape.lips[0] * 0.95, side) * colours.moustache
    free = np.clip(bump(x, y, 0, shape.mouth, shape.lips[0] * 0.85, 0.07, 1.5), 0, 1)
    return colours.beard * np.clip(np.maximum(cheeks * (1 - free), upper) * (0.9 + 0.15 * stubble), 0, 1)


def _lip_mask(shape, x, y):
    half_width, full = shape.lips
    reach = np.clip(1 - (x / half_width) ** 2, 0, 1)
    height = (0.040 + 0.020 * full) * reach**0.7 - 0.02 * (reach == 0)
    dip = 1 - 0.28 * np.exp(-0.5 * (x / 0.035) ** 2)
    from_line = y - mouth_line(shape, x)
    return smooth_step(-0.006, 0.008, np.minimum(height * dip - from_line, height * 1.1 + from_line))


def _brow_mask(shape, colours, x, y):
    half_width, thick, slope = colours.brow_size
    across = (np.abs(x) - shape.eye[0] - 0.005) / half_width
    middle = shape.brow + 0.012 + slope * (0.55 - across**2) - 0.012 * across
    thickness = thick * np.clip(1.05 - 0.55 * np.clip(across, -0.2, 1) - 0.3 * across**4, 0.05, None)
    ends = smooth_step(1.05, 0.75, np.abs(across))
    return np.exp(-0.5 * np.abs((y - middle) / thickness) ** 3) * ends


def _paint_eyes(albedo, shape, colours, x, y, front):
    across, up = eye_coordinates(shape, x, y)
    ratio = shape.eye[3] / shape.eye[2]
    open_ = eye_opening(across, up) * front
    # Both eyes look the same way, while `across` counts from the nose in each.
    gaze = colours.gaze[0] * np.sign(x)
    from_pupil = np.hypot(across - gaze, (up - colours.gaze[1]) * ratio)
    white = np.array([0.82, 0.79, 0.77]) * (1 - 0.22 * np.clip(across, -1, 1) ** 4)[..., None]
    iris = smooth_step(0.40, 0.35, from_pupil)[..., None]
    shade = (0.72 + 0.55 * from_pupil)[..., None] * (1 - 0.55 * smooth_step(0.29, 0.40, from_pupil))[
        ..., None
    ]
    eye = white * (1 - iris) + colours.iris * 1.25 * shade * iris
    eye = eye * (1 - 0.93 * smooth_step(0.17, 0.13, from_pupil))[..., None]
    under_lid = 1 - 0.45 * smooth_step(0.35, 1.0, up / np.maximum(1.05 * (1 - across**2), 0.2))
    albedo = _over(albedo, open_, eye * under_lid[..., None])
    arch = np.clip(1 - across**2, 0, None)
    inside = smooth_step(1.12, 0.95, np.abs(across)) * front
    upper = np.exp(-0.5 * ((up - 1.10 * arch**0.8) / 0.17) ** 2) * inside
    lower = np.exp(-0.5 * ((up + 0.66 * arch) / 0.13) ** 2) * inside
    albedo = albedo * (1 - (0.60 + 0.25 * colours.makeup) * upper[..., None])
    albedo = albedo * (1 - (0.22 + 0.3 * colours.makeup) * lower[..., None])
    lid = bump(across, up, 0.1, 1.6, 0.7, 0.7, 0.25 * colours.makeup)
    return albedo * (1 - (lid * front * (1 - open_))[..., None])
