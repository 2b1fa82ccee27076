"""Colour that files tell by other means than an ICC profile."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, features

from tests.picture_files import png_bytes, png_chunk
from tf_relight.photo.colour import linear_to_srgb, srgb_to_linear
from tf_relight.photo.encodings import adobe_rgb, from_cicp, from_gamma, roll_off
from tf_relight.photo.reading import read_picture

# One colour inside sRGB, in three encodings; worked out from the standards with another library's matrices.
IN_ADOBE = np.full((16, 16, 3), (120, 140, 110), np.uint8)
IN_SRGB = np.array([0.43652, 0.55402, 0.42715])
SMOOTH = np.rint(np.linspace(30, 220, 64 * 96 * 3).reshape(64, 96, 3)).astype(np.uint8)


def dcf_exif(index: bytes | None, colour_space: int) -> bytes:
    """EXIF of a camera: ColorSpace, and the interoperability index where one is given."""
    exif = Image.Exif()
    details = {0xA001: colour_space}
    if index is not None:
        details[0xA005] = {1: index.decode()}
    exif[0x8769] = details
    return exif.tobytes()


def file_in(folder, kind, samples, **options):
    path = folder / f"a.{kind}"
    if kind in ("webp", "avif"):
        options |= {"quality": 100}
    Image.fromarray(samples).save(path, **options)
    return path


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("index,space", [(b"R03", 65535), (None, 2), (b"R03", 2)])
def test_adobe_rgb_of_cameras(tmp_path, kind, index, space):
    if kind == "tif" and space != 2:
        pytest.skip("Pillow loses the index in a TIFF")
    exif = dcf_exif(index, space)
    path = file_in(tmp_path, kind, IN_ADOBE, exif=exif)
    np.testing.assert_allclose(read_picture(path).pixels.mean((0, 1)), IN_SRGB, atol=2.5 / 255)


@pytest.mark.parametrize("index,space", [(b"R98", 1), (b"R98", 65535), (None, 65535), (None, 1), (b"R03", 1)])
def test_other_cameras_stay_as_they_are(tmp_path, index, space):
    path = file_in(tmp_path, "png", IN_ADOBE, exif=dcf_exif(index, space))
    np.testing.assert_array_equal(np.rint(read_picture(path).pixels * 255), IN_ADOBE)


def test_a_profile_outdoes_the_camera(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = file_in(tmp_path, "jpg", IN_ADOBE, exif=dcf_exif(b"R03", 65535), icc_profile=profile, quality=98)
    assert np.abs(read_picture(path).pixels * 255 - IN_ADOBE).max() < 2


def chunk_file(folder, samples, *chunks):
    path = folder / "a.png"
    path.write_bytes(png_bytes(samples, *chunks))
    return path


def gamma_chunk(value):
    return png_chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries_chunk(white, red, green, blue):
    numbers = [round(v * 100_000) for v in (*white, *red, *green, *blue)]
    return png_chunk(b"cHRM", struct.pack(">8I", *numbers))


REC709 = primaries_chunk((0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
ADOBE = primaries_chunk((0.3127, 0.329), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


@pytest.mark.parametrize("deep", [False, True])
def test_png_with_linear_light(tmp_path, deep):
    linear = srgb_to_linear(SMOOTH / 255)
    most = 65535 if deep else 255
    samples = np.rint(linear * most).astype(np.uint16 if deep else np.uint8)
    found = read_picture(chunk_file(tmp_path, samples, gamma_chunk(1.0))).pixels
    np.testing.assert_allclose(found, linear_to_srgb(samples / most), atol=1e-3)


def test_png_with_gamma_and_primaries(tmp_path):
    path = chunk_file(tmp_path, IN_ADOBE, gamma_chunk(256 / 563), ADOBE)
    # Its gamma is close to the one that stands for sRGB, so the curve differs a little.
    np.testing.assert_allclose(read_picture(path).pixels[0, 0], IN_SRGB, atol=5 / 255)
    for chunks in [(gamma_chunk(0.45455),), (gamma_chunk(0.45455), REC709), (REC709,)]:
        plain = read_picture(chunk_file(tmp_path, IN_ADOBE, *chunks))
        np.testing.assert_array_equal(np.rint(plain.pixels * 255), IN_ADOBE)
    marked = (png_chunk(b"sRGB", b"\0"), gamma_chunk(1.0), ADOBE)
    plain = read_picture(chunk_file(tmp_path, IN_ADOBE, *marked))
    np.testing.assert_array_equal(np.rint(plain.pixels * 255), IN_ADOBE)


@pytest.mark.parametrize("chunk", [gamma_chunk(0), primaries_chunk(*[(0, 0)] * 4)])
def test_damaged_chunks_cost_no_picture(tmp_path, chunk):
    found = read_picture(chunk_file(tmp_path, IN_ADOBE, chunk))
    np.testing.assert_array_equal(np.rint(found.pixels * 255), IN_ADOBE)


@pytest.mark.parametrize("primaries,transfer", [(1, 13), (1, 1), (2, 2), (1, 6)])
def test_cicp_of_srgb_changes_nothing(tmp_path, primaries, transfer):
    chunk = png_chunk(b"cICP", bytes([primaries, transfer, 0, 1]))
    picture = read_picture(chunk_file(tmp_path, IN_ADOBE, chunk))
    assert picture.notes == ()
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), IN_ADOBE)


def test_cicp_of_display_p3_and_of_linear_light():
    # Display P3 red is outside sRGB; its white and greys are those of sRGB.
    p3 = from_cicp(12, 13).profile
    np.testing.assert_allclose(p3.matrix @ np.ones(3), 1, atol=1e-6)
    np.testing.assert_allclose(p3.matrix[0], [1.2249, -0.2249, 0], atol=2e-4)
    linear = from_cicp(1, 8).profile.convert(np.full((1, 1, 3), 0.2))
    np.testing.assert_allclose(linear, linear_to_srgb(np.full((1, 1, 3), 0.2)), atol=1e-6)
    assert "unknown kind" in from_cicp(1, 99).note and from_cicp(1, 99).profile is None
    np.testing.assert_allclose(adobe_rgb().profile.matrix @ np.ones(3), 1, atol=1e-6)
    assert from_gamma(None, None).profile is None


@pytest.mark.parametrize("transfer,white", [(16, 0.5807), (18, 0.75)])
def test_pictures_of_high_dynamic_range_are_brought_down_with_a_note(tmp_path, transfer, white):
    # BT.2408: diffuse white, 203 nits, is 58 % of PQ and 75 % of HLG.
    ramp = np.linspace(0, 1, 256)[None, :, None].repeat(3, axis=2)
    samples = np.rint(ramp * 65535).astype(np.uint16)
    chunk = png_chunk(b"cICP", bytes([9, transfer, 0, 1]))
    picture = read_picture(chunk_file(tmp_path, samples, chunk))
    assert "HDR" in picture.notes[0]
    row = picture.pixels[0, :, 0]
    assert row[0] < 0.01 and (np.diff(row) > -1e-6).all() and row[-1] <= 1
    assert row[round(white * 255)] == pytest.approx(0.94, abs=0.02)
    np.testing.assert_allclose(picture.pixels[..., 0], picture.pixels[..., 2], atol=1e-3)


def test_highlights_keep_their_hue():
    bright = np.array([[4.0, 2.0, 1.0], [0.3, 0.2, 0.1]])
    rolled = roll_off(bright)
    np.testing.assert_allclose(rolled[0] / rolled[0, 0], bright[0] / bright[0, 0])
    np.testing.assert_array_equal(rolled[1], bright[1])
    assert rolled.max() <= 1


@pytest.mark.parametrize("code,words", [((9, 16), "PQ"), ((9, 18), "HLG"), ((12, 13), None)])
def test_avif_names_its_colours(tmp_path, code, words):
    if not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    stream = io.BytesIO()
    Image.fromarray(IN_ADOBE).save(stream, "AVIF", quality=100)
    content = stream.getvalue()
    assert b"nclx" in content
    place = content.index(b"nclx") + 4
    path = tmp_path / "a.avif"
    path.write_bytes(content[:place] + struct.pack(">HH", *code) + content[place + 4 :])
    picture = read_picture(path)
    plain = read_picture(file_in(tmp_path, "webp", IN_ADOBE)).pixels
    assert np.abs(picture.pixels - plain).max() > 0.01
    assert (words in picture.notes[0]) if words else picture.notes == ()


def test_a_photo_that_was_encoded_as_pq_looks_as_before(tmp_path):
    """The other way round, by the standards: sRGB at 203 nits, BT.2020 primaries, ST 2084."""
    to_2020 = np.linalg.inv(from_cicp(9, 8).profile.matrix)
    light = np.clip(srgb_to_linear(SMOOTH / 255).astype(np.float64) @ to_2020.T, 0, None) * 203 / 10_000
    power = light ** (2610 / 16384)
    encoded = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    chunk = png_chunk(b"cICP", bytes([9, 16, 0, 1]))
    path = chunk_file(tmp_path, np.rint(encoded * 65535).astype(np.uint16), chunk)
    found = read_picture(path).pixels
    np.testing.assert_allclose(found, SMOOTH / 255, atol=0.02)
