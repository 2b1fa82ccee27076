"""Samples of TIFF files: every arrangement that photo programs write, as one array.

The tags are read by tifffile, the compressed bytes are unpacked by libtiff, which Pillow brings, one strip or
tile at a time; what the samples mean (separate planes, white is zero, multiplied alpha, palettes) is worked
out here. What libtiff must interpret itself (JPEG, fax, YCbCr, Lab inside TIFF) is left to Pillow.

Source: TIFF 6.0 (1992) and its supplements 1 and 2.
"""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from tf_relight.errors import RelightError
from tf_relight.photo.quiet import quiet_stderr

_STORED, _LZW, _DEFLATE = 1, 5, (8, 32946)
_UNPACKED = (_STORED, _LZW, *_DEFLATE, 32773, 34925, 50000)  # also PackBits, LZMA and Zstandard
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _RAW = 0, 1, 2, 3, 5, 32803
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4}
_MULTIPLIED, _ALPHA = 1, 2  # meanings of extra samples
_UNSIGNED, _FLOAT, _UNDEFINED = 1, 3, 4
_DNG_VERSION = 50706
_LARGEST_RATIO = 3000  # LZW reaches 1400, Deflate 1032, PackBits 64
_MOST_PARTS = 1 << 20
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its words about odd tags are not for users


@dataclass(frozen=True, eq=False)
class Samples:
    """What a TIFF holds.

    Attributes:
        colour: uint8, uint16 or float32 (floating point files), (H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK;
            as stored, before the orientation is applied.
        alpha: (H, W, 1) float32 0..1, or None.
        orientation: 1..8.
        profile: of ICC, or None.
        notes: sentences without a subject.
    """

    colour: np.ndarray
    alpha: np.ndarray | None
    orientation: int
    profile: bytes | None
    notes: tuple[str, ...]


def read_tiff(path: Path, max_pixels: int) -> Samples | None:
    """Return the samples of the first page, or None where Pillow is the one to read it.

    Raises:
        RelightError: a kind that is not supported, too many pixels, or a file that ends too early.
        Exception: anything, for damaged files.
    """
    import tifffile

    with path.open("rb") as stream, tifffile.TiffFile(stream) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        if page.imagewidth * page.imagelength > max_pixels:
            raise RelightError(
                f"{path} has {page.imagewidth} x {page.imagelength} pixels, more than the limit of "
                f"{max_pixels:,}. Make it smaller."
            )
        if page.photometric == _RAW or _DNG_VERSION in page.tags:
            raise RelightError(f"{path} is a camera raw file. Export it as a 16-bit TIFF or a JPEG first.")
        if not _is_ours(path, page):
            return None
        stored = _Layout.of(path, page).read(stream)
        notes = ["holds several pictures; only the first is used."] if _has_more(file) else []
        colour, alpha = _interpreted(path, page, stored, notes)
        tag = page.tags.get("Orientation")
        orientation = int(tag.value) if tag is not None else 1
        return Samples(colour, alpha, orientation, page.iccprofile, tuple(notes))


def _is_ours(path: Path, page: Any) -> bool:
    """Whether the samples can be worked out here; False leaves the page to Pillow."""
    kind, depth, plain = page.sampleformat, page.bitspersample, page.photometric in _CHANNELS
    if plain and page.compression in _UNPACKED:
        if kind in (_UNSIGNED, _UNDEFINED) and depth in (1, 2, 4, 8, 16):
            return True
        if kind == _FLOAT and depth in (16, 32, 64) and page.photometric == _RGB:
            return True
        if kind == _FLOAT:
            raise RelightError(
                f"{path} holds grey or separate floating point values, which can mean anything. "
                "Save it with 8 or 16 bits."
            )
        raise RelightError(
            f"{path} holds {depth}-bit {'signed ' if kind == 2 else ''}whole numbers. "
            "Save it with 8 or 16 bits."
        )
    if depth > 8 or page.planarconfig == 2 and page.samplesperpixel > 1:
        raise RelightError(
            f"{path} is an unusual TIFF ({depth} bits, compression {int(page.compression)}, colour kind "
            f"{int(page.photometric)}). Save it as a 16-bit PNG, or as a TIFF with LZW or no compression."
        )
    return False


def _has_more(file: Any) -> bool:
    """Whether a second picture follows that is not a small copy of the first."""
    try:
        return not file.pages[1].is_reduced
    except IndexError:
        return False
    except Exception:  # a damaged second page must not cost the first
        return True


