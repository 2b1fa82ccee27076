"""A picture in memory: float32 RGB, sRGB-encoded, 0..1; rounding and resizing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

from tf_relight.photo.metadata import Metadata

_INVISIBLE = 0.5 / 255  # alpha below half an 8-bit step


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    Attributes:
        pixels: (H, W, 3) float32 RGB, sRGB-encoded, 0..1, the right way up.
        alpha: (H, W, 1) float32 0..1, 1 = opaque, or None.
        bits: 8 or 16, the precision of the file it came from.
        notes: sentences about what was left out on reading, for the user.
        metadata: what the file says beside the pixels; kept when the picture is written.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    notes: tuple[str, ...] = ()
    metadata: Metadata = Metadata()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        """Return a copy with other pixels of the same size, and the same alpha, bits and metadata.

        The metadata of a file remembers that its pixels were changed.
        """
        if pixels.shape != self.pixels.shape:
            raise ValueError(f"pixels of shape {pixels.shape} do not fit a picture of {self.pixels.shape}")
        changed = replace(self.metadata, changed=True)
        return replace(self, pixels=np.asarray(pixels, dtype=np.float32), metadata=changed)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of pixels (H, W, ...) the right way up.

    Args:
        orientation: EXIF's 1..8; of 5..8 height and width change places. Other numbers change nothing.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def hidden_filled(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return pixels (H, W, 3) with the colours that alpha (H, W, 1) hides replaced by a neutral one.

    It is the mean of the visible colours, rounded to 8 bits. So what nobody can see cannot steer what finds
    faces and relights them. Where alpha hides the whole picture, it was hardly meant, and all colours stay.
    """
    hidden = alpha < _INVISIBLE
    if not hidden.any() or hidden.all():
        return pixels
    weight = np.where(hidden, 0, alpha).astype(np.float64)[..., 0]
    mean = [float(np.vdot(weight, pixels[..., i])) / float(weight.sum()) for i in range(3)]
    fill = np.rint(np.array(mean) * 255).astype(np.float32) / np.float32(255)
    return np.where(hidden, fill, pixels)


def to_u8(values: np.ndarray) -> np.ndarray:
    """Return uint8 of values in 0..1: clipped, times 255, rounded.

    Raises:
        ValueError: a value is not a number.
    """
    return _quantise(values, np.uint8)


def to_u16(values: np.ndarray) -> np.ndarray:
    """Return uint16 of values in 0..1: clipped, times 65535, rounded. Raises ValueError on NaN."""
    return _quantise(values, np.uint16)


def _quantise(values: np.ndarray, kind: type[np.unsignedinteger[Any]]) -> np.ndarray:
    scaled = np.clip(np.asarray(values, dtype=np.float32), 0, 1)
    if np.isnan(np.min(scaled, initial=0)):
        raise ValueError("picture holds values that are not numbers (NaN)")
    scaled *= np.iinfo(kind).max
    return np.rint(scaled, out=scaled).astype(kind)


def resize(
    pixels: np.ndarray,
    size: tuple[int, int],
    how: Literal["auto", "area", "linear", "cubic", "nearest"] = "auto",
) -> np.ndarray:
    """Return a float32 or uint8 picture (H, W) or (H, W, C), C <= 4, at another size.

    Args:
        size: new (height, width), each at least 1.
        how: "auto" averages over areas along a side that shrinks and interpolates linearly along one that
            grows; the others are OpenCV's rules of that name.
    """
    height, width = size
    if how == "auto":
        small = min(height, pixels.shape[0]), min(width, pixels.shape[1])
        shrunk = resize(pixels, small, "area") if small != pixels.shape[:2] else pixels
        return resize(shrunk, size, "linear") if small != (height, width) else shrunk.copy()
    rule = {
        "area": cv2.INTER_AREA,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "nearest": cv2.INTER_NEAREST,
    }[how]
    result = cv2.resize(pixels, (width, height), interpolation=rule)
    return result.reshape(height, width, *pixels.shape[2:])  # OpenCV drops a last axis of length 1
