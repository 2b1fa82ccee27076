"""Picture files of kinds that no library writes on request, byte by byte."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bytes(samples: np.ndarray, *extra: bytes, size: tuple[int, int] | None = None) -> bytes:
    """A PNG of uint8 or uint16 samples (H, W, 1..4); `extra` chunks follow the header, `size` lies in it."""
    height, width = size or samples.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2]]
    bits = samples.dtype.itemsize * 8
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in samples)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + data + png_chunk(b"IEND", b"")


def orientation_exif(orientation: int) -> bytes:
    """An EXIF block (TIFF form) that holds the orientation only."""
    return b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)


def tiff_bytes(samples: np.ndarray, orientation: int = 1, sample_format: int = 1) -> bytes:
    """An uncompressed TIFF of samples (H, W, 1..4) of 8, 16 or 32 bits."""
    height, width, channels = samples.shape
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    bits = samples.dtype.itemsize * 8
    tags = [
        (256, width),
        (257, height),
        (258, bits if channels == 1 else None),
        (259, 1),
        (262, 2 if channels >= 3 else 1),
        (273, 8),
        (274, orientation),
        (277, channels),
        (278, height),
        (279, len(data)),
    ]
    if channels in (2, 4):
        tags.append((338, 2))  # the extra sample is alpha, not multiplied in
    tags.append((339, sample_format))
    table_at = 8 + len(data)
    bits_at = table_at + 2 + 12 * len(tags) + 4
    table = struct.pack("<H", len(tags))
    for tag, value in tags:
        if value is None:
            inline = bits | bits << 16
            table += struct.pack("<HHII", tag, 3, channels, inline if channels == 2 else bits_at)
        else:
            table += struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value)
    end = struct.pack("<I", 0) + struct.pack(f"<{channels}H", *[bits] * channels)
    return b"II*\0" + struct.pack("<I", table_at) + data + table + end


def icc_profile(colorants: np.ndarray, curve: bytes) -> bytes:
    """A minimal ICC v2 display profile: columns of `colorants` are the XYZ (D50) of red, green and blue."""
    white = (0.9642, 1.0, 0.8249)

    def xyz(values: np.ndarray | tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))

    text = b"test profile\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {
        b"desc": description,
        b"wtpt": xyz(white),
        **{name: xyz(colorants[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **{name: curve for name in (b"rTRC", b"gTRC", b"bTRC")},
        b"cprt": b"text\0\0\0\0none\0",
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, start + len(body), len(value))
        body += value
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", *(round(v * 65536) for v in white))
    return header + bytes(128 - len(header)) + table + body


# XYZ under D50 of the primaries of Adobe RGB (1998); columns are red, green, blue.
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
GAMMA_22 = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563) + bytes(2)
