"""What stands behind a person: plain walls, soft clouds, blurred clutter."""

from __future__ import annotations

import cv2
import numpy as np

from tf_relight.rendering.humans.textures import smooth_noise


def draw_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a background (size, size, 3) float32, sRGB 0..1."""
    base, kind = rng.uniform(0.03, 0.97), rng.random()
    if kind < 0.3:
        level = base + _wall(rng, size)
    elif kind < 0.5:
        level = base + rng.uniform(0.05, 0.25) * smooth_noise(
            rng, (size, size), size * rng.uniform(0.08, 0.6)
        )
    else:
        level = _clutter(rng, size, base)
    level = level + rng.uniform(0, 0.012) * rng.normal(size=(size, size))
    tint = (
        rng.normal(0, 0.1, 3) + rng.normal(0, 0.05) * smooth_noise(rng, (size, size), size / 3, 2)[..., None]
    )
    return np.clip(level[..., None] * (1 + tint - tint.mean(axis=-1, keepdims=True)), 0, 1).astype(np.float32)


def _wall(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    turn, centre = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1, 2)
    slope = rng.uniform(-0.4, 0.4) * ((x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn))
    spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / rng.uniform(0.05, 0.4))
    return slope + rng.uniform(-0.3, 0.3) * spot


def _clutter(rng: np.random.Generator, size: int, base: float) -> np.ndarray:
    level = np.full((size, size), base, np.float32)
    for _ in range(int(rng.integers(4, 26))):
        mask = np.zeros((size, size), np.float32)
        corner, extent = rng.integers(0, size, 2), rng.integers(max(1, size // 20), size // 2, 2)
        kind = rng.random()
        if kind < 0.55:
            cv2.rectangle(mask, corner.tolist(), (corner + extent).tolist(), 1, -1)
        elif kind < 0.82:
            axes = np.maximum(extent // 2, 1).tolist()
            cv2.ellipse(mask, corner.tolist(), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        else:
            cv2.line(mask, corner.tolist(), rng.integers(0, size, 2).tolist(), 1, int(rng.integers(1, 12)))
        share = rng.uniform(0.3, 1) * mask
        level = level * (1 - share) + share * rng.uniform(0, 1)
    level += 0.04 * smooth_noise(rng, (size, size), size * rng.uniform(0.02, 0.15), 3)
    blur = float(rng.choice([0, rng.uniform(1, 4), rng.uniform(4, 16)])) * size / 256
    return cv2.GaussianBlur(level, (0, 0), blur) if blur > 0.3 else level
