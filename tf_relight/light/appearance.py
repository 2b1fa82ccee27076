"""Showing a light: as a ball under it, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tf_relight.light import lightness_light
from tf_relight.light import spherical_harmonics as sh

if TYPE_CHECKING:
    from tf_relight.light.light import Light

EVEN_CONTRAST = 0.05
"""Below it a light has no direction worth naming."""
BALL_REFLECTANCE = 0.5
"""Of the ball; usual lights then stay below white."""
_AROUND = "the camera,the front right,the right,behind right,behind,behind left,the left,the front left"


def ball(light: Light, size: int, paper: bool) -> np.ndarray:
    """Return the picture of `Light.sphere`."""
    x, z = np.meshgrid(np.linspace(-1, 1, size), np.linspace(1, -1, size))
    inside = np.sqrt(x**2 + z**2) <= 1
    x, z = x * inside, z * inside
    y = -np.sqrt(1 - x**2 - z**2) * inside
    normals = np.stack([x, y, z], axis=-1)
    if paper:
        return _paper_sphere(sh.shading(normals, light.grey("lightness")), inside)
    from tf_relight.photo.colour import linear_to_srgb

    received = np.maximum(sh.shading(normals, light.coefficients), 0)
    if light.domain == "lightness":
        received = received ** (1 / lightness_light.EXPONENT)
    reflected = BALL_REFLECTANCE * received
    encoded = np.clip(linear_to_srgb(reflected), 0, 1)
    return np.round(encoded * inside[..., None] * 255).astype(np.uint8)


def describe(light: Light) -> str:
    """Return in words where a light comes from, for example "from the front left, 30 degrees up (...)"."""
    if light.contrast < EVEN_CONTRAST:
        return "even light from all around"
    azimuth, elevation = light.angles
    where = "straight above" if elevation > 75 else "straight below" if elevation < -75 else ""
    if not where:
        where = _AROUND.split(",")[round(azimuth / 45) % 8]
        if abs(elevation) >= 10:
            where += f", {abs(elevation):.0f} degrees {'up' if elevation > 0 else 'down'}"
    return (
        f"from {where} (azimuth {azimuth:.0f}, elevation {elevation:.0f}), contrast {light.contrast:.2f}, "
        f"brightness {light.luminance[0]:.2f}"
    )


def _paper_sphere(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    values = np.minimum(values, np.percentile(values, 95))
    spread = values.max() - values.min()
    # The demo divides by zero under even light; nothing can be stretched then, so the ball is plain grey.
    flat = spread <= 1e-9 * abs(values.max())
    stretched = np.full_like(values, 0.5) if flat else (values - values.min()) / spread
    grey = (stretched * 255.0).astype(np.uint8) * inside.astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
