"""Textures: reading, and looking up colours at texture coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tf_relight.rendering.humans.assets import AssetError, asset_bytes

_ROW = 1024  # OpenCV's remap takes pictures of up to 32767 rows and columns


def _linear_table() -> np.ndarray:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


TO_LINEAR = _linear_table()
"""sRGB byte to linear light 0..1, (256,) float32."""


@dataclass(frozen=True, eq=False)
class Texture:
    """A texture.

    Attributes:
        colour: (H, W, 3) uint8 sRGB. alpha: (H, W) uint8, 255 opaque.
    """

    colour: np.ndarray
    alpha: np.ndarray

    def at(self, uv: np.ndarray) -> np.ndarray:
        """Return linear RGB (N, 3) float32 at texture coordinates (N, 2)."""
        return TO_LINEAR[look_up(self.colour, uv)]

    def alpha_at(self, uv: np.ndarray) -> np.ndarray:
        """Return the opacity (N,) float32 0..1."""
        return look_up(self.alpha, uv).astype(np.float32) / 255


def read_texture(path: Path, side: int) -> Texture:
    """Read a PNG and shrink it to at most `side` pixels.

    Raises:
        AssetError: the file cannot be decoded.
    """
    picture = cv2.imdecode(np.frombuffer(asset_bytes(path) or b"\0", np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim not in (2, 3) or picture.dtype != np.uint8:
        raise AssetError(f"{path} is not a readable 8-bit picture.")
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    alpha = picture[..., 3] if picture.shape[2] == 4 else np.full(picture.shape[:2], 255, np.uint8)
    colour = np.ascontiguousarray(picture[..., 2::-1])
    if max(picture.shape[:2]) > side:
        colour = cv2.resize(colour, (side, side), interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(np.ascontiguousarray(alpha), (side, side), interpolation=cv2.INTER_AREA)
    return Texture(colour, np.ascontiguousarray(alpha))


def look_up(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Return a texture's values (N, ...) at texture coordinates (N, 2), which repeat outside 0..1."""
    height, width = texture.shape[:2]
    count = len(uv)
    padding = -count % _ROW
    x = np.mod(uv[:, 0], 1) * width - 0.5
    y = (1 - np.mod(uv[:, 1], 1)) * height - 0.5
    across, down = (np.pad(a.astype(np.float32), (0, padding)).reshape(-1, _ROW) for a in (x, y))
    found = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(-1, *texture.shape[2:])[:count]


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, octaves: int = 4
) -> np.ndarray:
    """Return noise (H, W) float32 of about unit variance.

    Args:
        scale: size in pixels of its largest spots. octaves: each half as large as the one before, weight 0.6.
    """
    height, width = shape
    total, weight, power = np.zeros(shape, np.float32), 1.0, 0.0
    for _ in range(octaves):
        step = max(2, round(scale))
        grid = rng.normal(size=(max(2, height // step + 2), max(2, width // step + 2))).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        power += weight**2
        scale, weight = scale / 2, weight * 0.6
        if scale < 1:
            break
    return total / np.float32(np.sqrt(power))
