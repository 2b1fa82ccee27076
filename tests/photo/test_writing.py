"""Quantising, resizing, writing and listing pictures."""

from __future__ import annotations

import resource

import numpy as np
import pytest
from PIL import Image, features

from tf_relight.errors import RelightError
from tf_relight.photo.listing import list_pictures
from tf_relight.photo.picture import Picture, resize, to_u8, to_u16
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture

RNG = np.random.default_rng(0)
PIXELS = RNG.random((20, 30, 3), dtype=np.float32)
ALPHA = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30, 1)
RAMP = np.linspace(0.1, 0.9, 64 * 96 * 3, dtype=np.float32).reshape(64, 96, 3)


def test_quantising_rounds_clips_and_refuses_nan():
    values = np.array([-1, 0, 0.4999 / 255, 0.5001 / 255, 1, 7])
    np.testing.assert_array_equal(to_u8(values), [0, 0, 0, 1, 255, 255])
    np.testing.assert_array_equal(to_u16(np.array([0.5, 1])), [32768, 65535])
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_u8(levels.astype(np.float32) / 255), levels)
    deep = np.arange(65536).astype(np.uint16)
    np.testing.assert_array_equal(to_u16(deep / 65535), deep)
    with pytest.raises(ValueError, match="NaN"):
        to_u8(np.array([np.nan, 1]))


def test_resize_averages_when_it_shrinks():
    np.testing.assert_allclose(resize(PIXELS, (10, 15))[0, 0], PIXELS[:2, :2].mean((0, 1)), atol=1e-6)
    # 20 rows on 3: each new row is the mean of 6 2/3 old ones, so the total stays.
    np.testing.assert_allclose(resize(PIXELS, (3, 7)).mean(), PIXELS.mean(), atol=1e-4)


@pytest.mark.parametrize("size", [(40, 60), (10, 60), (40, 15), (1, 1), (20, 30), (1, 500)])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_resize_shapes_and_flat_pictures(size, channels):
    shape = (20, 30) if channels is None else (20, 30, channels)
    flat = np.full(shape, 0.3, np.float32)
    result = resize(flat, size)
    assert result.shape == (*size, *shape[2:]) and result.dtype == np.float32
    np.testing.assert_allclose(result, 0.3, atol=1e-6)


def test_resize_rules():
    assert resize(PIXELS, (20, 30)) is not PIXELS
    step = np.array([[0, 0, 1, 1]], np.float32)
    np.testing.assert_array_equal(resize(step, (1, 8), "nearest"), [[0, 0, 0, 0, 1, 1, 1, 1]])
    assert resize(step, (1, 8), "cubic").min() < 0
    np.testing.assert_allclose(resize(step, (1, 8)), [[0, 0, 0, 0.25, 0.75, 1, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "a.bmp"])
def test_lossless_files_come_back(tmp_path, name):
    notes = write_picture(tmp_path / name, Picture(PIXELS))
    assert notes == ()
    back = read_picture(tmp_path / name)
    np.testing.assert_array_equal(to_u8(back.pixels), to_u8(PIXELS))
    assert back.alpha is None and back.bits == 8


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_16_bits_and_alpha_come_back(tmp_path, name, alpha):
    write_picture(tmp_path / name, Picture(PIXELS, alpha, bits=16))
    back = read_picture(tmp_path / name)
    assert back.bits == 16
    visible = np.broadcast_to(True if alpha is None else alpha > 0.5 / 255, PIXELS.shape)
    np.testing.assert_array_equal(to_u16(back.pixels)[visible], to_u16(PIXELS)[visible])
    if alpha is not None:
        np.testing.assert_array_equal(to_u16(back.alpha), to_u16(alpha))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.avif"])
def test_alpha_is_kept(tmp_path, name):
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    write_picture(tmp_path / name, Picture(PIXELS, ALPHA))
    assert np.abs(read_picture(tmp_path / name).alpha - ALPHA).max() < 0.02


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp"])
def test_without_alpha_the_picture_lies_on_white(tmp_path, name):
    alpha = np.zeros((64, 96, 1), np.float32)
    alpha[:, 48:] = 1
    notes = write_picture(tmp_path / name, Picture(RAMP, alpha))
    assert "white" in notes[0]
    back = read_picture(tmp_path / name).pixels
    assert back[:, :40].min() > 0.98
    assert np.abs(back[:, 56:] - RAMP[:, 56:]).mean() < 0.01


def test_quality_and_bit_depth_of_lossy_formats(tmp_path):
    for quality in (30, 95):
        notes = write_picture(tmp_path / f"{quality}.jpg", Picture(RAMP, bits=16), quality=quality)
        assert "8 bits" in notes[0]
    low, high = ((tmp_path / f"{quality}.jpg").stat().st_size for quality in (30, 95))
    assert low < high
    assert np.abs(read_picture(tmp_path / "95.jpg").pixels - RAMP).max() < 0.03


def test_metadata_is_not_written(tmp_path):
    write_picture(tmp_path / "a.jpg", Picture(PIXELS))
    with Image.open(tmp_path / "a.jpg") as written:
        assert not written.getexif() and "icc_profile" not in written.info


@pytest.mark.parametrize(
    "name, picture, words",
    [
        ("a.xyz", Picture(PIXELS), "Cannot tell the format"),
        ("a", Picture(PIXELS), "Cannot tell the format"),
        ("a.gif", Picture(PIXELS), "Cannot tell the format"),
        ("a.png", Picture(np.full((2, 2, 3), np.nan, np.float32)), "not numbers"),
        ("a.webp", Picture(np.zeros((2, 16_400, 3), np.float32)), "at most 16383"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, picture, words):
    with pytest.raises(RelightError, match=words):
        write_picture(tmp_path / name, picture)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RelightError, match="Cannot write"):
        write_picture(tmp_path / "file" / "a.png", Picture(PIXELS))


@pytest.mark.parametrize(
    "name, bits", [("a.png", 8), ("a.png", 16), ("a.jpg", 8), ("a.tif", 8), ("a.webp", 8)]
)
def test_a_full_disk_leaves_the_old_file(tmp_path, name, bits):
    path = tmp_path / name
    path.write_bytes(b"old")
    noise = Picture(RNG.random((120, 120, 3), dtype=np.float32), bits=bits)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(RelightError, match="Cannot write"):
            write_picture(path, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [entry.name for entry in tmp_path.iterdir()] == [name] and path.read_bytes() == b"old"


def test_list_pictures(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "._a.png", ".hidden.png", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    odd = tmp_path / "notes.txt"
    found = list_pictures([tmp_path, str(odd), tmp_path / "a.png"])
    assert found == [tmp_path / "a.png", tmp_path / "b.JPG", odd]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RelightError, match="holds no pictures"):
        list_pictures([tmp_path / "empty"])
    with pytest.raises(RelightError, match="no file or folder"):
        list_pictures([tmp_path / "gone"])


def test_with_pixels_keeps_the_rest():
    picture = Picture(PIXELS, ALPHA, 16, ("note",))
    other = picture.with_pixels(PIXELS * 0)
    assert other.alpha is ALPHA and other.bits == 16 and other.pixels.max() == 0
    with pytest.raises(ValueError, match="do not fit"):
        picture.with_pixels(PIXELS[:5])
