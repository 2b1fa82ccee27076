"""Writing a picture to a file, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, features

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.photo.picture import Picture, to_u8, to_u16

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
