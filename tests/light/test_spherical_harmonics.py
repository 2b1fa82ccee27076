"""Spherical harmonics: what they mean, not how they are written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.light import spherical_harmonics as sh

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)

H = np.sqrt(3) / 2
# The tables of the design, frame "dpr": entry i is the new coefficient i as {old index: factor}.
TABLES = {
    "hflip": [{0: 1}, {1: 1}, {2: 1}, {3: -1}, {4: -1}, {5: 1}, {6: 1}, {7: -1}, {8: 1}],
    "vflip": [{0: 1}, {1: 1}, {2: -1}, {3: 1}, {4: 1}, {5: -1}, {6: 1}, {7: -1}, {8: 1}],
    "rot90": [{0: 1}, {1: 1}, {3: 1}, {2: -1}, {5: -1}, {4: 1}, {6: -0.5, 8: H}, {7: -1}, {6: H, 8: 0.5}],
    "rot180": [{0: 1}, {1: 1}, {2: -1}, {3: -1}, {4: -1}, {5: -1}, {6: 1}, {7: 1}, {8: 1}],
    "rot270": [{0: 1}, {1: 1}, {3: -1}, {2: 1}, {5: 1}, {4: -1}, {6: -0.5, 8: H}, {7: -1}, {6: H, 8: 0.5}],
    "transpose": [
        {0: 1},
        {1: 1},
        {3: -1},
        {2: -1},
        {5: -1},
        {4: -1},
        {6: -0.5, 8: H},
        {7: 1},
        {6: H, 8: 0.5},
    ],
}
# The same in SfSNet's order with x right, y up, z toward the camera: signed permutations, as (index, sign).
IMAGE_TABLES = {
    "hflip": "+0 +1 -2 +3 +4 -5 +6 +7 -8",
    "vflip": "+0 +1 +2 -3 +4 +5 -6 +7 -8",
    "rot90": "+0 +1 -3 +2 +4 -6 +5 -7 -8",
    "rot180": "+0 +1 -2 -3 +4 -5 -6 +7 +8",
    "rot270": "+0 +1 +3 -2 +4 +6 -5 -7 -8",
    "transpose": "+0 +1 -3 -2 +4 -6 -5 -7 +8",
}


def directions(rng: np.random.Generator, count: int = 500) -> np.ndarray:
    normals = rng.standard_normal((count, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def orthogonal(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((3, 3)))[0]


def ball(size: int = 33) -> tuple[np.ndarray, np.ndarray]:
    """Normals (size, size, 3) of a ball as the camera sees it, and where it is."""
    x, z = np.meshgrid(np.linspace(-1, 1, size), np.linspace(1, -1, size))
    inside = x**2 + z**2 < 1
    y = -np.sqrt(np.where(inside, 1 - x**2 - z**2, 0))
    return np.stack([x, y, z], axis=-1), inside


def test_constants_are_those_of_the_paper():
    # DPR's utils_SH, second column: constants with the attenuation.
    x, y, z = 0.48, -0.6, 0.64
    values = [1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    constants = [0.8862269255, *[1.0233267079] * 3, *[0.8580855308] * 2]
    constants += [0.2477079561, 0.8580855308, 0.4290427654]
    np.testing.assert_allclose(sh.basis(np.array([x, y, z])), np.array(constants) * values, atol=1e-9)


def test_harmonics_are_orthonormal():
    height, width = 64, 128
    polar = (np.arange(height) + 0.5) * np.pi / height
    turn = (np.arange(width) + 0.5) * 2 * np.pi / width
    edges = np.cos(np.linspace(0, np.pi, height + 1))
    area = np.repeat((edges[:-1] - edges[1:]) * 2 * np.pi / width, width)
    p, t = (a.ravel() for a in np.meshgrid(polar, turn, indexing="ij"))
    values = sh.basis(
        np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], -1), attenuated=False
    )
    # The midpoint rule over 64 rows is good to about (pi / 64)^2 / 6.
    np.testing.assert_allclose(values.T @ (values * area[:, None]), np.eye(9), atol=1e-3)


@few
@given(seeds)
def test_rotated_light_shades_rotated_normals(seed):
    rng = np.random.default_rng(seed)
    light, rotation, normals = rng.standard_normal((9, 3)), orthogonal(rng), directions(rng)
    turned = sh.shading(normals @ rotation.T, sh.rotate(light, rotation))
    np.testing.assert_allclose(turned, sh.shading(normals, light), atol=1e-12)


@few
@given(seeds)
def test_rotations_compose(seed):
    rng = np.random.default_rng(seed)
    light, first, second = rng.standard_normal(9), orthogonal(rng), orthogonal(rng)
    np.testing.assert_allclose(
        sh.rotate(sh.rotate(light, first), second), sh.rotate(light, second @ first), atol=1e-12
    )


def test_a_matrix_that_is_no_rotation_is_refused():
    with pytest.raises(ValueError, match="orthogonal"):
        sh.rotate(np.ones(9), np.ones((3, 3)))


@few
@given(seeds, st.sampled_from(sh.FRAMES), st.sampled_from(sh.FRAMES))
def test_frames_convert_there_and_back(seed, source, target):
    light = np.random.default_rng(seed).standard_normal((9, 3))
    there = sh.convert(light, source, target)
    np.testing.assert_allclose(sh.convert(there, target, source), light, atol=1e-12)


def test_frames_mean_the_same_directions():
    rng = np.random.default_rng(0)
    camera = directions(rng)  # x right, y up, z toward the camera
    light = rng.standard_normal(9)
    right, up, near = camera.T
    dpr = sh.shading(np.stack([right, -near, up], -1), sh.convert(light, "image", "dpr"))
    sfsnet = sh.shading(
        np.stack([-up, right, near], -1), sh.convert(light, "image", "sfsnet"), frame="sfsnet"
    )
    expected = sh.shading(camera, light, frame="image")
    np.testing.assert_allclose(dpr, expected, atol=1e-12)
    np.testing.assert_allclose(sfsnet, expected, atol=1e-12)


def test_unknown_frames_are_refused():
    with pytest.raises(ValueError, match="unknown frame"):
        sh.convert(np.ones(9), "dpr", "opengl")


@pytest.mark.parametrize("operation", TABLES)
def test_image_maps_are_those_of_the_tables(operation):
    expected = np.zeros((9, 9))
    for row, entries in enumerate(TABLES[operation]):
        for column, factor in entries.items():
            expected[row, column] = factor
    np.testing.assert_allclose(sh.image_map(operation), expected, atol=1e-12)


OPERATIONS = {
    "hflip": lambda image: image[:, ::-1],
    "vflip": lambda image: image[::-1],
    "rot90": np.rot90,
    "rot180": lambda image: np.rot90(image, 2),
    "rot270": lambda image: np.rot90(image, 3),
    "transpose": lambda image: np.swapaxes(image, 0, 1),
    "invert": lambda image: 2 * sh.ATTENUATION[0] * np.sqrt(1 / (4 * np.pi)) - image,
}


@few
@given(seeds, st.sampled_from(sh.IMAGE_OPERATIONS))
def test_image_operations_commute_with_rendering_a_ball(seed, operation):
    normals, inside = ball()
    light = np.random.default_rng(seed).standard_normal(9)
    light[0] = 1.0  # the ambient shading that inversion mirrors about
    changed = OPERATIONS[operation](sh.shading(normals, light))
    rendered = sh.shading(normals, sh.image_map(operation) @ light)
    np.testing.assert_allclose(rendered[inside], changed[inside], atol=1e-12)


@pytest.mark.parametrize("operation", IMAGE_TABLES)
def test_image_maps_in_the_image_frame_are_those_of_the_tables(operation):
    expected = np.zeros((9, 9))
    for row, entry in enumerate(IMAGE_TABLES[operation].split()):
        expected[row, int(entry[1:])] = 1 if entry[0] == "+" else -1
    np.testing.assert_allclose(sh.image_map(operation, "image"), expected, atol=1e-12)


def test_image_frame_to_dpr_by_hand():
    s = np.random.default_rng(0).standard_normal(9)
    zonal, difference = -s[4] / 2 - H * s[7], -H * s[4] + s[7] / 2
    expected = [s[0], -s[1], s[3], s[2], -s[5], -s[6], zonal, s[8], difference]
    np.testing.assert_allclose(sh.convert(s, "image", "dpr"), expected, atol=1e-12)


@few
@given(seeds, st.sampled_from(sh.IMAGE_OPERATIONS), st.sampled_from(sh.FRAMES))
def test_image_maps_mean_the_same_in_every_frame(seed, operation, frame):
    light = np.random.default_rng(seed).standard_normal(9)
    changed = sh.image_map(operation, frame) @ sh.convert(light, "dpr", frame)
    np.testing.assert_allclose(sh.convert(changed, frame, "dpr"), sh.image_map(operation) @ light, atol=1e-12)


def test_an_unknown_operation_is_refused():
    with pytest.raises(ValueError, match="unknown operation"):
        sh.image_map("shear")


@few
@given(seeds)
def test_projection_of_a_rendered_environment_returns_the_light(seed):
    light = np.random.default_rng(seed).standard_normal((9, 3))
    height, width = 90, 180
    polar = (np.arange(height) + 0.5) * np.pi / height
    longitudes = np.pi / 2 - 2 * np.pi * ((np.arange(width) + 0.5) / width - 0.5)
    p, t = np.meshgrid(polar, longitudes, indexing="ij")
    normals = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], axis=-1)
    radiance = sh.basis(normals, attenuated=False) @ light
    # Pixel centres stand for rows of 2 degrees: errors of (pi / 90)^2 / 6 = 2e-4 of coefficients about 1..3.
    np.testing.assert_allclose(sh.project_environment(radiance), light, atol=3e-3)


def test_the_right_of_a_panorama_lights_the_right():
    panorama = np.zeros((16, 32, 1))
    panorama[7:9, 24] = 1.0  # three quarters along the width
    light = sh.project_environment(panorama)[:, 0]
    assert light[3] > 0.03 and abs(light[1]) < 0.2 * light[3] and abs(light[2]) < 1e-9


def test_projection_refuses_other_shapes():
    with pytest.raises(ValueError, match="environment map"):
        sh.project_environment(np.zeros((4, 8)))


@pytest.mark.reference
@pytest.mark.parametrize("name", ["grace", "uffizi"])
def test_projection_of_real_maps(reference_data, name):
    from tf_relight.light.files import read_hdr

    folder = reference_data / "hdr" / "dev"
    gold = np.array(json.loads((folder / "sh_gold.json").read_text())["probes"][name]["L"])
    pixels = read_hdr(folder / f"{name}.hdr")
    longitudes = (np.arange(pixels.shape[1]) + 0.5) * 2 * np.pi / pixels.shape[1]
    found = sh.project_environment(pixels, longitudes)
    # The same quadrature in another order of summation; the plain midpoint rule would be 2.5e-5 off.
    np.testing.assert_allclose(found, gold, atol=1e-12 * np.abs(gold).max())


@few
@given(seeds)
def test_smallest_shading_is_exact(seed):
    rng = np.random.default_rng(seed)
    light = rng.standard_normal(9)
    least = sh.smallest_shading(light)
    sampled = sh.shading(directions(rng, 20_000), light).min()
    # 20 000 directions leave gaps of about 0.03, so the sampled minimum is at most some 1e-2 higher.
    assert least <= sampled + 1e-9 and sampled - least < 2e-2


@pytest.mark.parametrize("axis", range(9))
def test_smallest_shading_of_each_harmonic(axis):
    light = np.eye(9)[axis]
    normals = directions(np.random.default_rng(0), 200_000)
    assert sh.smallest_shading(light) == pytest.approx(sh.shading(normals, light).min(), abs=2e-3)


@few
@given(seeds)
def test_projection_to_lights_that_are_nowhere_negative(seed):
    light = np.random.default_rng(seed).standard_normal(9)
    near = sh.project_nonnegative(light)
    assert sh.is_nonnegative(near)
    np.testing.assert_allclose(sh.project_nonnegative(near), near, atol=1e-6)
    # Nearest: a step toward the wish is forbidden.
    closer = near + 0.05 * (light - near)
    assert np.allclose(near, light) or not sh.is_nonnegative(closer, 0)


@few
@given(seeds)
def test_sums_of_lamps_are_nowhere_negative(seed):
    rng = np.random.default_rng(seed)
    light = rng.random(4) @ sh.basis(directions(rng, 4), attenuated=False)
    assert sh.is_nonnegative(light)
    np.testing.assert_allclose(sh.project_nonnegative(light), light, atol=1e-6)


@few
@given(seeds, st.floats(0, 0.5))
def test_window_keeps_shading_above_the_margin_and_the_direction(seed, margin):
    light = np.random.default_rng(seed).standard_normal(9)
    light[0] = 0.5 + abs(light[0])
    damped = sh.window(light, margin)
    ambient = sh.basis(np.array([0.0, 0, 1]))[0] * light[0]
    assert sh.smallest_shading(damped) >= margin * ambient - 1e-9
    assert damped[0] == light[0]
    np.testing.assert_allclose(
        damped[1:4] * np.linalg.norm(light[1:4]), light[1:4] * np.linalg.norm(damped[1:4])
    )


def test_window_leaves_a_soft_light_and_refuses_a_dark_one():
    soft = np.array([0.8, -0.2, 0.1, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(sh.window(soft), soft)
    with pytest.raises(ValueError, match="positive"):
        sh.window(-soft)
