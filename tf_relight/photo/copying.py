"""Putting metadata into encoded files: JPEG segments, PNG chunks, and whole TIFFs with their tags."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from itertools import accumulate

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tf_relight.photo import containers
from tf_relight.photo.metadata import MAKER_NOTE, ForCopy

_HEADING = b"Exif\0\0"
_LARGEST_SEGMENT = 65_533
_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_STRIP_BYTES = 1 << 18
_PER_METRE = 39.3701
_LONG_TEXT = 1 << 20


def exif_block(copy: ForCopy) -> bytes:
    """Return the EXIF data as a TIFF block, b"" when there is none."""
    return copy.exif.tobytes().removeprefix(_HEADING) if len(copy.exif) else b""


def jpeg_with(encoded: bytes, copy: ForCopy) -> tuple[bytes, tuple[str, ...]]:
    """Return a JPEG with metadata, and sentences without a subject about what found no place.

    Source: EXIF 2.32, section 4.7; XMP part 3, section 1.1.3; Adobe's image resource blocks.
    """
    notes = []
    exif = exif_block(copy)
    if len(exif) > _LARGEST_SEGMENT - 6 and _EXIF in copy.exif:
        copy.exif.get_ifd(_EXIF).pop(MAKER_NOTE, None)
        exif = exif_block(copy)
        notes.append("the camera's own notes in its EXIF data are too large for a JPEG and were left out.")
    blocks = [
        (0xE1, _HEADING, exif, "EXIF"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0", copy.xmp, "XMP"),
        (0xED, b"", containers.photoshop_block(copy.iptc) if copy.iptc else b"", "IPTC"),
        (0xFE, b"", copy.comment, "comment"),
    ]
    segments = b""
    for marker, heading, content, name in blocks:
        if not content:
            continue
        if len(heading) + len(content) > _LARGEST_SEGMENT:
            notes.append(f"its {name} data is too large for a JPEG and was left out.")
            continue
        segments += struct.pack(">BBH", 0xFF, marker, 2 + len(heading) + len(content)) + heading + content
    place = 2
    if encoded[2:4] == b"\xff\xe0":
        place += 2 + int.from_bytes(encoded[4:6], "big")
    head = bytearray(encoded[:place])
    if copy.dpi is not None and head[6:11] == b"JFIF\0":
        across, down = (min(max(round(value), 1), 65535) for value in copy.dpi)
        head[13:18] = struct.pack(">BHH", 1, across, down)
    return bytes(head) + segments + encoded[place:], tuple(notes)


def png_with(encoded: bytes, copy: ForCopy) -> bytes:
    """Return a PNG with metadata. Source: PNG, third edition, section 11.3; ImageMagick's IPTC in text."""
    chunks = []
    if copy.dpi is not None:
        across, down = (min(round(value * _PER_METRE), 2**31 - 1) for value in copy.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    exif = exif_block(copy)
    if exif:
        chunks.append((b"eXIf", exif))
    if copy.xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + copy.xmp))
    if copy.iptc:
        digits = copy.iptc.hex()
        lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
        profile = f"\niptc\n{len(copy.iptc):8d}\n{lines}\n".encode()
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(profile)))
    for key, words in copy.text:
        name = key.encode("latin-1", "ignore")[:79]
        if name and len(words) <= _LONG_TEXT:
            chunks.append((b"iTXt", name + b"\0\0\0\0\0" + words.encode("utf-8", "replace")))
    return encoded[:33] + b"".join(_chunk(*chunk) for chunk in chunks) + encoded[33:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def encode_tiff(samples: np.ndarray, copy: ForCopy) -> bytes:
    """Return a TIFF, compressed without loss.

    Args:
        samples: (H, W, 3) RGB or (H, W, 4) RGB and alpha that is not multiplied in, uint8 or uint16.
        copy: what it says beside the pixels.

    Source: TIFF 6.0; predictor 2, Deflate by Adobe's supplement 2.
    """
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // (width * channels * samples.itemsize))
    strips = [_compressed(samples[top : top + rows]) for top in range(0, height, rows)]
    directory = ImageFileDirectory_v2()
    for tag in copy.exif:
        directory[tag] = _written(copy.exif, tag)
    directory[256], directory[257] = width, height
    directory[258] = (8 * samples.itemsize,) * channels
    directory[259], directory[262], directory[277] = 8, 2, channels
    directory[278], directory[284], directory[317] = rows, 1, 2
    directory[339] = (1,) * channels
    if channels == 4:
        directory[338] = 2
    if copy.dpi is not None:
        directory[282], directory[283], directory[296] = *copy.dpi, 2
    for tag, block in ((700, copy.xmp), (33723, copy.iptc)):
        if block:
            directory.tagtype[tag] = 7 if tag == 33723 else 1
            directory[tag] = block
    for tag in (273, 279):
        directory.tagtype[tag] = 4
    directory[279] = tuple(map(len, strips))
    directory[273] = _offsets(strips)  # Pillow adds where the directory ends
    return b"II*\0\x08\0\0\0" + directory.tobytes(8) + b"".join(strips)


def _written(exif: Image.Exif, tag: int) -> object:
    if tag == _GPS:
        return exif.get_ifd(tag)
    if tag != _EXIF:
        return exif[tag]
    details = dict(exif.get_ifd(tag))
    if _INTEROPERABILITY in details:
        details[_INTEROPERABILITY] = exif.get_ifd(_INTEROPERABILITY)
    return details


def _offsets(strips: Iterable[bytes]) -> tuple[int, ...]:
    return tuple(accumulate((len(strip) for strip in strips), initial=0))[:-1]


def _compressed(strip: np.ndarray) -> bytes:
    """Return a strip of rows (h, W, C) as differences from the pixel to the left, packed."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    return zlib.compress(differences.astype(strip.dtype.newbyteorder("<")).tobytes(), 6)
