"""Kinds of picture files that only some cameras and programs write, and what they may cost."""

from __future__ import annotations

import io
import resource
import struct
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.photo.test_reading import COLOUR, DEEP, SMOOTH, encoded, turned, write
from tests.picture_files import orientation_exif, png_bytes, png_chunk
from tf_relight.data.pictures import read_rgb
from tf_relight.errors import RelightError
from tf_relight.photo.reading import read_picture

__all__ = ["write"]  # the fixture


def test_jpeg_with_many_blocks_takes_the_time_of_one(write):
    stream = io.BytesIO()
    Image.fromarray(SMOOTH).save(stream, "JPEG", quality=95)
    plain = stream.getvalue()
    block = b"Exif\0\0" + orientation_exif(6) + bytes(60_000)
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    path = write("a.jpg", plain[:2] + segment * 500 + plain[2:])
    began = time.monotonic()
    picture = read_picture(path)
    assert time.monotonic() - began < 2
    assert picture.size == (96, 64) and len(picture.metadata.exif) < 65_536
    with pytest.raises(RelightError, match="too many segments"):
        read_picture(write("b.jpg", plain[:2] + b"\xff\xe5\0\2" * 70_000 + plain[2:]))


@pytest.mark.parametrize(
    "name,content", [("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP"), ("a.bmp", "BMP")]
)
def test_bytes_behind_the_end_are_no_damage(write, name, content):
    whole = encoded(content, lossless=True)
    trailing = b"\0\0\0\x18ftypmp42" + bytes(20_000)  # as phones put a short film behind a photo
    expected = read_picture(write(name, whole)).pixels
    np.testing.assert_array_equal(read_picture(write("b" + name, whole + trailing)).pixels, expected)


@pytest.mark.parametrize("kind", ["png", "tif", "webp", "palette"])
def test_hidden_colours_are_neutral(write, kind):
    found = []
    for hidden in ((255, 0, 0), (3, 200, 90)):
        rgba = np.dstack([SMOOTH, np.full(SMOOTH.shape[:2], 255, np.uint8)])
        rgba[:20] = (*hidden, 0)
        image = Image.fromarray(rgba)
        if kind == "palette":
            image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 4, "P")
            image.putpalette([*hidden, 9, 9, 9, 90, 90, 90, 200, 200, 200])
            path = write("a.png", image, transparency=0)
        else:
            path = write(f"a.{kind}", image, **({"lossless": True, "exact": True} if kind == "webp" else {}))
        found.append(read_picture(path))
    first, second = found
    np.testing.assert_array_equal(first.pixels, second.pixels)
    clear = first.alpha[..., 0] == 0
    assert clear.any() and np.ptp(first.pixels[clear], axis=0).max() == 0
    visible = first.pixels[~clear].mean(axis=0)
    np.testing.assert_allclose(first.pixels[clear][0], visible, atol=1 / 255)


def test_a_picture_that_alpha_hides_as_a_whole_keeps_its_colours(write):
    rgba = np.dstack([SMOOTH, np.zeros(SMOOTH.shape[:2], np.uint8)])
    found = read_picture(write("a.png", Image.fromarray(rgba)))
    np.testing.assert_array_equal(np.rint(found.pixels * 255), SMOOTH)


@pytest.mark.parametrize("bits,key", [(8, 17), (16, 17), (4, 5), (2, 1), (1, 0)])
def test_a_transparent_grey(write, bits, key):
    grey = SMOOTH[..., 0] if bits > 4 else SMOOTH[..., 0] >> 4 << 4
    if bits == 16:
        samples = np.where(grey < 60, key, grey.astype(np.uint16) * 200)[..., None].astype(np.uint16)
        path = write("a.png", png_bytes(samples, png_chunk(b"tRNS", struct.pack(">H", key))))
        expected = samples != key
    else:
        levels = 2**bits - 1
        small = np.rint(grey / 255 * levels).astype(np.uint8)
        image = Image.fromarray((small * (255 // levels)).astype(np.uint8))
        if bits == 8:
            small[:9] = key
            image = Image.fromarray(small)
        path = write("a.png", image, bits=bits, transparency=key)
        expected = (small != key)[..., None]
    found = read_picture(path)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(found.alpha, expected.astype(np.float32))


@pytest.mark.parametrize("name,mode", [("a.pgm", "L"), ("a.ppm", "RGB"), ("a.pbm", "1")])
def test_portable_pixmaps(write, name, mode):
    image = Image.fromarray(SMOOTH).convert(mode)
    picture = read_picture(write(name, image))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("channels", [1, 3])
def test_portable_pixmaps_of_16_bits(write, channels):
    samples = DEEP[..., :channels]
    head = f"P{5 if channels == 1 else 6}\n# a comment\n{samples.shape[1]} {samples.shape[0]}\n65535\n"
    picture = read_picture(write("a.pnm", head.encode() + samples.astype(">u2").tobytes()))
    assert picture.bits == 16
    np.testing.assert_array_equal(
        np.rint(picture.pixels * 65535), np.broadcast_to(samples, picture.pixels.shape)
    )


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic(write, orientation):
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    stream = io.BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(SMOOTH))
    try:
        image.save(stream, quality=95, exif=b"Exif\0\0" + orientation_exif(orientation))
    except (RuntimeError, ValueError) as error:
        pytest.skip(f"this pillow-heif cannot write: {error}")
    picture = read_picture(write("a.heic", stream.getvalue()))
    expected = turned(SMOOTH, orientation)
    assert picture.size == expected.shape[:2]
    assert np.abs(picture.pixels * 255 - expected).mean() < 4


def test_heic_without_the_package_names_the_extra(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = write("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(RelightError, match=r"HEIC.*tf-relight\[heic\]"):
        read_picture(path)


def test_files_larger_than_any_picture_are_refused(write):
    path = write("a.jpg", b"\xff\xd8")
    with path.open("r+b") as stream:
        stream.truncate(1 << 33)  # a hole, not bytes on the disk
    with pytest.raises(RelightError, match="larger than any picture"):
        read_picture(path)


def test_large_claims_of_small_files_cost_nothing(write):
    path = write("a.png", png_bytes(COLOUR, size=(12_000, 12_000)))
    whole = png_bytes(SMOOTH)
    long = whole.replace(whole[whole.index(b"IDAT") - 4 :][:8], b"\x7f\xff\xff\xffIDAT")
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (read_picture, read_rgb):
        for content in (path.read_bytes(), long):
            path.write_bytes(content)
            with pytest.raises(RelightError, match="damaged or cut off"):
                read(path)
    assert time.monotonic() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
