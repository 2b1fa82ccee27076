"""TIFF files in every arrangement that photo programs write, made by another library."""

from __future__ import annotations

import itertools
import struct
import time

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.picture_files import ADOBE_RGB, GAMMA_22, icc_profile, tiff_bytes
from tf_relight.errors import RelightError
from tf_relight.photo.reading import read_picture

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (37, 53, 3), dtype=np.uint16)
ALPHA = np.linspace(0.2, 1, 53)[None, :, None].repeat(37, axis=0)


def stored(picture, samples):
    """The picture's pixels as the samples they were made of."""
    most = np.iinfo(samples.dtype).max
    assert picture.bits == (8 if most == 255 else 16)
    return np.rint(picture.pixels * most)


@pytest.mark.parametrize("samples", [COLOUR, DEEP], ids=["8", "16"])
@pytest.mark.parametrize(
    "planes,compression,tile,order",
    itertools.product(["contig", "separate"], [None, "zlib"], [None, (16, 32)], "<>"),
)
def test_planes_strips_tiles_and_byte_orders(tmp_path, samples, planes, compression, tile, order):
    path = tmp_path / "a.tif"
    data = samples if planes == "contig" else samples.transpose(2, 0, 1)
    strips = {"tile": tile} if tile else {"rowsperstrip": 5}
    tifffile.imwrite(
        path, data, photometric="rgb", planarconfig=planes, compression=compression, byteorder=order, **strips
    )
    picture = read_picture(path)
    np.testing.assert_array_equal(stored(picture, samples), samples)
    assert picture.alpha is None and picture.notes == ()


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_compressions_and_differences(tmp_path, compression, predictor):
    if compression == "packbits" and predictor == 2:
        pytest.skip("not in the standard")
    path = tmp_path / "a.tif"
    Image.fromarray(COLOUR).save(path, compression=compression, tiffinfo={317: predictor})
    np.testing.assert_array_equal(stored(read_picture(path), COLOUR), COLOUR)
    cv2.imwrite(str(path), DEEP[..., ::-1])  # LZW with differences of 16 bits
    np.testing.assert_array_equal(stored(read_picture(path), DEEP), DEEP)


@pytest.mark.parametrize("samples", [COLOUR[..., 0], DEEP[..., 0]], ids=["8", "16"])
def test_grey_where_white_is_zero(tmp_path, samples):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.iinfo(samples.dtype).max - samples, photometric="miniswhite")
    np.testing.assert_array_equal(stored(read_picture(path), samples), samples[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_modes(tmp_path, mode, compression):
    image = Image.fromarray(COLOUR).convert("RGBA")
    image.putalpha(Image.fromarray(np.maximum(COLOUR[..., 1], 1)))
    image = image.convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    expected = np.asarray(image.convert("RGBA"))
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), expected[..., :3])
    if "A" in mode:
        np.testing.assert_array_equal(np.rint(picture.alpha * 255), expected[..., 3:])


