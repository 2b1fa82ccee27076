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
from tf_relight.photo import copying
from tf_relight.photo.metadata import ForCopy, for_copy
from tf_relight.photo.picture import Picture, to_u8, to_u16

_WRITERS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
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


def write_picture(
    path: Path | str, picture: Picture, quality: int = 95, *, strip: bool = False
) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix; a failure leaves no file behind.

    PNG and TIFF keep 16 bits; PNG, TIFF, WebP and AVIF keep transparency, over white it goes in the others.
    Pixels are sRGB, without a profile. What the picture's file said beside its pixels (EXIF, XMP, IPTC,
    resolution, text) is written where the format has a place for it; see `metadata` for what is mended.

    Args:
        quality: 1..100 of JPEG, WebP and AVIF.
        strip: write nothing but pixels.

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
    pixels, alpha = picture.stored, picture.alpha
    if alpha is not None:
        pixels = picture.pixels
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
    copy = ForCopy() if strip else for_copy(picture.metadata, picture.size)
    # Encoded in memory: when the disk is full, both libraries' own file writers can lose the end silently.
    encoded, lost = _encode(samples, kind, quality, copy)
    notes += [f"{path.name}: {sentence}" for sentence in (*copy.notes, *lost)]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    return tuple(notes)


def _encode(samples: np.ndarray, kind: str, quality: int, copy: ForCopy) -> tuple[bytes, tuple[str, ...]]:
    """Return the file, and sentences without a subject about what found no place in it."""
    if kind == "TIFF":
        return copying.encode_tiff(samples, copy), ()
    if kind == "PNG":
        deep = samples.dtype == np.uint16
        encoded = _encode_16_bit_png(samples) if deep else _encode_8_bit(samples, kind, compress_level=4)
        return copying.png_with(encoded, copy), ()
    if kind == "JPEG":
        # Full colour resolution at high quality; halving it shows at coloured light edges.
        encoded = _encode_8_bit(samples, kind, quality=quality, subsampling=0 if quality >= 90 else 2)
        return copying.jpeg_with(encoded, copy)
    if kind == "BMP":
        lost = [name for name, part in _blocks(copy) if part]
        dpi = {"dpi": copy.dpi} if copy.dpi else {}
        return _encode_8_bit(samples, kind, **dpi), _without_place(kind, lost)
    blocks = {"exif": copying.exif_block(copy), "xmp": copy.xmp}
    given = {name: block for name, block in blocks.items() if block}
    lost = ["IPTC"] if copy.iptc else []
    return _encode_8_bit(samples, kind, quality=quality, **given), _without_place(kind, lost)


def _blocks(copy: ForCopy) -> tuple[tuple[str, object], ...]:
    return ("EXIF", len(copy.exif)), ("XMP", copy.xmp), ("IPTC", copy.iptc)


def _without_place(kind: str, lost: list[str]) -> tuple[str, ...]:
    return (f"{kind} has no place for its {' and '.join(lost)} data.",) if lost else ()


def _encode_16_bit_png(samples: np.ndarray) -> bytes:
    order = [2, 1, 0, 3][: samples.shape[2]]
    return cv2.imencode(".png", samples[..., order])[1].tobytes()


def _encode_8_bit(samples: np.ndarray, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, kind, **options)
    return stream.getvalue()
