"""Directions and rotations in frame "dpr": x right, y into the picture, z up."""

from __future__ import annotations

import math

import numpy as np


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
