"""Picture files inside a graph: the pixels of the toolkit's own reader and writer, and clear refusals."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.photo_graph import picture_codec
from tests.picture_files import orientation_exif, png_bytes, png_chunk
from tf_relight.photo.reading import read_picture

LIMIT = 5000
RANDOM = np.random.default_rng(0)
RGBA = RANDOM.integers(0, 256, (33, 47, 4), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (20, 30, 4), dtype=np.uint16)


@pytest.fixture(scope="module")
def decode():
    spec = tf.TensorSpec((), tf.string)
    graph = tf.function(
        lambda content: tuple(picture_codec.decode(content, 3, LIMIT)), input_signature=[spec]
    )
    return lambda content: picture_codec.Decoded(*(part.numpy() for part in graph(content)))


def file_of(mode: str, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RGBA).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def animation() -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(RGBA), Image.fromarray(255 - RGBA)]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def clear_colour(samples: np.ndarray, key: tuple[int, ...]) -> bytes:
    return png_bytes(samples, png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))


FEW = RGBA[..., :3] // 100
LARGE_BLOCK = b"\xff\xe2" + struct.pack(">H", 65_000) + b"x" * 64_998


def behind_large_blocks(content: bytes) -> bytes:
    """The JPEG with 650 KB of other metadata before its EXIF block."""
    return content[:2] + LARGE_BLOCK * 10 + content[2:]


FILES = {
    "jpeg": file_of("RGB", "JPEG"),
    "grey jpeg": file_of("L", "JPEG"),
    "jpeg of printers": file_of("CMYK", "JPEG"),
    "progressive jpeg": file_of("RGB", "JPEG", progressive=True),
    "png": file_of("RGB", "PNG"),
    "png with alpha": file_of("RGBA", "PNG"),
    "grey png": file_of("L", "PNG"),
    "grey png with alpha": file_of("LA", "PNG"),
    "palette": file_of("P", "PNG"),
    "black and white": file_of("1", "PNG"),
    "grey of 2 bits": file_of("L", "PNG", bits=2),
    "16 bits": png_bytes(DEEP[..., :3]),
    "16 bits with alpha": png_bytes(DEEP),
    "16 bits grey": png_bytes(DEEP[..., :1]),
    "webp": file_of("RGB", "WEBP"),
    "webp with alpha": file_of("RGBA", "WEBP"),
    "lossless webp": file_of("RGB", "WEBP", lossless=True),
    "lossless webp with alpha": file_of("RGBA", "WEBP", lossless=True),
    "webp with metadata": file_of("RGB", "WEBP", exif=orientation_exif(1)),
    "png with a clear grey": clear_colour(FEW[..., :1], (1,)),
    "png with a clear colour": clear_colour(FEW // 2, (1, 0, 1)),
    "16 bits with a clear grey": clear_colour(DEEP[..., :1], (int(DEEP[3, 4, 0]),)),
    "16 bits with a clear colour": clear_colour(DEEP[..., :3], tuple(int(v) for v in DEEP[3, 4, :3])),
    "grey of 4 bits with a clear one": file_of("L", "PNG", bits=4, transparency=5),
    "palette with a clear entry": file_of("P", "PNG", transparency=3),
    "turned png": png_bytes(RGBA, png_chunk(b"eXIf", orientation_exif(6))),
    "mirrored webp": file_of("RGB", "WEBP", exif=orientation_exif(5)),
    "jpeg with its orientation behind 650 KB": behind_large_blocks(
        file_of("RGB", "JPEG", exif=b"Exif\0\0" + orientation_exif(7))
    ),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_gives_the_pixels_of_the_toolkits_reader(content, decode, tmp_path):
    (tmp_path / "x").write_bytes(content)
    expected, found = read_picture(tmp_path / "x"), decode(content)
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=2e-7)
    alpha = np.ones_like(found.alpha) if expected.alpha is None else expected.alpha
    np.testing.assert_allclose(found.alpha, alpha, atol=2e-7)
    assert found.opaque == bool(alpha.min() == 1)
    assert found.deep == (expected.bits == 16)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8, 0, 9])
def test_turns_photos_upright(orientation, big_endian, decode, tmp_path):
    tags = Image.Exif()
    tags[0x0112], tags[0x010E] = orientation, "a text before it"
    exif = orientation_exif(orientation) if not big_endian else b"MM" + _big_endian(orientation)
    content = file_of("RGB", "JPEG", exif=b"Exif\0\0" + exif)
    (tmp_path / "x.jpg").write_bytes(content)
    expected, found = read_picture(tmp_path / "x.jpg").pixels, decode(content).pixels
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-7)


def _big_endian(orientation: int) -> bytes:
    entry = (0x0112).to_bytes(2, "big") + b"\0\3\0\0\0\1" + orientation.to_bytes(2, "big") + b"\0\0"
    return b"\0*\0\0\0\x08\0\1" + entry + bytes(4)


@pytest.mark.parametrize(
    "block", [b"II*\0\xff\xff\xff\x7f", b"II*\0\x08\0\0\0\xff\xff", b"MM", b"", b"\0" * 40]
)
def test_damaged_metadata_does_not_cost_the_picture(block, decode):
    found = decode(file_of("RGB", "JPEG", exif=b"Exif\0\0" + block))
    assert found.pixels.shape == (33, 47, 3)


def test_colours_that_alpha_hides_do_not_reach_the_network(decode):
    hidden = RGBA.copy()
    hidden[:20, :, 3] = 0
    other = hidden.copy()
    other[:20, :, :3] = 255 - other[:20, :, :3]
    found, same = decode(png_bytes(hidden)), decode(png_bytes(other))
    np.testing.assert_array_equal(found.pixels, same.pixels)
    assert found.alpha[:20].max() == 0 and np.ptp(found.pixels[:20], axis=(0, 1)).max() == 0


def test_endless_metadata_is_refused(decode):
    content = FILES["jpeg"][:2] + b"\xff\xe5\0\4ab" * 6000 + FILES["jpeg"][2:]
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many blocks"):
        decode(content)


BAD = {
    "another format": (file_of("RGB", "BMP"), "Picture.*3.*not a JPEG, PNG or WebP"),
    "empty": (b"", "not a JPEG, PNG or WebP"),
    "text": (b"hello" * 99, "not a JPEG, PNG or WebP"),
    "only a beginning": (b"\xff\xd8\xff", "Invalid JPEG data"),
    "cut jpeg": (FILES["jpeg"][:1500], "Invalid JPEG data"),
    "cut png": (FILES["png"][:1500], "Invalid PNG data"),
    "cut webp": (FILES["webp"][:700], "Failed to decode WebP"),
    "only a png header": (FILES["png"][:30], "Invalid PNG"),
    "animation": (animation(), "animation.*Send one still picture"),
    "png bomb": (png_bytes(RGBA, size=(60_000, 60_000)), "60000.*more than the limit of 5,000"),
    "no pixels": (png_bytes(RGBA, size=(0, 47)), "has no pixels"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_says_what_is_wrong_with_a_file(content, message, decode):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_refuses_large_pictures_before_decoding_them(kind, decode):
    stream = io.BytesIO()
    Image.new("RGB", (101, 50)).save(stream, kind)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"101.*x.*50.*limit of 5,000"):
        decode(stream.getvalue())


@pytest.mark.parametrize("name", ["png", "png with alpha", "16 bits", "16 bits with alpha"])
def test_png_keeps_bits_and_transparency(name, decode):
    found = decode(FILES[name])
    again = decode(picture_codec.encode_png(found.pixels, _tensors(found)).numpy())
    for ours, theirs in zip(again, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_jpeg_lays_transparency_over_white_in_full_colour(decode):
    found = decode(FILES["png with alpha"])
    content = picture_codec.encode_jpeg(found.pixels, _tensors(found)).numpy()
    image = Image.open(io.BytesIO(content))
    over_white = found.pixels * found.alpha + (1 - found.alpha)
    stream = io.BytesIO()
    Image.fromarray(np.rint(over_white * 255).astype(np.uint8)).save(
        stream, "JPEG", quality=95, subsampling=0
    )
    np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(stream)))


def test_jpeg_has_a_largest_side():
    wide = np.zeros((1, 65_501, 3), np.float32)
    picture = picture_codec.Decoded(wide, np.ones_like(wide[..., :1]), tf.constant(True), tf.constant(False))
    with pytest.raises(tf.errors.InvalidArgumentError, match="65500 pixels a side. Ask for a PNG"):
        picture_codec.encode_jpeg(wide, picture)


def _tensors(picture: picture_codec.Decoded) -> picture_codec.Decoded:
    return picture_codec.Decoded(*(tf.constant(part) for part in picture))
