"""A light as a network that relights lightness wants it: nine numbers fitted in lightness, and back.

A light is physical: linear irradiance. A network such as DPR's multiplies lightness (L of Lab), which is
about linear light to the power `EXPONENT`. A shading of 0.1 beside 1.0 is 0.38 beside 1.0 in lightness, so
the harmonics of linear irradiance make every lamp too hard and too dark for it. The nine numbers here are the
least-squares fit, over the whole sphere, of a ball's shading to that power.

Directions and normals are in frame "dpr" of `spherical_harmonics`: x right, y into the picture, z up.
"""

from __future__ import annotations

import functools

import numpy as np

from tf_relight.light.spherical_harmonics import basis

EXPONENT = 0.42
"""Lightness is linear light to about this power: L / 100 of Lab within 0.02 between 0.03 and 1."""
SPHERE_POINTS = 1024


@functools.cache
def sphere() -> np.ndarray:
    """Return the unit normals (1024, 3) float32 that shadings of the ball are told at, spread evenly."""
    number = np.arange(SPHERE_POINTS) + 0.5
    z, turn = 1 - 2 * number / SPHERE_POINTS, np.pi * (1 + np.sqrt(5)) * number
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1).astype(np.float32)


@functools.cache
def shading_matrix(dtype: np.dtype) -> np.ndarray:
    """Return what makes the shading at `sphere()` of nine numbers, (1024, 9)."""
    return basis(sphere().astype(np.float64)).astype(dtype)


@functools.cache
def fit_matrix(dtype: np.dtype) -> np.ndarray:
    """Return what makes the nearest nine numbers of a shading at `sphere()`, (9, 1024)."""
    return np.linalg.pinv(shading_matrix(np.dtype(np.float64))).astype(dtype)


def _floats(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    return values if values.dtype == np.float64 else values.astype(np.float32)


def fit(shading: np.ndarray) -> np.ndarray:
    """Return the nine numbers (9,) or (9, C) nearest to a shading (1024,) or (1024, C) at `sphere()`.

    What is float64 stays float64, here and below; anything else becomes float32.
    """
    shading = _floats(shading)
    return fit_matrix(shading.dtype) @ shading


def shading_of(light: np.ndarray) -> np.ndarray:
    """Return the shading (1024,) or (1024, C) at `sphere()` of nine numbers (9,) or (9, C)."""
    light = _floats(light)
    return shading_matrix(light.dtype) @ light


def irradiance(directions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the linear irradiance of a ball at `sphere()`, nothing in the way.

    Args:
        directions: (D, 3) unit vectors toward lamps. weights: (D,) or (D, C), their strengths.

    Returns:
        (1024,) or (1024, C): the sum of weight times max(0, normal . direction).
    """
    facing = np.maximum(sphere() @ np.asarray(directions, np.float32).T, 0)
    return facing @ np.asarray(weights, np.float32)


def from_irradiance(linear: np.ndarray) -> np.ndarray:
    """Return the nine numbers, told in lightness, of a ball's linear irradiance at `sphere()`.

    Args:
        linear: (1024,) or (1024, C); negative values count as none.
    """
    linear = np.maximum(_floats(linear), 0)
    return fit(linear ** linear.dtype.type(EXPONENT))


def to_irradiance(light: np.ndarray) -> np.ndarray:
    """Return the ball's linear irradiance at `sphere()` of nine numbers told in lightness, the inverse."""
    shading = np.maximum(shading_of(light), 0)
    return shading ** shading.dtype.type(1 / EXPONENT)


def from_lamps(directions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the nine numbers, told in lightness, of lamps; arguments as of `irradiance`."""
    return from_irradiance(irradiance(directions, weights))


def from_linear(light: np.ndarray) -> np.ndarray:
    """Return linear nine numbers (9,) or (9, C) told in lightness."""
    return from_irradiance(shading_of(light))


def to_linear(light: np.ndarray) -> np.ndarray:
    """Return nine numbers told in lightness as linear ones: the inverse of `from_linear`, within the fit."""
    return fit(to_irradiance(light))
