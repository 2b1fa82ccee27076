"""Pictures: quantising, resizing, writing and listing; reading is in `picture.py`.

Inside the toolkit a picture is float32 RGB, sRGB-encoded, 0..1. This module also offers the names of
`picture.py` and `colour.py`, so that the rest of the package imports pictures from one place.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, features

from tf_relight.colour import (
    lab_to_rgb,
    linear_to_srgb,
    luminance,
    planckian_rgb,
    rgb_to_lab,
    srgb_to_linear,
)
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.picture import MAX_PIXELS, Picture, read_picture

__all__ = [
    "MAX_PIXELS",
    "READ_SUFFIXES",
    "WRITTEN_SUFFIXES",
    "Picture",
    "check_can_write",
    "lab_to_rgb",
    "linear_to_srgb",
    "list_pictures",
    "luminance",
    "planckian_rgb",
    "read_picture",
    "resize",
    "rgb_to_lab",
    "srgb_to_linear",
    "to_u16",
    "to_u8",
    "write_picture",
]

_WRITERS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}
WRITTEN_SUFFIXES = tuple(_WRITERS)
_LARGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_535}
READ_SUFFIXES = (*WRITTEN_SUFFIXES, ".gif")


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


def check_can_write(path: Path | str) -> str:
    """Return the format ("PNG", "JPEG", ...) that the suffix of `path` stands for.

    Raises:
        RelightError: the suffix is unknown, or this installation cannot write the format.
    """
    path = Path(path)
    kind = _WRITERS.get(path.suffix.lower())
    if kind is None:
        raise RelightError(
            f"Cannot tell the format of {path} from its ending. Use one of {', '.join(_WRITERS)}."
        )
    if kind == "AVIF" and not features.check("avif"):
        raise RelightError(f"Cannot write {path}: this Pillow has no AVIF. Choose .webp or .png.")
    return kind


def write_picture(path: Path | str, picture: Picture, quality: int = 95) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix; a failure leaves no file behind.

    PNG and TIFF keep 16 bits; PNG, TIFF, WebP and AVIF keep transparency, over white it goes in the others.
    Pixels are sRGB, without a profile. Metadata is not written: the orientation is in the pixels already.

    Args:
        quality: 1..100 of JPEG, WebP and AVIF.

    Returns:
        sentences about what the format could not keep.

    Raises:
        RelightError: unknown suffix, a folder that cannot be written, a full disk, a side too long for the
            format, or NaN in the pixels.
    """
    path = Path(path)
    kind = check_can_write(path)
    limit = _LARGEST_SIDE.get(kind)
    if limit and max(picture.size) > limit:
        raise RelightError(
            f"Cannot write {path}: {kind} has at most {limit} pixels a side. Use .png or .tif."
        )
    notes = []
    pixels, alpha = picture.pixels, picture.alpha
    if alpha is not None and kind in ("JPEG", "BMP"):
        pixels, alpha = pixels * alpha + (1 - alpha), None
        notes.append(f"{path.name}: {kind} has no transparency, the picture was laid over white.")
    if picture.bits == 16 and kind not in ("PNG", "TIFF"):
        notes.append(f"{path.name}: {kind} has 8 bits, the picture had 16.")
    deep = picture.bits == 16 and kind in ("PNG", "TIFF")
    try:
        samples = (to_u16 if deep else to_u8)(pixels if alpha is None else np.dstack([pixels, alpha]))
    except ValueError as error:
        raise RelightError(f"Cannot write {path}: the picture holds values that are not numbers.") from error
    # Encoded in memory: when the disk is full, both libraries' own file writers can lose the end silently.
    encoded = _encode_16_bit(samples, path.suffix.lower()) if deep else _encode_8_bit(samples, kind, quality)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    return tuple(notes)


def _encode_16_bit(samples: np.ndarray, suffix: str) -> bytes:
    order = [2, 1, 0, 3][: samples.shape[2]]
    return cv2.imencode(suffix, samples[..., order])[1].tobytes()


def _encode_8_bit(samples: np.ndarray, kind: str, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, kind, **_save_options(kind, quality))
    return stream.getvalue()


def _save_options(kind: str, quality: int) -> dict[str, Any]:
    if kind == "JPEG":
        # Full colour resolution at high quality; halving it shows at coloured light edges.
        return {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    if kind == "PNG":
        return {"compress_level": 4}
    if kind == "TIFF":
        return {"compression": "tiff_adobe_deflate"}
    return {"quality": quality} if kind in ("WEBP", "AVIF") else {}


def list_pictures(paths: Iterable[Path | str]) -> list[Path]:
    """Return the picture files that `paths` name: files as they are, folders one level deep, sorted.

    A file is taken whatever its ending, since the content decides; in folders the ending decides, and hidden
    files (also the "._" twins macOS writes) are left out. Nothing is listed twice.

    Raises:
        RelightError: a path does not exist, or a folder holds no picture.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise RelightError(f"There is no file or folder {path}. Check the name.")
        if not path.is_dir():
            found[path] = None
            continue
        try:
            entries = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in READ_SUFFIXES)
        except OSError as error:
            raise RelightError(f"Cannot list the folder {path}: {error.strerror}.") from error
        pictures = [entry for entry in entries if not entry.name.startswith(".") and entry.is_file()]
        if not pictures:
            raise RelightError(f"The folder {path} holds no pictures ({', '.join(READ_SUFFIXES)}).")
        found.update(dict.fromkeys(pictures))
    return list(found)
