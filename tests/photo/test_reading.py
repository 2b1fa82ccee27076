"""Reading every kind of picture file, and refusing those that are not pictures."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, features

from tests.picture_files import (
    ADOBE_RGB,
    GAMMA_22,
    icc_profile,
    orientation_exif,
    png_bytes,
    png_chunk,
    tiff_bytes,
)
from tf_relight.errors import RelightError
from tf_relight.photo.reading import read_picture

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (6, 9, 4), dtype=np.uint16)
SMOOTH = np.rint(np.linspace(30, 220, 64 * 96 * 3).reshape(64, 96, 3)).astype(np.uint8)


def encoded(kind, **options):
    stream = io.BytesIO()
    noise = Image.fromarray(RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    noise.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def write(tmp_path):
    """Write bytes, or a Pillow image with its options, and return the path."""

    def write(name, content, **options):
        path = tmp_path / name
        if isinstance(content, Image.Image):
            content.save(path, **options)
        else:
            path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "wrong-ending.jpg"])
def test_lossless_formats(write, name):
    kind = {"bmp": "BMP", "tif": "TIFF", "webp": "WEBP"}.get(name[2:], "PNG")
    picture = read_picture(write(name, Image.fromarray(COLOUR), format=kind, lossless=True))
    assert picture.pixels.dtype == np.float32 and picture.bits == 8 and picture.alpha is None
    assert picture.size == (6, 9) and picture.notes == ()
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), COLOUR)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.avif"])
def test_lossy_formats(write, name):
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    picture = read_picture(write(name, Image.fromarray(SMOOTH), quality=95))
    assert np.abs(picture.pixels * 255 - SMOOTH).mean() < 1.5  # the ramp is smooth, codecs keep it


def turned(pixels, orientation):
    """EXIF 2.32, tag Orientation: which edge of the scene the first row and the first column are."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: pixels.swapaxes(0, 1)[:, ::-1],
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: pixels.swapaxes(0, 1)[::-1],
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png 8", "png 16", "tiff 8", "tiff 16", "webp", "jpeg"])
def test_orientation(write, kind, orientation):
    exif = orientation_exif(orientation)
    samples = DEEP[..., :3] if kind.endswith("16") else COLOUR
    if kind.startswith("png"):
        path = write("a.png", png_bytes(samples, png_chunk(b"eXIf", exif)))
    elif kind.startswith("tiff"):
        path = write("a.tif", tiff_bytes(samples, orientation))
    else:
        samples = SMOOTH if kind == "jpeg" else COLOUR
        options = {"lossless": True} if kind == "webp" else {"quality": 95}
        path = write(f"a.{kind}", Image.fromarray(samples), exif=b"Exif\0\0" + exif, **options)
    picture = read_picture(path)
    values = picture.pixels * (65535 if picture.bits == 16 else 255)
    assert values.shape == turned(samples, orientation).shape
    tolerance = 8 if kind == "jpeg" else 1e-2
    np.testing.assert_allclose(values, turned(samples, orientation), atol=tolerance)


@pytest.mark.parametrize(
    "encode, channels", [*((png_bytes, c) for c in (1, 2, 3, 4)), *((tiff_bytes, c) for c in (1, 3, 4))]
)
def test_16_bits_are_kept(write, encode, channels):
    samples = DEEP[..., :channels]
    picture = read_picture(write("a.bin", encode(samples)))
    colour = np.repeat(samples[..., :1], 3, axis=2) if channels < 3 else samples[..., :3]
    assert picture.bits == 16
    np.testing.assert_array_equal(np.rint(picture.pixels * 65535), colour)
    if channels in (2, 4):
        np.testing.assert_array_equal(np.rint(picture.alpha * 65535), samples[..., -1:])
    else:
        assert picture.alpha is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "PA"])
def test_modes_become_rgb(write, mode):
    image = Image.fromarray(SMOOTH).convert("RGBA")
    image.putalpha(Image.fromarray(SMOOTH[..., 1]))
    converted = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    picture = read_picture(write("a.tif" if mode == "PA" else "a.png", converted))
    expected = np.asarray(converted.convert("RGBA"))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), expected[..., :3])
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(np.rint(picture.alpha * 255), expected[..., 3:])


def test_transparent_palette(write):
    image = Image.fromarray(SMOOTH).quantize(16)
    picture = read_picture(write("a.png", image, transparency=3))
    index = np.asarray(image)[..., None]
    np.testing.assert_array_equal(picture.alpha, (index != 3).astype(np.float32))


def test_cmyk_jpeg(write):
    cmyk = Image.fromarray(SMOOTH).convert("CMYK")
    picture = read_picture(write("a.jpg", cmyk, quality=98))
    # Same light, up to JPEG and to the plain conversion that serves without a profile.
    assert np.abs(picture.pixels * 255 - np.asarray(cmyk.convert("RGB"))).mean() < 3


