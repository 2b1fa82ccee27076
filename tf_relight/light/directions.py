"""Directions of light by angles and by everyday words, and rotations; frame "dpr": x right, y in, z up."""

from __future__ import annotations

import math

import numpy as np

from tf_relight.errors import RelightError, suggest


def direction(azimuth: float, elevation: float) -> np.ndarray:
    """Return the unit vector (3,) toward a light, frame "dpr"; angles in degrees."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return Rodrigues' (3, 3) rotation by an angle in radians about a unit axis (3,)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def shortest_arc(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the unit axis (3,) and the angle in radians that take one unit vector to another."""
    normal = np.cross(a, b)
    length = float(np.linalg.norm(normal))
    angle = math.atan2(length, float(a @ b))
    if length > 1e-6:
        return normal / length, angle
    # Opposite directions have no shortest arc: go around the vertical, or over the front from straight above.
    upright = np.array([0.0, 0.0, 1.0]) if abs(a[2]) < 0.99 else np.array([1.0, 0.0, 0.0])
    across = upright - (upright @ a) * a
    return across / np.linalg.norm(across), angle


SIDES: dict[str, tuple[float, float]] = {
    "front": (0, 0),
    "right": (90, 0),
    "left": (-90, 0),
    "behind": (180, 0),
    "above": (0, 90),
    "below": (0, -90),
    "front-right": (45, 0),
    "front-left": (-45, 0),
    "behind-right": (135, 0),
    "behind-left": (-135, 0),
    "upper-right": (45, 45),
    "upper-left": (-45, 45),
    "lower-right": (45, -45),
    "lower-left": (-45, -45),
}
"""Name to azimuth and elevation in degrees; right and left are those of the picture."""


def angles_from(side: str, up: float | None = None) -> tuple[float, float]:
    """Return azimuth and elevation in degrees of light from a side, raised by `up` degrees.

    Raises:
        RelightError: an unknown side, or one that says already how high the light is.
    """
    if side not in SIDES:
        raise RelightError(f"There is no side '{side}'.{suggest(side, SIDES)} Known: {', '.join(SIDES)}.")
    azimuth, elevation = SIDES[side]
    if up is None:
        return azimuth, elevation
    if elevation != 0:
        raise RelightError(
            f"--from {side} says already how high the light is. Leave out --up, or use --azimuth and "
            "--elevation."
        )
    return azimuth, up
