"""Random lamps around a head, as weights on the directions that its shadows are known for.

Directions are in frame "dpr": x right, y into the picture, z up; the camera stands at -y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.light.lightness_light import EXPONENT, fit, sphere

LAMPS = (0.65, 0.25, 0.1)
"""Chances of one, two and three lamps."""
HARD = 0.5
"""Share of lights that are one hard lamp over little else: what is hardest to learn, and shows most."""
HARD_SHARPNESS, HARD_AMBIENT = (15.0, 80.0), (0.01, 0.15)
VERTICAL = 0.5
"""Share of key lamps in the vertical plane through the face, above or below: what networks learn last."""
FLASH = 0.35
"""Share of sources lit by a flash beside the camera."""
SHARPNESS = (4.0, 60.0)
"""Of a lamp's lobe exp(s (cos - 1)): from a wide window to a bare bulb."""
AMBIENT = (0.015, 0.4)
"""Light from everywhere over that of the key lamp."""
_FAINT = 0.03
_BRIGHTEST = 1.35
"""Most shading in lightness of the front of the ball, at its 98th percentile."""


@dataclass(frozen=True, eq=False)
class Lamps:
    """The light on a head.

    Attributes:
        lamps: (D,) float32 weights of the lamps alone, on the head's directions.
        ambient: light from everywhere. tilt: (3,), how much more of it comes from x, y and z.
    """

    lamps: np.ndarray
    ambient: float
    tilt: np.ndarray

    def weights(self, directions: np.ndarray) -> np.ndarray:
        """Return the weights (D,) of lamps and surroundings on directions (D, 3)."""
        everywhere = self.ambient * 4 / len(directions) * (1 + directions @ self.tilt)
        return (self.lamps + everywhere).astype(np.float32)


def draw_lamps(rng: np.random.Generator, directions: np.ndarray) -> Lamps:
    """Draw one to three lamps over dim, uneven surroundings, for directions (D, 3)."""
    total = np.zeros(len(directions))
    hard = rng.random() < HARD
    for number in range(1 if hard else int(rng.choice([1, 2, 3], p=LAMPS))):
        azimuth, elevation = _place(rng, key=number == 0)
        sharpness = np.exp(rng.uniform(*np.log(HARD_SHARPNESS if hard else SHARPNESS)))
        total += lobe(directions, azimuth, elevation, sharpness) * (
            1.0 if number == 0 else rng.uniform(0.1, 0.9)
        )
    ambient = float(np.exp(rng.uniform(*np.log(HARD_AMBIENT if hard else AMBIENT))))
    return Lamps(total.astype(np.float32), ambient, _tilt(rng))


def draw_flash(rng: np.random.Generator, directions: np.ndarray) -> Lamps:
    """Draw a flash beside the camera."""
    azimuth, elevation = rng.normal(0, 0.15, 2)
    light = lobe(directions, azimuth, elevation, 30.0)
    return Lamps(light.astype(np.float32), float(rng.uniform(0.02, 0.2)), np.zeros(3))


def mixed(first: Lamps, second: Lamps, share: float) -> Lamps:
    """Return the light on the way from one to another: 0 is the first, 1 the second."""
    ambient = (1 - share) * first.ambient + share * second.ambient
    # Each tilt belongs to its own surroundings.
    tilt = (1 - share) * first.ambient * first.tilt + share * second.ambient * second.tilt
    lamps = (1 - share) * first.lamps + share * second.lamps
    return Lamps(lamps.astype(np.float32), ambient, tilt / max(ambient, 1e-6))


def told_in_lightness(lamps: Lamps, directions: np.ndarray, level: float) -> tuple[np.ndarray, float]:
    """Return the nine numbers of some lamps, told in lightness, and the exposure that goes with them.

    Args:
        directions: (D, 3) of the head.
        level: the first of the nine numbers; less where the front of the ball would burn.

    Returns:
        (9,) float32, and by what (irradiance ** EXPONENT) is multiplied.
    """
    facing = np.maximum(sphere() @ directions.T.astype(np.float32), 0)
    shading = np.maximum(facing @ lamps.weights(directions), 1e-4) ** np.float32(EXPONENT)
    nine = fit(shading)
    brightest = float(np.partition(shading[_front()], _FRONT_RANK)[_FRONT_RANK])
    exposure = min(level / max(float(nine[0]), 1e-3), _BRIGHTEST / brightest)
    return (nine * np.float32(exposure)).astype(np.float32), exposure


def _front() -> np.ndarray:
    return sphere()[:, 1] < -0.1


_FRONT_RANK = int(0.98 * int((_front()).sum()))


def _place(rng: np.random.Generator, key: bool) -> tuple[float, float]:
    """Return azimuth (to the right) and elevation in radians."""
    if key and rng.random() < VERTICAL:
        return float(rng.normal(0, 0.2)), float(rng.uniform(-0.95, 1.35))
    draw = rng.random()
    azimuth = (
        rng.normal(0, 0.8) if draw < 0.45 else rng.uniform(-2.0, 2.0) if draw < 0.85 else rng.normal(0, 0.15)
    )
    elevation = rng.uniform(-0.9, 1.45) if rng.random() < 0.6 else rng.normal(0.3, 0.35)
    return float(azimuth), float(elevation)


def _tilt(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.4:
        return np.zeros(3)
    return np.array([rng.normal(0, 0.25), rng.normal(0, 0.2), rng.uniform(-0.5, 0.75)]).clip(-0.55, 0.75)


def lobe(directions: np.ndarray, azimuth: float, elevation: float, sharpness: float) -> np.ndarray:
    """Return weights (D,) that add up to 1 around a direction, angles in radians; exp(s (cos - 1))."""
    flat = np.cos(elevation)
    toward = np.array([np.sin(azimuth) * flat, -np.cos(azimuth) * flat, np.sin(elevation)])
    weights = np.exp(sharpness * (directions @ toward - 1))
    weights[weights < _FAINT * weights.max()] = 0
    return weights / weights.sum()
