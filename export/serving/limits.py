"""What one request may ask for, and the size of a picture as its header tells it, before anything is decoded.

A few kilobytes of PNG can stand for gigabytes of pixels; the header says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from export.serving.refusals import Reason, Refusal, invalid

MAX_PIXELS = 50_000_000
_PNG, _RIFF = b"\x89PNG\r\n\x1a\n", b"RIFF"
_NO_SIZE_MARKERS = (0xC4, 0xC8, 0xCC)  # in the range of JPEG's frame headers, but tables
_ANIMATED = 2


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        max_pixels: of the pictures of one request together; also of a batch, unless one request fills it.
        max_batch: pictures in one request and in one batch.
        max_wait: seconds for which a batch waits for more pictures.
        max_queue: requests that wait for a batch; more are refused with 503 or RESOURCE_EXHAUSTED.
        max_body: bytes of one request.
        max_held: bytes of HTTP bodies being read or waiting, all requests together.
        read_timeout: seconds within which a request must have arrived, once it began.
        max_connections: HTTP connections and running gRPC calls, each.
        drain_timeout: seconds for which running requests are waited for at the end.
    """

    max_pixels: int = MAX_PIXELS
    max_batch: int = 8
    max_wait: float = 0.002
    max_queue: int = 64
    max_body: int = 64 << 20
    max_held: int = 512 << 20
    read_timeout: float = 30.0
    max_connections: int = 256
    drain_timeout: float = 30.0


def pixels_of_file(content: bytes, index: int, max_pixels: int) -> int:
    """Return the number of pixels that the header of a JPEG, PNG or WebP file gives.

    Args:
        index: of the picture in its request, for messages.

    Raises:
        Refusal: another kind of file, a header that is cut off, an animation, or too many pixels.
    """
    if content.startswith(b"\xff\xd8\xff"):
        size = _jpeg_size(content)
    elif content.startswith(_PNG):
        size = _png_size(content)
    elif content.startswith(_RIFF) and content[8:12] == b"WEBP":
        size = _webp_size(content)
        if content[12:16] == b"VP8X" and len(content) > 20 and content[20] & _ANIMATED:
            raise invalid(f"Picture {index} is an animation. Send one still picture.")
    else:
        raise invalid(
            f"Picture {index} is not a JPEG, PNG or WebP file. Send the bytes of the file as they are."
        )
    if size is None or 0 in size:
        raise invalid(f"Picture {index} is damaged or cut off: it tells no size. Send the whole file.")
    width, height = size
    if width * height > max_pixels:
        raise Refusal(
            Reason.TOO_LARGE,
            f"Picture {index} has {width} x {height} pixels, more than the limit of {max_pixels:,}. "
            "Make it smaller.",
        )
    return width * height


def _png_size(content: bytes) -> tuple[int, int] | None:
    if content[12:16] != b"IHDR" or len(content) < 24:
        return None
    return _big(content[16:20]), _big(content[20:24])


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return (width, height) from the first frame header. Source: ITU-T T.81, annex B."""
    place, end = 2, len(content)
    while place + 9 <= end and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE_MARKERS:
            return _big(content[place + 7 : place + 9]), _big(content[place + 5 : place + 7])
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # these have no length
            place += 2
        else:
            place += 2 + _big(content[place + 2 : place + 4])
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    """Return (width, height) of the three kinds of WebP. Source: RFC 9649, sections 2.5 to 2.7."""
    if len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        return _little(content[24:27]) + 1, _little(content[27:30]) + 1
    if kind == b"VP8L":
        bits = _little(content[21:25])
        return bits % 2**14 + 1, (bits >> 14) % 2**14 + 1
    if kind == b"VP8 ":
        return _little(content[26:28]) % 2**14, _little(content[28:30]) % 2**14
    return None


def _big(part: bytes) -> int:
    return int.from_bytes(part, "big")


def _little(part: bytes) -> int:
    return int.from_bytes(part, "little")
