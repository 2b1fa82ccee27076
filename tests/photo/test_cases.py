"""Files of real kinds that failed once; they lie with the reference data."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tf_relight.data.pictures import look, read_rgb
from tf_relight.light.light import Light
from tf_relight.photo.reading import read_picture

pytestmark = pytest.mark.reference


@pytest.fixture
def cases(reference_data):
    folder = reference_data / "cases"
    if not folder.is_dir():
        pytest.skip("the reference data holds no cases")
    return folder


def test_a_camera_in_adobe_rgb(cases):
    camera = read_picture(cases / "01_dcf_adobe_rgb/camera.jpg").pixels
    same = read_picture(cases / "01_dcf_adobe_rgb/same_in_srgb.jpg").pixels
    assert np.abs(camera - same).mean() * 255 < 1.5  # both went through JPEG


@pytest.mark.parametrize("name", ["planar.tif", "extra_channel_unspecified_8bit.tif"])
def test_tiff(cases, name):
    right = read_picture(cases / "02_tiff_16bit/right.png")
    found = read_picture(cases / "02_tiff_16bit" / name)
    assert found.alpha is None
    np.testing.assert_allclose(found.pixels, right.pixels, atol=1e-6)


def test_floating_point_tiff(cases):
    right = read_picture(cases / "02_tiff_16bit/right.png").pixels
    np.testing.assert_allclose(read_picture(cases / "11_tiff_float/float16_rgb.tif").pixels, right, atol=1e-3)


def test_probes_of_one_light(cases):
    expected = Light.from_hdr(cases / "05_light_probes/latlong.hdr")
    found = Light.from_hdr(cases / "05_light_probes/angular_probe.hdr")
    assert found.angles == pytest.approx(expected.angles, abs=1)
    Light.from_hdr(cases / "05_light_probes/tiny_negative.exr")


@pytest.mark.parametrize(
    "name",
    ["german_comma.txt", "notepad_bom.txt", "numpy_print.txt", "one_row.csv", "powershell_utf16.txt"]
    + ["python_list.txt", "savetxt_9x3.txt", "semicolon.csv"],
)
def test_light_files(cases, name):
    plain = Light.from_file(cases / "09_light_files/plain.txt").coefficients[:, 0]
    found = Light.from_file(cases / "09_light_files" / name).coefficients[:, 0]
    np.testing.assert_allclose(found, plain, atol=6e-5)


def test_trailing_data(cases):
    for path in (cases / "07_trailing_data").rglob("*.*"):
        look(path)
        assert np.abs(read_rgb(path) - read_picture(path).pixels * 255).max() <= 0.51


def test_colour_tags(cases):
    linear = read_picture(cases / "10_hdr_tagged/linear16_gama1.png").pixels.mean(axis=(0, 1))
    right = read_picture(cases / "02_tiff_16bit/right.png").pixels.mean(axis=(0, 1))
    np.testing.assert_allclose(linear, right, atol=0.002)
    assert "HDR" in read_picture(cases / "10_hdr_tagged/pq.avif").notes[0]


def test_mirrored_films(cases):
    pytest.importorskip("av")
    from tf_relight.films.film import Film

    plain, mirrored, turned = (
        next(iter(Film(cases / f"06_mirrored_film/{name}.mp4"))).pixels
        for name in ("plain", "hflip", "rot90")
    )
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


def test_metadata(cases, tmp_path):
    from tf_relight.photo.writing import write_picture

    picture = read_picture(cases / "15_metadata/camera.jpg")
    write_picture(tmp_path / "a.jpg", picture.with_pixels(picture.pixels))
    with Image.open(tmp_path / "a.jpg") as image:
        exif = image.getexif()
        assert exif[0x013B] == "Somebody" and exif[0x0112] == 1 and image.info["dpi"] == (300, 300)
        assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05" and exif.get_ifd(0x8825)[1] == "N"
        assert b"<xmp:Rating>5<" in image.info["xmp"] and b"DigitalSourceType" in image.info["xmp"]
        assert b"kw" in image.info["photoshop"][0x0404]
