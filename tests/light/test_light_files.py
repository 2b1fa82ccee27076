"""Lights from files as people have them: texts of any make, probes of any layout, damaged maps."""

from __future__ import annotations

import codecs
import logging

import cv2
import numpy as np
import pytest

from tf_relight.errors import RelightError
from tf_relight.light.files import read_hdr
from tf_relight.light.light import Light
from tf_relight.light.probes import layout, project
from tf_relight.light.spherical_harmonics import (
    basis,
    lifted,
    project_environment,
    shading,
    smallest_shading,
)

VALUES = [1.0841, -0.4643, 0.6533, -0.1782, 0.0333, -0.3611, 0.3648, -0.075, -0.0541]
LINES = "\n".join(map(str, VALUES))
GERMAN = LINES.replace(".", ",")
RNG = np.random.default_rng(0)


def light_of(path, content, frame=None):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Light.from_file(path, frame)


# -- Text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES.replace("\n", "\r\n") + "\r\n",
        codecs.BOM_UTF8 + LINES.encode(),
        codecs.BOM_UTF16_LE + LINES.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.encode("utf-16-le"),
        LINES.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + LINES.encode("utf-32-le"),
        GERMAN,
        GERMAN.replace("\n", ";"),
        GERMAN.replace("\n", "; "),
        GERMAN.replace("\n", " "),
        GERMAN.replace("\n", "\t"),
        GERMAN.replace("\n", ", "),
        LINES.replace("\n", ";"),
        LINES.replace("\n", ","),
        LINES.replace("\n", ", "),
        f"{VALUES}",
        f"({LINES})".replace("\n", ","),
        f"array({VALUES})",
        f"np.array({VALUES}, dtype=float32)",
        str(np.array(VALUES)),
        repr(np.array(VALUES)[:, None]),
        LINES.replace("-", "\u2212"),
        LINES.replace("\n", "\u00a0"),
        "# from the caf\xe9\n".encode("latin-1") + LINES.encode(),
        f"# 50 % of it, measured; see [1]\n{LINES}\n# end",
    ],
)
def test_nine_numbers_however_they_are_written(tmp_path, content):
    light = light_of(tmp_path / "light.txt", content)
    np.testing.assert_allclose(light.coefficients, np.repeat(np.array(VALUES)[:, None], 3, axis=1), atol=1e-9)


COLOURED = np.array(VALUES)[:, None] * np.array([1, 0.6, 0.3])


@pytest.mark.parametrize("brackets", ["", "repr", "list", "flat list"])
def test_the_lines_of_27_numbers_say_what_they_are(tmp_path, brackets):
    path = tmp_path / "light.txt"
    if brackets == "":
        np.savetxt(path, COLOURED)
        content = path.read_bytes()
    else:
        content = repr(COLOURED) if brackets == "repr" else str(COLOURED.tolist())
        content = content.replace("], [", "],\n [") if brackets == "list" else content
    for frame in (None, "dpr"):
        light = light_of(path, content, frame)
        np.testing.assert_allclose(light.coefficients, COLOURED, atol=1e-7)


@pytest.mark.parametrize("text", ["lines of nine", "one line", "list of three"])
def test_three_times_nine_numbers_stay_sfsnets(tmp_path, text):
    numbers = COLOURED.T
    content = {
        "lines of nine": "\n".join(" ".join(map(str, row)) for row in numbers.tolist()),
        "one line": " ".join(map(str, numbers.ravel().tolist())),
        "list of three": str(numbers.tolist()),
    }[text]
    light = light_of(tmp_path / "light.txt", content)
    expected = Light.from_array(COLOURED, "sfsnet")
    np.testing.assert_allclose(light.coefficients, expected.coefficients, atol=1e-9)
    named = light_of(tmp_path / "light.txt", "# frame: dpr\n" + content)
    np.testing.assert_allclose(named.coefficients, COLOURED, atol=1e-9)


