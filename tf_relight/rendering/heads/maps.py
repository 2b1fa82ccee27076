"""A rendered head as compact maps, from which its picture under any light is one small product per pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.guarded.arrays import read_npz
from tf_relight.light.spherical_harmonics import shading
from tf_relight.rendering.primitives import project

NORMAL_STEPS = 32767  # a normal's component is kept as a 16-bit number
GLOSS_LOBE = np.array([1.0, 0.85, 0.85, 0.85, 0.6, 0.6, 0.6, 0.6, 0.6])  # how much a rough mirror keeps


@dataclass(frozen=True, eq=False)
class HeadMaps:
    """What the pictures of one head are made of.

    Attributes:
        normal: (3, H, W) int16, unit normals times NORMAL_STEPS; x right, y up, z toward the camera.
        albedo: (3, H, W) uint8, stored (sRGB-encoded) values.
        parts: (H, W) uint8, 0 for the background, else one of `head.PARTS`.
        depth: (H, W) float32, distance along the optical axis in half heights of the head; inf without a hit.
    """

    normal: np.ndarray
    albedo: np.ndarray
    parts: np.ndarray
    depth: np.ndarray

    def normals(self) -> np.ndarray:
        """(H, W, 3) float32 unit normals."""
        return np.ascontiguousarray(np.moveaxis(self._normals(), 0, -1))

    def shading(self, light: np.ndarray) -> np.ndarray:
        """Shading (H, W), or (H, W, 3) of a coloured light; float32, not clipped.

        Args:
            light: (9,) or (9, 3) coefficients in frame "dpr".
        """
        light = np.asarray(light, np.float64)
        normals = self._normals()
        if light.ndim == 1:
            return _shade(normals, light)
        return np.stack([_shade(normals, light[:, channel]) for channel in range(light.shape[1])], -1)

    def image(self, light: np.ndarray, gloss: float = 0.0) -> np.ndarray:
        """(H, W, 3) uint8 picture: stored albedo times shading, as DPR and SfSNet form it.

        Args:
            light: (9,) or (9, 3) coefficients in frame "dpr".
            gloss: strength of highlights, 0 for the exact product; 0.3 is oily skin.

        Source: Zhou et al., "Deep Single-Image Portrait Relighting", ICCV 2019, section 3; Sengupta et al.,
        "SfSNet", CVPR 2018, equation 1. Both multiply stored values, not linear ones.
        """
        factor = np.atleast_3d(self.shading(light))
        picture = np.moveaxis(self.albedo, 0, -1) * factor
        if gloss:
            picture = picture + 255 * gloss * np.atleast_3d(self._highlight(light))
        picture += np.float32(0.5)
        return np.clip(picture, 0, 255, out=picture).astype(np.uint8)

    def save(self, path: Path) -> None:
        """Write an uncompressed .npz without pickles.

        Raises:
            RelightError: the disk is full or the folder cannot be written.
        """
        arrays = {"normal": self.normal, "albedo": self.albedo, "parts": self.parts, "depth": self.depth}
        with atomic_path(path) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path, size: int) -> HeadMaps:
        """Read what `save` wrote.

        Raises:
            RelightError: the file is missing, damaged or of another size.
        """
        kinds = {
            "normal": (3, np.int16),
            "albedo": (3, np.uint8),
            "parts": (0, np.uint8),
            "depth": (0, np.float32),
        }
        try:
            arrays = read_npz(path, kinds, what="the maps", advice="delete it")
            for name, (channels, kind) in kinds.items():
                shape = (channels, size, size) if channels else (size, size)
                if arrays[name].shape != shape or arrays[name].dtype != kind:
                    raise ValueError(name)
            return cls(**arrays)
        except (RelightError, ValueError) as error:
            raise RelightError(
                f"{path} does not hold the maps of a head; delete it, and it is rendered again."
            ) from error

    def _normals(self) -> np.ndarray:
        return self.normal * np.float32(1 / NORMAL_STEPS)

    def _highlight(self, light: np.ndarray) -> np.ndarray:
        """Light that a rough mirror sends to the camera; nothing from the background, more at the rim."""
        normals = self._normals()
        mirrored = 2 * normals[2] * normals
        mirrored[2] -= 1
        light = np.asarray(light, np.float64)
        lobe = GLOSS_LOBE if light.ndim == 1 else GLOSS_LOBE[:, None]
        seen = replace(self, normal=np.rint(mirrored * NORMAL_STEPS).astype(np.int16))
        # Two orders cannot hold a sharp lobe; the third power narrows theirs.
        reflected = np.clip(seen.shading(light * lobe), 0, None) ** 3
        rim = 0.4 + 0.6 * (1 - np.clip(normals[2], 0, 1)) ** 5
        weight = rim * (self.parts > 0)
        return reflected * (weight if reflected.ndim == 2 else weight[..., None])


def pack_normals(normals: np.ndarray) -> np.ndarray:
    """(H, W, 3) unit normals -> the (3, H, W) int16 of `HeadMaps`."""
    return np.ascontiguousarray(np.moveaxis(np.rint(normals * NORMAL_STEPS).astype(np.int16), -1, 0))


def to_dpr(normals: np.ndarray) -> np.ndarray:
    """(..., 3) normals in picture axes (x right, y up, z toward the camera) -> frame "dpr"."""
    return np.stack([normals[..., 0], -normals[..., 2], normals[..., 1]], -1)


def _shade(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Shading (H, W) float32 of normals (3, H, W)."""
    curvature, slope, constant = quadratic_form(light)
    flat = normals.reshape(3, -1)
    inner = project(curvature.astype(np.float32), flat)
    inner += slope.astype(np.float32)[:, None]
    inner *= flat
    total = inner.sum(0)
    total += np.float32(constant)
    return total.reshape(normals.shape[1:])


def quadratic_form(light: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The (3, 3) matrix A of trace 0, the (3,) vector b and the number c of a light.

    Nine coefficients are a polynomial of second degree: shading(n) = n.(A n + b) + c for unit normals, and a
    picture costs one product with a 3 x 3 matrix. The values in 12 directions give A, b, c with no rounding
    beyond that of float64.

    Args:
        light: (9,) coefficients in frame "dpr"; A and b are in picture axes.
    """
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    axes = np.eye(3)
    diagonals = (axes[first] + axes[second]) / np.sqrt(2)
    directions = np.concatenate([axes, diagonals])
    ahead = shading(to_dpr(directions), light)
    behind = shading(to_dpr(-directions), light)
    even = (ahead + behind) / 2
    constant = even[:3].mean()
    curvature = np.diag(even[:3] - constant)
    mixed = even[3:] - (even[first] + even[second]) / 2
    curvature[first, second] = curvature[second, first] = mixed
    return curvature, (ahead[:3] - behind[:3]) / 2, float(constant)
