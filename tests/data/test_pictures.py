"""Pictures of a dataset: the fast path gives what the toolkit's reader gives, and calls whole files whole."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.photo.test_encodings import ADOBE, REC709, dcf_exif, gamma_chunk
from tests.picture_files import orientation_exif, png_bytes, png_chunk
from tf_relight.data.pictures import PICTURE_SUFFIXES, look, read_rgb
from tf_relight.errors import RelightError
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (24, 33, 3), dtype=np.uint8)
CLEAR = np.dstack([COLOUR, RNG.integers(0, 2, (24, 33, 1), dtype=np.uint8) * 255])
TRAILING = b"\0\0\0\x18ftypmp42" + bytes(20_000)


def jpeg(**options):
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def tiff(data, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, data, **options)
    return stream.getvalue()


KINDS = {
    "plain png": png_bytes(COLOUR),
    "png with clear pixels": png_bytes(CLEAR),
    "grey png with clear pixels": png_bytes(CLEAR[..., [0, 3]]),
    "png with a clear colour": png_bytes(COLOUR // 128, png_chunk(b"tRNS", struct.pack(">3H", 1, 0, 1))),
    "linear png": png_bytes(COLOUR, gamma_chunk(1.0)),
    "png in another space": png_bytes(COLOUR, ADOBE),
    "png that says sRGB": png_bytes(COLOUR, png_chunk(b"sRGB", b"\0"), gamma_chunk(0.45455), REC709),
    "png of a camera": png_bytes(COLOUR, png_chunk(b"eXIf", dcf_exif(b"R03", 65535)[6:])),
    "turned png": png_bytes(COLOUR, png_chunk(b"eXIf", orientation_exif(6))),
    "hdr png": png_bytes(COLOUR, png_chunk(b"cICP", bytes([9, 16, 0, 1]))),
    "16-bit png": png_bytes(COLOUR.astype(np.uint16) * 257),
    "jpeg of a camera": jpeg(exif=dcf_exif(b"R03", 65535)),
    "tiff with planes": tiff(COLOUR.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
    "deep tiff with planes": tiff(
        COLOUR.transpose(2, 0, 1).astype(np.uint16) * 257, photometric="rgb", planarconfig="separate"
    ),
    "tiff where white is zero": tiff(COLOUR[..., 0], photometric="miniswhite"),
    "tiff with an unknown channel": tiff(CLEAR, photometric="rgb", extrasamples=["unspecified"]),
    "tiff with multiplied alpha": tiff(CLEAR, photometric="rgb", extrasamples=["assocalpha"]),
}


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS)
def test_training_sees_what_photos_look_like(tmp_path, content):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_rgb(path), to_u8(read_picture(path).pixels))
    look(path)


@pytest.mark.parametrize("name", ["plain png", "png with clear pixels"])
def test_hidden_colours_do_not_reach_training(tmp_path, name):
    other = CLEAR.copy()
    other[..., :3][CLEAR[..., 3] == 0] = 7
    for index, rgba in enumerate((CLEAR, other)):
        (tmp_path / f"{index}.png").write_bytes(png_bytes(rgba))
    np.testing.assert_array_equal(read_rgb(tmp_path / "0.png"), read_rgb(tmp_path / "1.png"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("trailing", [TRAILING, b"\0" * 5000, b"<html>", b"\xff\xd9" * 3])
def test_bytes_behind_the_end_are_no_damage(tmp_path, kind, trailing):
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, kind)
    whole, longer = tmp_path / "whole.bin", tmp_path / "longer.bin"
    whole.write_bytes(stream.getvalue())
    longer.write_bytes(stream.getvalue() + trailing)
    np.testing.assert_array_equal(read_rgb(longer), read_rgb(whole))
    glance = look(longer)
    assert (glance.width, glance.height) == (33, 24)


@pytest.mark.parametrize("kind,place", [("WEBP", 4), ("BMP", 2)])
def test_a_wrong_size_in_the_heading_is_no_damage_when_the_pixels_are_there(tmp_path, kind, place):
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, kind, lossless=True)
    content = bytearray(stream.getvalue())
    size = int.from_bytes(content[place : place + 4], "little")
    content[place : place + 4] = (size + 1000).to_bytes(4, "little")
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    try:
        expected = read_picture(path)
    except RelightError:
        with pytest.raises(RelightError, match="cut short"):
            look(path)
        return
    assert look(path).width == 33
    np.testing.assert_array_equal(read_rgb(path), to_u8(expected.pixels))


def test_files_that_are_really_cut_short_are_named_so(tmp_path):
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        stream = io.BytesIO()
        Image.fromarray(COLOUR).save(stream, kind)
        path = tmp_path / f"a.{kind.lower()}"
        path.write_bytes(stream.getvalue()[: len(stream.getvalue()) * 2 // 3])
        with pytest.raises(RelightError, match="is cut short"):
            look(path)
        with pytest.raises(RelightError, match="damaged|cut"):
            read_rgb(path)


def test_endings_of_dataset_pictures():
    for ending in (".jfif", ".jpe", ".mpo", ".ppm", ".pgm", ".heic", ".avif", ".png", ".jpg"):
        assert ending in PICTURE_SUFFIXES
