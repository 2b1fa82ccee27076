"""What the frames of picture files say: JPEG segments, PNG chunks, colour boxes of AVIF and HEIC.

Read without decoding, and with limits, since strangers write them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_MOST_PARTS = 65_536  # segments before the pixels
_MOST_CHUNKS = 1 << 20  # pixels come in pieces of 8 KiB and more
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC_RESOURCE = 0x0404
PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass
class JpegParts:
    """A JPEG file taken apart.

    Attributes:
        plain: the file with only those segments that say how pixels are decoded, ICC profile included.
        exif, xmp, iptc, comment: the first block of each kind, without heading.
    """

    plain: bytes
    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""


def split_jpeg(data: bytes) -> JpegParts:
    """Take a JPEG apart; time and memory are bounded by its size, however many blocks it has.

    Raises:
        ValueError: more segments than any program writes.

    Source: ITU-T T.81, annex B.
    """
    parts = JpegParts(b"")
    kept = [data[:2]]
    place = 2
    for _ in range(_MOST_PARTS):
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        if place + 4 > len(data) or data[place] != 0xFF:
            break
        marker, (length,) = data[place + 1], struct.unpack_from(">H", data, place + 2)
        if marker == 0xDA or length < 2 or 0xD0 <= marker <= 0xD9:
            break
        end = place + 2 + length
        content = data[place + 4 : end]
        if marker == 0xE1 and content.startswith(_EXIF):
            parts.exif = parts.exif or content[len(_EXIF) :]
        elif marker == 0xE1 and content.startswith(_XMP):
            parts.xmp = parts.xmp or content[len(_XMP) :]
        elif marker == 0xED and content.startswith(_PHOTOSHOP):
            parts.iptc = parts.iptc or iptc_of(content[len(_PHOTOSHOP) :])
        elif marker == 0xFE:
            parts.comment = parts.comment or content
        elif not 0xE0 <= marker <= 0xEF or marker in (0xE0, 0xEE) or content.startswith(_ICC):
            kept.append(data[place:end])
        place = end
    else:
        raise ValueError("too many segments before its pixels")
    kept.append(data[place:])
    parts.plain = b"".join(kept)
    return parts


def iptc_of(resources: bytes) -> bytes:
    """Return the IPTC block among Photoshop's image resources, b"" when there is none."""
    place = 0
    while place + 12 <= len(resources) and resources[place : place + 4] == b"8BIM":
        (kind,) = struct.unpack_from(">H", resources, place + 4)
        name = resources[place + 6] + 1
        place += 6 + name + name % 2
        if place + 4 > len(resources):
            break
        (size,) = struct.unpack_from(">I", resources, place)
        if kind == _IPTC_RESOURCE:
            return resources[place + 4 : place + 4 + size]
        place += 4 + size + size % 2
    return b""


def photoshop_block(iptc: bytes) -> bytes:
    """Return the content of a JPEG's APP13 segment that holds IPTC records."""
    resource = b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    return _PHOTOSHOP + resource


@dataclass
class PngParts:
    """What a PNG says around its pixels.

    Attributes:
        chunks: names of all chunks before the pixels, with the content of those that were wanted.
        whole: whether its end mark was reached.
    """

    width: int
    height: int
    bits: int
    colour: int
    chunks: dict[bytes, bytes]
    whole: bool = False

    def is_more_than(self, length: int) -> bool:
        """Whether so many bytes cannot hold its pixels: Deflate packs 1032 bytes into one at most."""
        samples = {2: 3, 4: 2, 6: 4}.get(self.colour, 1)
        return self.width * self.height * samples * self.bits // 8 > 1040 * length


def scan_png(stream: BinaryIO, wanted: tuple[bytes, ...]) -> PngParts:
    """Walk over the chunks of a PNG.

    Raises:
        ValueError: not a PNG, a chunk that is longer than the file, for which decoders would reserve memory,
            or more chunks than any program writes.
    """
    end = stream.seek(0, 2)
    stream.seek(0)
    start = stream.read(33)
    if not start.startswith(PNG_START) or len(start) < 33:
        raise ValueError("no PNG heading")
    width, height = struct.unpack(">II", start[16:24])
    parts = PngParts(width, height, start[24], start[25], {})
    place, in_pixels = 33, False
    for _ in range(_MOST_CHUNKS):
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            return parts
        length, name = struct.unpack(">I4s", head)
        place += 12 + length
        if name == b"IEND":
            parts.whole = True
            return parts
        if place > end:
            raise ValueError("a chunk goes on behind the end of the file")
        in_pixels = in_pixels or name == b"IDAT"
        if not in_pixels and parts.chunks.get(name, b"") == b"":
            parts.chunks[name] = stream.read(length) if name in wanted and length <= 1 << 20 else b""
    raise ValueError("too many chunks")


def find_nclx(stream: BinaryIO) -> tuple[int, int] | None:
    """Return colour primaries and transfer of an AVIF or HEIC file (H.273), or None when it names none.

    Source: ISO/IEC 14496-12, section 12.1.5, and 23008-12, section 9.3.
    """
    stream.seek(0)
    place = 0
    for _ in range(64):
        stream.seek(place)
        head = stream.read(16)
        if len(head) < 8:
            return None
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
        if name == b"meta":
            stream.seek(place)
            return _nclx_in(stream.read(min(size or 1 << 20, 1 << 20)))
        if size < 8:
            return None
        place += size
    return None


def _nclx_in(meta: bytes) -> tuple[int, int] | None:
    area = (12, len(meta))
    for wanted in (b"iprp", b"ipco"):
        found = next((span for name, span in _boxes(meta, *area) if name == wanted), None)
        if found is None:
            return None
        area = found
    for name, (start, end) in _boxes(meta, *area):
        if name == b"colr" and meta[start : start + 4] == b"nclx" and end - start >= 10:
            primaries, transfer = struct.unpack_from(">HH", meta, start + 4)
            return primaries, transfer
    return None


def _boxes(data: bytes, start: int, end: int) -> list[tuple[bytes, tuple[int, int]]]:
    found: list[tuple[bytes, tuple[int, int]]] = []
    while start + 8 <= end and len(found) < 4096:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            break
        found.append((name, (start + 8, start + size)))
        start += size
    return found