@pytest.mark.parametrize("deep", [False, True])
def test_profiles_are_converted(write, deep):
    profile = icc_profile(ADOBE_RGB, GAMMA_22)
    samples = np.full((4, 4, 3), (120, 140, 110), np.uint8)
    # Worked out from the two standards: decode with gamma 563/256, Adobe's matrix to XYZ, sRGB's matrix back.
    expected = np.array([0.43652, 0.55402, 0.42715])
    if deep:
        chunk = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(profile))
        path = write("a.png", png_bytes(samples.astype(np.uint16) * 257, chunk))
    else:
        path = write("a.png", Image.fromarray(samples), icc_profile=profile)
    picture = read_picture(path)
    assert picture.bits == (16 if deep else 8) and picture.notes == ()
    np.testing.assert_allclose(picture.pixels[0, 0], expected, atol=1.6 / 255)


def test_a_broken_profile_is_ignored_with_a_note(write):
    picture = read_picture(write("a.png", Image.fromarray(COLOUR), icc_profile=b"nonsense" * 20))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), COLOUR)
    assert "profile" in picture.notes[0]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_an_animation_the_first_picture_is_taken(write, name):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if name == "a.webp" else {}
    path = write(name, frames[0], save_all=True, append_images=frames[1:], **lossless)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels[0, 0], [1, 0, 0])
    assert "only the first" in picture.notes[0]


def test_phone_jpeg_with_a_second_picture_inside(write):
    image = Image.fromarray(SMOOTH)
    picture = read_picture(write("a.jpg", image, format="MPO", save_all=True, append_images=[image]))
    assert picture.size == (64, 96) and picture.notes == ()


def test_one_pixel(write):
    picture = read_picture(write("a.png", Image.new("RGB", (1, 1), (255, 0, 51))))
    np.testing.assert_allclose(picture.pixels, [[[1, 0, 0.2]]], atol=1e-6)


def test_not_there(tmp_path):
    for path, words in [(tmp_path / "none.png", "no file"), (tmp_path, "is a folder")]:
        with pytest.raises(RelightError, match=words):
            read_picture(path)


class Trap:
    def __reduce__(self):
        return sys.exit, (77,)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"hello, this is a letter", "not a picture"),
        (pickle.dumps(Trap()), "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\x89PNG\r\n\x1a\n", "not a picture|damaged"),
        (png_bytes(COLOUR, size=(60_000, 60_000)), "too large"),
        (tiff_bytes(np.ones((4, 4, 1), np.float32), sample_format=3), "floating point"),
        (tiff_bytes(np.ones((4, 4, 1), np.uint32)), "32-bit|not a picture"),
    ],
)
def test_bad_content_is_one_sentence(write, content, words):
    path = write("a.png", content)
    with pytest.raises(RelightError, match=words) as caught:
        read_picture(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_size_is_checked_before_decoding(write):
    # The data behind this header is far too short; only the header can have been looked at.
    path = write("a.png", png_bytes(COLOUR, size=(13_000, 13_000)))
    with pytest.raises(RelightError, match="13000 x 13000 pixels, more than the limit"):
        read_picture(path)
    with pytest.raises(RelightError, match="limit of 10"):
        read_picture(write("b.png", Image.fromarray(COLOUR)), max_pixels=10)


def test_raw_files_are_named(write):
    with pytest.raises(RelightError, match="camera raw"):
        read_picture(write("a.dng", tiff_bytes(COLOUR)))


@pytest.mark.parametrize(
    "content",
    [
        encoded("PNG"),
        encoded("JPEG", quality=90),
        encoded("JPEG", quality=90, progressive=True),
        encoded("WEBP", lossless=True),
        encoded("BMP"),
        encoded("GIF"),
        encoded("TIFF"),
        encoded("TIFF", compression="tiff_lzw"),
        png_bytes(RNG.integers(0, 65536, (60, 80, 3), dtype=np.uint16)),
        tiff_bytes(RNG.integers(0, 65536, (60, 80, 3), dtype=np.uint16)),
    ],
    ids=["png", "jpeg", "progressive", "webp", "bmp", "gif", "tiff", "lzw", "png16", "tiff16"],
)
def test_cut_off_files_are_refused_not_half_read(write, content):
    for share in (0.02, 0.3, 0.6, 0.95):
        path = write("a.bin", content[: int(len(content) * share)])
        with pytest.raises(RelightError, match="damaged|cut off|not a picture|empty|unusual"):
            read_picture(path)


def test_random_damage_never_ends_in_another_error(write):
    contents = [encoded("PNG"), encoded("JPEG"), encoded("TIFF", compression="tiff_lzw"), encoded("WEBP")]
    contents += [png_bytes(DEEP), tiff_bytes(DEEP)]
    for content in contents:
        for _ in range(25):
            damaged = bytearray(content)
            for place in RNG.integers(0, len(damaged), 4):
                damaged[place] = RNG.integers(0, 256)
            try:
                picture = read_picture(write("a.bin", bytes(damaged)))
            except RelightError:
                continue
            assert np.isfinite(picture.pixels).all()


def test_reading_prints_nothing_and_imports_no_tensorflow(write):
    exif = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 9, 7, 0xFFFF)
    path = write("a.png", png_bytes(COLOUR, png_chunk(b"eXIf", exif)))
    code = (
        "import sys; from tf_relight.photo.reading import read_picture; read_picture(sys.argv[1])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