@pytest.mark.parametrize(
    "content,words",
    [
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'", "NumPy array file.*savetxt"),
        (b"\xff\xfe\x00\x81", "not text"),
        (bytes(range(256)), "not text"),
        ('{"light": [1, 2]}', "is not a number"),
        ("1_000 2 3 4 5 6 7 8 9", "'1_000' is not a number"),
        (GERMAN.replace("\n", " ") + " 1,5", "holds 20 numbers"),
        ("1.5,2 " * 9, "holds 18 numbers"),
        (b"\xef\xbb\xbf", "holds 0 numbers"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, words):
    with pytest.raises(RelightError, match=words) as caught:
        light_of(tmp_path / "light.txt", content)
    assert str(tmp_path / "light.txt") in str(caught.value) and "\n" not in str(caught.value)


# -- Layouts -------------------------------------------------------------------------------------------------


def radiance(directions):
    """A lamp at the front left, raised, a red one from the right and a weaker one from below."""
    lamps = [((-0.5, -0.6, 0.6), (6, 6, 6)), ((1, 0.1, 0), (3, 0.5, 0.5)), ((0.1, 0.3, -1), (0.3, 0.8, 0.3))]
    found = np.full((*directions.shape[:-1], 3), 0.2)
    for direction, colour in lamps:
        unit = np.array(direction) / np.linalg.norm(direction)
        found += np.exp(20 * (directions @ unit - 1))[..., None] * np.array(colour)
    return found


def pixel_grid(height, width):
    """u and v in -1..1, to the right and up."""
    across, down = (np.arange(width) + 0.5) / width * 2 - 1, (np.arange(height) + 0.5) / height * 2 - 1
    return np.meshgrid(across, -down)


def as_panorama(height=128):
    u, v = pixel_grid(height, 2 * height)
    azimuth, up = np.pi * u, np.pi / 2 * v
    return radiance(
        np.stack([np.sin(azimuth) * np.cos(up), np.cos(azimuth) * np.cos(up), np.sin(up)], axis=-1)
    )


def as_angular_map(side=256):
    u, v = pixel_grid(side, side)
    radius = np.hypot(u, v)
    scale = np.sin(np.pi * radius) / np.maximum(radius, 1e-9)
    directions = np.stack([u * scale, np.cos(np.pi * radius), v * scale], axis=-1)
    return radiance(directions) * (radius <= 1)[..., None]


def cube_face(face, side):
    """A face as a camera in the middle sees it: front is into the picture."""
    u, v = pixel_grid(side, side)
    one = np.ones_like(u)
    x, y, z = {
        "front": (u, one, v),
        "right": (one, -u, v),
        "back": (-u, -one, v),
        "left": (-one, u, v),
        "top": (u, -v, one),
        "bottom": (u, v, -one),
    }[face]
    directions = np.stack([x, y, z], axis=-1)
    return radiance(directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def as_cube(name, side=64):
    if name.endswith("strip"):
        faces = [cube_face(face, side) for face in ("right", "left", "top", "bottom", "front", "back")]
        return np.concatenate(faces, axis=1 if name.startswith("horizontal") else 0)
    places = {"top": (0, 1), "left": (1, 0), "front": (1, 1), "right": (1, 2), "bottom": (2, 1)}
    if name.startswith("horizontal"):
        whole, places = np.zeros((3 * side, 4 * side, 3)), places | {"back": (1, 3)}
    else:
        whole, places = np.zeros((4 * side, 3 * side, 3)), places | {"back": (3, 1)}
    for face, (row, column) in places.items():
        pixels = cube_face(face, side)
        if face == "back" and name.startswith("vertical"):
            pixels = pixels[::-1, ::-1]  # folded on from the bottom
        whole[row * side : (row + 1) * side, column * side : (column + 1) * side] = pixels
    return whole


def exact():
    """The light by summing over random directions, without any map."""
    directions = RNG.normal(size=(400_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return basis(directions, attenuated=False).T @ radiance(directions) * (4 * np.pi / len(directions))


@pytest.mark.parametrize(
    "name,pixels",
    [
        ("panorama", as_panorama()),
        ("angular map", as_angular_map()),
        *((name, as_cube(name)) for name in ("vertical cross", "horizontal cross")),
        *((name, as_cube(name)) for name in ("vertical strip", "horizontal strip")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_layout_of_one_light_is_the_same_light(tmp_path, name, pixels):
    assert layout(pixels) == name
    np.testing.assert_allclose(project(pixels), exact(), atol=0.02)
    assert cv2.imwrite(str(tmp_path / "a.hdr"), pixels.astype(np.float32)[..., ::-1])
    found = Light.from_hdr(tmp_path / "a.hdr").coefficients
    expected = lifted(project_environment(as_panorama()))
    np.testing.assert_allclose(found / found[0, 0], expected / expected[0, 0], atol=0.02)


@pytest.mark.parametrize(
    "pixels,words",
    [
        (np.ones((64, 64, 3)), "bright outside its circle"),
        (np.ones((64, 48, 3)), "no empty corners"),
        (np.ones((48, 64, 3)), "no empty corners"),
        (np.ones((64, 32, 3)), "turned panorama"),
        (np.ones((64, 96, 3)), "is 96 x 64.*ordinary picture"),
        (np.ones((50, 210, 3)), "is 210 x 50"),
    ],
)
def test_other_shapes_are_refused_with_what_they_look_like(tmp_path, pixels, words):
    path = tmp_path / "a.hdr"
    assert cv2.imwrite(str(path), pixels.astype(np.float32))
    with pytest.raises(RelightError, match=words) as caught:
        Light.from_hdr(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("turn", ["-Y {h} -X {w}", "+Y {h} +X {w}", "+X {w} -Y {h}", "-X {w} +Y {h}"])
def test_scan_lines_of_radiance_files_in_any_order(tmp_path, turn):
    upright = as_panorama(32).astype(np.float32)
    stored = upright
    if "-X" in turn:
        stored = stored[:, ::-1]
    if "+Y" in turn:
        stored = stored[::-1]
    if turn.index("X") < turn.index("Y"):
        stored = stored.swapaxes(0, 1)
    path = tmp_path / "a.hdr"
    assert cv2.imwrite(str(path), np.ascontiguousarray(stored[..., ::-1]))
    content = path.read_bytes()
    said = b"-Y %d +X %d" % stored.shape[:2]
    assert said in content
    path.write_bytes(content.replace(said, turn.format(h=32, w=64).encode()))
    np.testing.assert_allclose(read_hdr(path), upright, rtol=0.02, atol=0.02)


def test_radiance_files_in_xyz(tmp_path):
    path = tmp_path / "a.hdr"
    white_in_xyz = np.broadcast_to(np.array([0.9505, 1, 1.0891]), (8, 16, 3)).astype(np.float32)
    assert cv2.imwrite(str(path), np.ascontiguousarray(white_in_xyz[..., ::-1]))
    path.write_bytes(path.read_bytes().replace(b"32-bit_rle_rgbe", b"32-bit_rle_xyze"))
    np.testing.assert_allclose(read_hdr(path), 1, atol=0.03)


# -- Damaged pixels ------------------------------------------------------------------------------------------


def exr(path, channels, **header):
    openexr = pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage, **header}
    with openexr.File(header, channels) as file:
        file.write(str(path))
    return path


@pytest.mark.parametrize(
    "value,words", [(-0.0001, "below zero"), (np.inf, "infinite"), (np.nan, "not numbers")]
)
def test_single_wrong_pixels_are_mended_with_a_note(tmp_path, value, words, caplog):
    pixels = as_panorama(32).astype(np.float32)
    expected = Light.from_hdr(exr(tmp_path / "good.exr", {"RGB": pixels})).coefficients
    pixels[3, 4, 1] = value
    with caplog.at_level(logging.WARNING):
        found = Light.from_hdr(exr(tmp_path / "a.exr", {"RGB": pixels})).coefficients
    assert words in caplog.text and "a.exr" in caplog.text
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("value", [-0.5, np.inf, np.nan])
def test_many_wrong_pixels_are_refused(tmp_path, value):
    pixels = np.ones((16, 32, 3), np.float32)
    pixels[:4] = value
    with pytest.raises(RelightError, match="repair the map first"):
        Light.from_hdr(exr(tmp_path / "a.exr", {"RGB": pixels}))


@pytest.mark.parametrize(
    "names,words",
    [
        (
            ["view.diffuse.R", "view.diffuse.G", "view.diffuse.B", "view.depth.Z"],
            "layers view.depth, view.diffuse",
        ),
        (["Y"], "channels Y"),
        (["R", "G"], "no channel B: it holds the channels G, R"),
    ],
)
def test_layers_of_an_exr_are_named(tmp_path, names, words):
    plane = np.ones((8, 16), np.float32)
    path = exr(tmp_path / "a.exr", {name: plane for name in names})
    with pytest.raises(RelightError, match=words):
        Light.from_hdr(path)


def test_a_cropped_exr_is_put_back_into_its_frame(tmp_path):
    whole = np.zeros((16, 32, 3), np.float32)
    whole[4:8, 20:28] = 3
    windows = {"dataWindow": ((20, 4), (27, 7)), "displayWindow": ((0, 0), (31, 15))}
    windows = {name: tuple(np.array(point, np.int32) for point in window) for name, window in windows.items()}
    cropped = exr(tmp_path / "a.exr", {"RGB": np.ascontiguousarray(whole[4:8, 20:28])}, **windows)
    np.testing.assert_array_equal(read_hdr(cropped), whole)


# -- Irradiance ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ambient", [0.0, 0.003, 0.02])
def test_a_map_of_one_lamp_shades_as_its_irradiance(tmp_path, ambient):
    """A strong lamp in a dark room, where second-order light goes below zero."""
    pixels = np.full((64, 128, 3), ambient, np.float32)
    pixels[14:16, 30:32] = (300, 280, 250)
    assert cv2.imwrite(str(tmp_path / "a.hdr"), np.ascontiguousarray(pixels[..., ::-1]))
    light = Light.from_hdr(tmp_path / "a.hdr")
    normals = RNG.normal(size=(2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    u, v = pixel_grid(64, 128)
    azimuth, up = np.pi * u, np.pi / 2 * v
    towards = np.stack([np.sin(azimuth) * np.cos(up), np.cos(azimuth) * np.cos(up), np.sin(up)], axis=-1)
    weight = (pixels.mean(axis=2) * np.cos(up)).ravel()
    truth = np.maximum(normals @ towards.reshape(-1, 3).T, 0) @ weight
    ours = shading(normals, light.luminance)
    # 0.9935 is what nine coefficients can reach for a single lamp.
    assert np.corrcoef(ours, truth)[0, 1] > 0.99
    assert ours.min() > -1e-9 and smallest_shading(light.luminance) > -1e-9


def test_smallest_shading_of_lamps_is_exact():
    normals = RNG.normal(size=(100_000, 3))
    values = basis(normals / np.linalg.norm(normals, axis=1, keepdims=True))
    for count in (1, 2, 3):
        for _ in range(30):
            lamps = RNG.normal(size=(count, 3))
            lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
            light = basis(lamps, attenuated=False).T @ RNG.random(count)
            assert smallest_shading(light) == pytest.approx(
                float((values @ light).min()), abs=0.01 * light[0]
            )


def test_lifting_keeps_the_pattern_and_soft_lights():
    lamp = basis(np.array([[0.0, -0.6, 0.8]]), attenuated=False).T * np.array([1.0, 0.5, 0.25])
    up = lifted(lamp)
    np.testing.assert_array_equal(up[1:], lamp[1:])
    np.testing.assert_allclose(up[0] / up[0, 0], lamp[0] / lamp[0, 0])
    assert smallest_shading(up[:, 0]) == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(lifted(up * 1.0), up)
    with pytest.raises(ValueError, match="positive"):
        lifted(-lamp)
