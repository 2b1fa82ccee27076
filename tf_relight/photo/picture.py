"""A picture in memory: RGB, sRGB-encoded, kept as it was stored; rounding and resizing."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

from tf_relight.photo.metadata import Metadata

_INVISIBLE = 0.5 / 255  # alpha below half an 8-bit step
LONGEST_SHOWN = 1024
"""Pixels along the long side of what a notebook shows; a notebook keeps it inside its file."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    Pixels of 8 and 16 bits take a quarter and a half of the memory of floating point numbers, so large
    pictures are worked on as they are stored, a few rows at a time.

    Attributes:
        stored: (H, W, 3) RGB, sRGB-encoded, the right way up: float32 0..1, uint8 or uint16.
        alpha: (H, W, 1) float32 0..1, 1 = opaque, or None.
        bits: 8 or 16, the precision of the file it came from.
        notes: sentences about what was left out on reading, for the user.
        metadata: what the file says beside the pixels; kept when the picture is written.
    """

    stored: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    notes: tuple[str, ...] = ()
    metadata: Metadata = Metadata()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The pixels, for NumPy."""
        return np.array(self.pixels, dtype=dtype or np.float32)

    def _repr_png_(self) -> bytes:
        return png_of(self.stored, self.alpha)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.stored.shape[0], self.stored.shape[1]

    @property
    def pixels(self) -> np.ndarray:
        """The pixels as float32 0..1; of 8 and 16 bits a copy, made at each look."""
        return as_float(self.stored)

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        """Return a copy with other pixels of the same size, and the same alpha, bits and metadata.

        The metadata of a file remembers that its pixels were changed.
        """
        if pixels.shape != self.stored.shape:
            raise ValueError(f"pixels of shape {pixels.shape} do not fit a picture of {self.stored.shape}")
        stored = pixels if is_stored(pixels) else np.asarray(pixels, dtype=np.float32)
        return replace(self, stored=stored, metadata=replace(self.metadata, changed=True))


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


def is_stored(pixels: np.ndarray) -> bool:
    """Whether pixels are of 8 or 16 bits, and not floating point numbers."""
    return pixels.dtype in (np.uint8, np.uint16)


def as_float(pixels: np.ndarray) -> np.ndarray:
    """Return pixels of 8 or 16 bits as float32 0..1; others as they are."""
    if not is_stored(pixels):
        return pixels
    return np.divide(pixels, np.float32(np.iinfo(pixels.dtype).max), dtype=np.float32)


def stored_as(values: np.ndarray, kind: np.dtype[Any]) -> np.ndarray:
    """Return values 0..1 as uint8 or uint16 if `kind` is one of them, else as float32."""
    if kind == np.uint8:
        return to_u8(values)
    return to_u16(values) if kind == np.uint16 else np.asarray(values, np.float32)


def to_u8(values: np.ndarray) -> np.ndarray:
    """Return uint8 of values in 0..1: clipped, times 255, rounded. What is uint8 stays.

    Raises:
        ValueError: a value is not a number.
    """
    return _quantise(values, np.uint8)


def to_u16(values: np.ndarray) -> np.ndarray:
    """Return uint16 of values in 0..1: clipped, times 65535, rounded; uint16 stays. ValueError on NaN."""
    return _quantise(values, np.uint16)


def _quantise(values: np.ndarray, kind: type[np.unsignedinteger[Any]]) -> np.ndarray:
    if values.dtype == kind:
        return values
    scaled = np.clip(as_float(values).astype(np.float32, copy=False), 0, 1)
    if np.isnan(np.min(scaled, initial=0)):
        raise ValueError("picture holds values that are not numbers (NaN)")
    scaled *= np.iinfo(kind).max
    return np.rint(scaled, out=scaled).astype(kind)


def shrunk(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return pixels (H, W, C), float 0..1, uint8 or uint16, as float32 0..1 at a size no larger."""
    if not is_stored(pixels):
        return resize(np.ascontiguousarray(pixels, np.float32), size)
    # Averages of whole numbers are rounded; twice the size wanted leaves only a fraction of a step of that.
    height, width = (min(2 * small, large) for small, large in zip(size, pixels.shape[:2], strict=True))
    return resize(as_float(resize(np.ascontiguousarray(pixels), (height, width))), size)


def resize(
    pixels: np.ndarray,
    size: tuple[int, int],
    how: Literal["auto", "area", "linear", "cubic", "nearest"] = "auto",
) -> np.ndarray:
    """Return a float32, uint8 or uint16 picture (H, W) or (H, W, C), C <= 4, at another size.

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


def png_of(pixels: np.ndarray, alpha: np.ndarray | None = None, longest: int = LONGEST_SHOWN) -> bytes:
    """Return a PNG of a picture (H, W, 3) float 0..1, uint8 or uint16, made smaller if it is large.

    Args:
        alpha: (H, W, 1) float 0..1, or None.
    """
    scale = min(1.0, longest / max(pixels.shape[:2]))
    if scale < 1:
        size = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
        pixels = shrunk(pixels, size)
        alpha = None if alpha is None else shrunk(alpha, size).reshape(*size, 1)
    shown = to_u8(pixels)[..., ::-1]
    if alpha is not None:
        shown = np.concatenate([shown, to_u8(alpha)], axis=-1)
    good, coded = cv2.imencode(".png", np.ascontiguousarray(shown))
    assert good, "PNG takes every picture of bytes"
    return coded.tobytes()


def data_url(png: bytes) -> str:
    """Return a PNG as an address that stands inside a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
