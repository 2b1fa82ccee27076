"""Random lights as portraits meet them: DPR's prior, without its collection of environment maps."""

from __future__ import annotations

from functools import cache

import numpy as np

from tf_relight.light.lamps import LUMINANCE
from tf_relight.light.spherical_harmonics import basis

FIRST_COEFFICIENT = (0.7, 0.9)  # of DPR's training lights
DIRECTEDNESS = (0.32, 0.76)  # |L1..L3| / L0: 0.32-0.55 in DPR's training lights, 0.76 in its demo lights
KEY_ELEVATION = (32.0, 24.0)  # degrees, mean and spread
TINT_AXIS = np.array([1.0, 0.0, -1.0])  # from cool to warm
_MAX_TRIES = 1000
# Directions 0.06 radians apart; between them shading falls by less than this share of the mean.
_DIRECTIONS, _BETWEEN = 2048, 0.01


def sample_light(rng: np.random.Generator, coloured: bool = False) -> np.ndarray:
    """Draw a light.

    One to three soft lamps and light from everywhere, more of it from above, turned about the vertical by a
    random angle; the first coefficient is in FIRST_COEFFICIENT, the share of the first order in DIRECTEDNESS,
    and no direction is lit negatively.

    Args:
        rng: where the numbers come from.
        coloured: give lamps and surroundings different tints.

    Returns:
        (9,) float32 coefficients in frame "dpr", or (9, 3) where coloured; `luminance` of these is in the
        ranges above.

    Source: Zhou et al., "Deep Single-Image Portrait Relighting", ICCV 2019, section 3 (random rotation about
    the vertical, the range of the first coefficient). Differs: lamps are drawn instead of taken from a
    collection of environment maps.
    """
    directedness = rng.uniform(*DIRECTEDNESS)
    for _ in range(_MAX_TRIES):
        light = _lamps(rng, coloured)
        grey = light @ LUMINANCE
        strength = np.linalg.norm(grey[1:4]) / grey[0]
        if strength <= directedness:  # lamps that cancel each other; more ambient light would not help
            continue
        # Light from everywhere only adds to the first coefficient.
        surroundings = np.clip(1 + rng.normal(0, 0.03) * TINT_AXIS, 0.5, 1.5) if coloured else np.ones(3)
        light[0] += grey[0] * (strength / directedness - 1) * surroundings / (surroundings @ LUMINANCE)
        if _lights_everything(light):
            light *= rng.uniform(*FIRST_COEFFICIENT) / (light[0] @ LUMINANCE)
            return (light if coloured else light @ LUMINANCE).astype(np.float32)
    raise RuntimeError("no light found")  # one draw in twenty is refused


def _lamps(rng: np.random.Generator, coloured: bool) -> np.ndarray:
    """(9, 3) coefficients of one to three soft lamps and a sky."""
    turn = rng.uniform(0, 2 * np.pi)
    light = np.zeros((9, 3))
    for number in range(rng.integers(1, 4)):
        azimuth = turn + (0 if number == 0 else rng.uniform(0, 2 * np.pi))
        elevation = np.radians(np.clip(rng.normal(*KEY_ELEVATION), -40, 85))
        softness = rng.uniform(0.5, 1.0)
        power = 1.0 if number == 0 else rng.uniform(0.1, 0.6)
        tint = np.clip(1 + rng.normal(0, 0.10) * TINT_AXIS, 0.5, 1.5) if coloured else np.ones(3)
        light += power * np.outer(_lamp(azimuth, elevation, softness), tint / (tint @ LUMINANCE))
    sky = _lamp(0, np.pi / 2, 0.3)
    sky_tint = np.clip(1 + rng.normal(-0.05, 0.08) * TINT_AXIS, 0.5, 1.5) if coloured else np.ones(3)
    return light + rng.uniform(0, 0.5) * np.outer(sky, sky_tint / (sky_tint @ LUMINANCE))


def _lamp(azimuth: float, elevation: float, softness: float) -> np.ndarray:
    """(9,) coefficients of a lamp; a soft one has less in the higher orders."""
    flat = np.cos(elevation)
    direction = np.array([np.sin(azimuth) * flat, -np.cos(azimuth) * flat, np.sin(elevation)])
    # A lamp broadened by a smooth kernel keeps the share k of order 1 and k**3 of order 2.
    keep = np.array([1.0] + [softness] * 3 + [softness**3] * 5)
    return basis(direction, attenuated=False) * keep


def _lights_everything(light: np.ndarray) -> bool:
    """Whether no surface is lit negatively; `smallest_shading` is exact but takes a hundred times as long."""
    return bool((_probe() @ light > _BETWEEN * light[0]).all())


@cache
def _probe() -> np.ndarray:
    """(_DIRECTIONS, 9) harmonics at directions on a spiral around the sphere."""
    number = np.arange(_DIRECTIONS) + 0.5
    height, turn = 1 - 2 * number / _DIRECTIONS, number * np.pi * (1 + np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    return basis(np.stack([ring * np.cos(turn), ring * np.sin(turn), height], -1))
