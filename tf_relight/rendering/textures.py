"""Procedural surface detail: tileable 3-D noise with exact gradients, and brick-like tilings."""

from __future__ import annotations

from functools import cache

import numpy as np

BLOCK = 8192  # points read at a time, so that they stay in the cache


class NoiseVolume:
    """Fractal noise on a periodic grid, made in the frequency domain; value and gradient are read together.

    Args:
        cells: grid points along each axis of one period.
        slope: spectral power falls as frequency ** -slope; more is smoother.
        lowest: frequencies below this many waves per period are left out.
        seed: of the random phases.
    """

    def __init__(self, cells: int, slope: float, lowest: float, seed: int):
        white = np.random.default_rng(seed).standard_normal((cells, cells, cells)).astype(np.float32)
        waves = np.fft.fftfreq(cells, 1 / cells)
        half_waves = np.fft.rfftfreq(cells, 1 / cells)
        axes = np.meshgrid(waves, waves, half_waves, indexing="ij", sparse=True)
        frequency = np.sqrt(sum(axis * axis for axis in axes))
        kept = (frequency >= lowest) & (frequency <= cells / 2.2)
        amplitude = np.where(kept, np.maximum(frequency, 1e-6) ** (-slope / 2 - 0.5), 0)
        spectrum = np.fft.rfftn(white) * amplitude
        shape = (cells, cells, cells)
        value = np.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2))
        slopes = [np.fft.irfftn(2j * np.pi * axis * spectrum, s=shape, axes=(0, 1, 2)) for axis in axes]
        self.cells = cells
        # Row i holds value, d/dx, d/dy, d/dz of one grid point; unit variance of the value.
        self.table = (np.stack([value, *slopes], -1) / value.std()).astype(np.float32).reshape(-1, 4)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Trilinear (N, 4) value and gradient at points (N, 3); one period is the unit cube."""
        total = np.empty((len(points), 4), np.float32)
        for start in range(0, len(points), BLOCK):
            total[start : start + BLOCK] = self._read(points[start : start + BLOCK])
        return total

    def _read(self, points: np.ndarray) -> np.ndarray:
        position = points.T * np.float32(self.cells)
        floor = np.floor(position)
        weight = position - floor
        low = floor.astype(np.int32) % self.cells
        strides = np.array([[self.cells * self.cells], [self.cells], [1]], np.int32)
        corners = (low * strides, (low + 1) % self.cells * strides)
        weights = (1 - weight, weight)
        total = np.zeros((len(points), 4), np.float32)
        for i in (0, 1):
            for j in (0, 1):
                row = corners[i][0] + corners[j][1]
                share = weights[i][0] * weights[j][1]
                for k in (0, 1):
                    values = self.table.take(row + corners[k][2], axis=0)
                    values *= (share * weights[k][2])[:, None]
                    total += values
        return total


@cache
def coarse_noise() -> NoiseVolume:
    """Slow stains and large bumps."""
    return NoiseVolume(cells=48, slope=2.4, lowest=1, seed=11)


@cache
def fine_noise() -> NoiseVolume:
    """Grain and roughness."""
    return NoiseVolume(cells=64, slope=1.5, lowest=6, seed=12)


def tiling(
    points: np.ndarray,
    normals: np.ndarray,
    tile: tuple[float, float],
    joint: float,
    staggered: bool,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Bricks, tiles or planks on the face plane of every point.

    Args:
        points, normals: (N, 3) in object axes; the pattern lies across the largest normal component.
        tile: width and height of one tile, metres.
        joint: width of the gap between tiles, metres; 0 leaves the width undivided.
        staggered: shift every second row by half a tile.
        seed: of the brightness of single tiles.

    Returns:
        in_joint: (N,) bool, and tone: (N,) a random number -1..1 for each tile.
    """
    axis = np.abs(normals).argmax(1)
    across = np.where(axis == 0, points[:, 1], points[:, 0]) / np.float32(tile[0])
    up = np.where(axis == 2, points[:, 1], points[:, 2]) / np.float32(tile[1])
    row = np.floor(up)
    if staggered:
        across = across + np.float32(0.5) * (row % 2)
    column = np.floor(across)
    edge_across = np.minimum(across - column, column + 1 - across) * np.float32(tile[0])
    edge_up = np.minimum(up - row, row + 1 - up) * np.float32(tile[1])
    in_joint = np.minimum(edge_across, edge_up) < joint / 2
    tone = np.modf(np.sin(row * 12.9898 + column * 78.233 + seed) * 43758.5453)[0]
    return in_joint, tone.astype(np.float32)