def test_bits_of_a_fax_where_white_is_zero(tmp_path):
    image = Image.fromarray(COLOUR[..., 0]).convert("1")
    image.save(tmp_path / "a.tif", compression="group4")
    found = read_picture(tmp_path / "a.tif").pixels[..., 0]
    np.testing.assert_array_equal(found, np.asarray(image).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_multiplied_alpha_is_divided_out(tmp_path, dtype):
    most = np.iinfo(dtype).max
    colour = np.broadcast_to(np.array([0.8, 0.5, 0.25]), (37, 53, 3))
    data = np.rint(np.dstack([colour * ALPHA, ALPHA]) * most).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["assocalpha"])
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.pixels, colour, atol=3 / most / ALPHA.min())
    np.testing.assert_allclose(picture.alpha, ALPHA, atol=1 / most)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_an_extra_channel_of_unknown_meaning_is_no_transparency(tmp_path, dtype, planes):
    samples = (COLOUR.astype(np.uint32) * (np.iinfo(dtype).max // 255)).astype(dtype)
    data = np.dstack([samples, samples[..., :1] // 2])
    tifffile.imwrite(
        tmp_path / "a.tif",
        data if planes == "contig" else data.transpose(2, 0, 1),
        photometric="rgb",
        planarconfig=planes,
        extrasamples=["unspecified"],
    )
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(stored(picture, samples), samples)
    assert picture.alpha is None and "unknown meaning" in picture.notes[0]


def test_alpha_behind_an_unknown_channel(tmp_path):
    data = np.dstack([COLOUR, COLOUR[..., :1], np.rint(ALPHA * 255).astype(np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unspecified", "unassalpha"])
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), COLOUR)
    np.testing.assert_array_equal(np.rint(picture.alpha * 255), data[..., 4:])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_colour(tmp_path, dtype):
    values = (COLOUR / 255).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.pixels, values, atol=1e-6)
    assert picture.bits == 16 and "no colour profile" in picture.notes[0]
    profile = (34675, 7, None, icc_profile(ADOBE_RGB, GAMMA_22), True)
    tifffile.imwrite(tmp_path / "b.tif", values, photometric="rgb", extratags=[profile])
    converted = read_picture(tmp_path / "b.tif")
    assert converted.notes == () and np.abs(converted.pixels - values).max() > 0.02


def test_floating_point_with_differences(tmp_path):
    # OpenCV writes 32 bits with LZW and, as libtiff does for floats, predictor 3 where asked.
    values = (DEEP / 65535).astype(np.float32)
    for predictor in (1, 3):
        options = [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
        assert cv2.imwrite(str(tmp_path / "a.tif"), values[..., ::-1], options)
        np.testing.assert_allclose(read_picture(tmp_path / "a.tif").pixels, values, atol=1e-6)


def test_floating_point_light_above_one_is_rolled_off(tmp_path):
    values = np.full((4, 4, 3), 0.2, np.float32)
    values[0] = 3
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert "linear light" in picture.notes[0]
    np.testing.assert_allclose(picture.pixels[1, 0], 0.4845, atol=1e-3)
    assert 0.9 < picture.pixels[0].min() <= picture.pixels[0].max() <= 1


@pytest.mark.parametrize(
    "samples,options,words",
    [
        (np.ones((4, 4), np.float32), {}, "floating point"),
        (np.ones((4, 4, 3), np.int16), {"photometric": "rgb"}, "16-bit signed"),
        (np.ones((4, 4, 3), np.uint32), {"photometric": "rgb"}, "32-bit"),
        (np.ones((4, 4, 3), np.float32) * np.nan, {"photometric": "rgb"}, "not numbers"),
        (np.ones((4, 4), np.uint16), {"photometric": "cfa"}, "camera raw"),
        (np.ones((4, 4), np.uint8), {"extratags": [(50706, 1, 4, b"\1\4\0\0", True)]}, "camera raw"),
        (np.ones((4, 4, 3), np.uint16), {"photometric": "cielab"}, "unusual TIFF"),
    ],
)
def test_what_is_no_photo_is_one_sentence(tmp_path, samples, options, words):
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    with pytest.raises(RelightError, match=words) as caught:
        read_picture(tmp_path / "a.tif")
    assert str(tmp_path / "a.tif") in str(caught.value)


def test_large_claims_of_small_files_cost_nothing(tmp_path):
    whole = bytearray(tiff_bytes(COLOUR))
    table = struct.unpack_from("<I", whole, 4)[0]
    for tag, value in ((0, 12_000), (1, 12_000), (8, 12_000), (6, 12_000)):
        struct.pack_into("<I", whole, table + 2 + 12 * tag + 8, value)
    (tmp_path / "a.tif").write_bytes(whole)
    began = time.monotonic()
    with pytest.raises(RelightError, match="damaged or cut off"):
        read_picture(tmp_path / "a.tif")
    assert time.monotonic() - began < 1