@dataclass(frozen=True)
class _Layout:
    """How the samples of a page lie in its file.

    Attributes:
        size: height and width. depth: bits of a sample. samples: of a pixel.
        tile: height and width of the parts; strips are as wide as the picture.
    """

    path: Path
    size: tuple[int, int]
    depth: int
    is_float: bool
    samples: int
    separate: bool
    tile: tuple[int, int]
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    compression: int
    predictor: int
    reversed_bits: bool
    order: str

    @classmethod
    def of(cls, path: Path, page: Any) -> _Layout:
        """Return the layout of a page; raises RelightError where the tags contradict one another."""
        height, width = page.imagelength, page.imagewidth
        rows = min(max(1, page.rowsperstrip or height), height) if not page.is_tiled else page.tilelength
        layout = cls(
            path=path,
            size=(height, width),
            depth=page.bitspersample,
            is_float=page.sampleformat == _FLOAT,
            samples=page.samplesperpixel,
            separate=page.planarconfig == 2 and page.samplesperpixel > 1,
            tile=(rows, page.tilewidth if page.is_tiled else width),
            offsets=tuple(page.dataoffsets),
            counts=tuple(page.databytecounts),
            compression=int(page.compression),
            predictor=int(page.predictor),
            reversed_bits=page.fillorder == 2,
            order=page.parent.byteorder,
        )
        layout._check(page)
        return layout

    def _check(self, page: Any) -> None:
        height, width = self.size
        unusual = min(*self.size, *self.tile) < 1 or page.imagedepth != 1 or not 1 <= self.samples <= 32
        if unusual or self.tile[0] * self.tile[1] > 4 * (height * width + 65536):
            raise self._broken()
        parts = (
            -(-height // self.tile[0]) * -(-width // self.tile[1]) * (self.samples if self.separate else 1)
        )
        if parts > _MOST_PARTS or min(len(self.offsets), len(self.counts)) < parts:
            raise self._broken()
        end = self.path.stat().st_size
        places = zip(self.offsets[:parts], self.counts[:parts], strict=True)
        inside = all(0 < offset and 0 < count and offset + count <= end for offset, count in places)
        needed = height * width * self.samples * self.depth // 8
        ratio = 1 if self.compression == _STORED else _LARGEST_RATIO
        # A file that claims more than its bytes can hold would cost memory before that is found.
        if not inside or sum(self.counts[:parts]) * ratio + 8 < needed:
            raise self._broken()

    def _broken(self) -> RelightError:
        return RelightError(f"{self.path} is damaged or cut off and cannot be read. Copy or export it again.")

    @property
    def _dtype(self) -> np.dtype[Any]:
        kind = "f" if self.is_float else "u"
        return np.dtype(f"{self.order}{kind}{max(8, self.depth) // 8}")

    def read(self, stream: BinaryIO) -> np.ndarray:
        """Return (H, W, samples) as stored, in the byte order of this machine; bits become bytes."""
        height, width = self.size
        result = np.empty((height, width, self.samples), self._dtype.newbyteorder("="))
        for index, plane, top, left in self._parts():
            stream.seek(self.offsets[index])
            rows = min(self.tile[0], height - top) if self.tile[1] == width else self.tile[0]
            part = self._unpacked(stream.read(self.counts[index]), rows, 1 if self.separate else self.samples)
            into = result[top : top + self.tile[0], left : left + self.tile[1], plane]
            into[...] = part[: into.shape[0], : into.shape[1]]
        return result

    def _parts(self) -> Iterator[tuple[int, slice, int, int]]:
        index = 0
        for plane in range(self.samples if self.separate else 1):
            planes = slice(plane, plane + 1) if self.separate else slice(None)
            for top in range(0, self.size[0], self.tile[0]):
                for left in range(0, self.size[1], self.tile[1]):
                    yield index, planes, top, left
                    index += 1

    def _unpacked(self, content: bytes, rows: int, samples: int) -> np.ndarray:
        """Return one strip or tile, (rows, width, samples)."""
        width = self.tile[1]
        row_bytes = -(-width * samples * self.depth // 8)
        if self.reversed_bits:
            content = content.translate(_REVERSED)
        if self.compression in _DEFLATE:
            content = zlib.decompressobj().decompress(content, rows * row_bytes)
        elif self.compression != _STORED:
            content = _by_libtiff(content, rows, row_bytes, self.compression)
        if len(content) < rows * row_bytes:
            raise self._broken()
        data = np.frombuffer(content, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
        if self.depth < 8:
            bits = np.unpackbits(data, axis=1)[:, : width * samples * self.depth]
            weights = 1 << np.arange(self.depth - 1, -1, -1, dtype=np.uint8)
            data = (bits.reshape(rows, -1, self.depth) * weights).sum(axis=2, dtype=np.uint8)
            return data.reshape(rows, width, samples)
        if self.predictor == 3:
            return self._float_predicted(data, samples)
        values = data.view(self._dtype).reshape(rows, width, samples).astype(self._dtype.newbyteorder("="))
        if self.predictor == 2:
            np.cumsum(values, axis=1, dtype=values.dtype, out=values)
        elif self.predictor != 1:
            raise self._broken()
        return values

    def _float_predicted(self, data: np.ndarray, samples: int) -> np.ndarray:
        """Source: Adobe Photoshop TIFF Technical Note 3 (2005): bytes of equal weight stand together."""
        rows, size = len(data), self._dtype.itemsize
        bytes_ = np.cumsum(data.reshape(rows, -1, samples), axis=1, dtype=np.uint8).reshape(rows, size, -1)
        joined = np.ascontiguousarray(bytes_.transpose(0, 2, 1))
        return joined.view(self._dtype.newbyteorder(">")).reshape(rows, -1, samples).astype(self._dtype)


def _by_libtiff(content: bytes, rows: int, row_bytes: int, compression: int) -> bytes:
    """Return unpacked bytes: libtiff is told that they are a grey picture of 8 bits in one strip."""
    tags = [(256, row_bytes), (257, rows), (258, 8), (259, compression), (262, 1), (273, 8), (277, 1)]
    tags += [(278, rows), (279, len(content))]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    table = struct.pack("<H", len(tags)) + b"".join(entries)
    start = 8 + len(content)
    file = b"II*\0" + struct.pack("<I", start) + content + table + bytes(4)
    with quiet_stderr(), Image.open(io.BytesIO(file), formats=["TIFF"]) as image:
        return image.tobytes()


def _interpreted(
    path: Path, page: Any, stored: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return colour and alpha of what is stored, (H, W, samples); adds to the notes."""
    channels, depth = _CHANNELS[page.photometric], page.bitspersample
    if stored.shape[2] < channels:
        raise RelightError(f"{path} is damaged: it has too few samples for its colours. Export it again.")
    meanings = [int(each) for each in page.extrasamples or ()]
    meanings += [0] * (stored.shape[2] - channels - len(meanings))
    extra = next((i for i, meaning in enumerate(meanings) if meaning in (_MULTIPLIED, _ALPHA)), None)
    if any(meaning not in (_MULTIPLIED, _ALPHA) for meaning in meanings):
        notes.append("an extra channel of unknown meaning was left out.")
    colour = stored[..., :channels]
    alpha = None
    if extra is not None and channels + extra < stored.shape[2]:
        alpha = _share(stored[..., channels + extra : channels + extra + 1], depth)
    if page.photometric == _PALETTE:
        return _from_palette(page.colormap, colour[..., 0]), alpha
    if depth < 8:
        colour = (colour.astype(np.uint16) * 255 // (2**depth - 1)).astype(np.uint8)
    if page.photometric == _WHITE_IS_ZERO:
        colour = np.iinfo(colour.dtype).max - colour
    if colour.dtype.kind == "f":
        colour = _finite(path, colour.astype(np.float32))
    if alpha is not None and meanings[extra or 0] == _MULTIPLIED:
        colour = _divided(colour, alpha)
    if channels == 4 and colour.dtype == np.uint16:
        colour = (colour // 257).astype(np.uint8)  # LittleCMS reads 8 bits here
    return (colour[..., 0] if channels == 1 else np.ascontiguousarray(colour)), alpha


def _share(values: np.ndarray, depth: int) -> np.ndarray:
    """Return samples as float32 0..1."""
    if values.dtype.kind == "f":
        return np.clip(np.nan_to_num(values.astype(np.float32)), 0, 1)
    return values.astype(np.float32) / np.float32(2**depth - 1)


def _finite(path: Path, colour: np.ndarray) -> np.ndarray:
    if not np.isfinite(colour).all():
        raise RelightError(f"{path} holds values that are infinite or not numbers. Export it again.")
    return colour


def _divided(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the colours that were multiplied by alpha, (H, W, C), in their own type."""
    straight = colour.astype(np.float32) / np.maximum(alpha, 1e-6)
    if colour.dtype.kind == "f":
        return straight
    return np.rint(np.minimum(straight, np.iinfo(colour.dtype).max)).astype(colour.dtype)


def _from_palette(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return uint8 RGB; tables hold 16 bits, but some writers filled in 8."""
    colours = np.asarray(table).T
    if colours.max(initial=0) > 255:
        colours = colours // 256  # right for v * 256 and for v * 257
    if index.max(initial=0) >= len(colours):
        raise ValueError("a pixel outside the palette")
    return colours.astype(np.uint8)[index]
