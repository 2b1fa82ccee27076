"""Normals of a whole picture from those of a face: harmonic fields, a sphere's normals, landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tf_relight.data.portraits.normal_refinement import (
    erode_face,
    fill_normals,
    refine_normals,
    solve_laplace,
    valid_normals,
    warp_normals,
)
from tf_relight.errors import RelightError

SIZE = 160


def sphere(centre: tuple[float, float] = (80, 80), radius: float = 75.0) -> tuple[np.ndarray, np.ndarray]:
    """Normals of a ball in the projection frame (x right, y down, z into the picture), and where it is."""
    x, y = np.meshgrid(np.arange(SIZE, dtype=float), np.arange(SIZE, dtype=float))
    x, y = (x - centre[0]) / radius, (y - centre[1]) / radius
    inside = x**2 + y**2 < 0.97
    z = -np.sqrt(np.where(inside, 1 - x**2 - y**2, 0))
    return np.stack([x, y, z], -1) * inside[..., None], inside


def degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(np.sum(a * b, axis=-1), -1, 1)))


def disc(radius: float, centre: tuple[float, float] = (80, 80)) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2


@pytest.mark.parametrize("shape", [(40, 60), (75, 30)])
def test_harmonic_functions_are_found_from_their_border(shape):
    """These polynomials solve the discrete equation as well, so only rounding is left."""
    y, x = np.mgrid[: shape[0], : shape[1]] / 10.0
    field = np.stack([3 * x - y + 2, x * y, x**2 - y**2, x**3 - 3 * x * y**2], -1)
    fixed = np.ones(shape, bool)
    fixed[1:-1, 1:-1] = np.random.default_rng(0).random((shape[0] - 2, shape[1] - 2)) < 0.01
    found = solve_laplace(np.where(fixed[..., None], field, np.nan), fixed)
    np.testing.assert_allclose(found, field, atol=1e-9)


def test_a_laplace_field_has_no_peaks_of_its_own():
    rng = np.random.default_rng(1)
    fixed = rng.random((50, 50)) < 0.05
    given = rng.random((50, 50, 2))
    found = solve_laplace(given, fixed)
    assert np.array_equal(found[fixed], given[fixed])
    assert found.min() >= given[fixed].min() - 1e-12 and found.max() <= given[fixed].max() + 1e-12


@pytest.mark.parametrize("fixed", [True, False])
def test_a_field_without_unknowns_or_with_one_value(fixed):
    places = np.full((6, 7), fixed)
    places[2, 3] = True
    assert np.allclose(solve_laplace(np.full((6, 7, 1), 4.0), places), 4.0)


def test_a_hole_in_a_sphere_is_filled_back():
    """x and y of a sphere's normals are linear, so exact; z is constant in the hole instead of curved.

    For a hole of 15 of 75 pixels that turns normals by up to 0.2 degrees; a cell at half the size is
    1.5 degrees wide, and interpolation from cells that mix rim and hole may cost half of that.
    """
    normals, inside = sphere()
    hole = disc(15, (85, 74))
    filled = fill_normals(normals, inside & ~hole)
    error = degrees(filled, normals)
    assert error[hole].max() < 1.0 and error[hole].mean() < 0.35
    assert error[inside & ~hole].max() < 1e-4


def test_outside_the_face_normals_lean_outwards_like_its_outline():
    normals, _ = sphere()
    known = disc(50)
    filled = fill_normals(normals, known)
    np.testing.assert_allclose(np.linalg.norm(filled, axis=2), 1, atol=1e-9)
    assert (filled[..., 2] <= 0).all()
    # On the border the wanted normal is known: that of the outline in the same direction.
    for y, x in ((80, 0), (0, 80), (80, 159), (159, 80), (0, 0), (159, 0), (20, 159)):
        towards = np.array([x - 79.5, y - 79.5])
        outward = filled[y, x, :2] / np.linalg.norm(filled[y, x, :2])
        assert outward @ towards / np.linalg.norm(towards) > np.cos(np.radians(4))
        # The outline has a slant of 50 / 75; on the way to the picture's border it stays about that.
        assert np.linalg.norm(filled[y, x, :2]) == pytest.approx(2 / 3, abs=0.05)


def test_a_whole_map_stays_as_it_is():
    normals = np.random.default_rng(0).normal(0, 1, (40, 40, 3))
    wanted = normals / np.linalg.norm(normals, axis=2, keepdims=True)
    np.testing.assert_allclose(fill_normals(normals, np.ones((40, 40), bool)), wanted)


def test_no_surface_and_a_face_beside_the_middle():
    normals, _ = sphere()
    with pytest.raises(RelightError, match="no surface that faces the camera"):
        fill_normals(normals, np.zeros((SIZE, SIZE), bool))
    with pytest.raises(RelightError, match="middle of the picture"):
        fill_normals(normals, disc(20, (40, 40)))


def test_a_hole_in_the_middle_counts_as_face():
    """An open mouth may lie in the middle."""
    normals, inside = sphere()
    hole = disc(20)
    assert degrees(fill_normals(normals, inside & ~hole), normals)[hole].max() < 1.0


def test_valid_normals_are_cleaned():
    normals, inside = sphere()
    coded = np.where(inside[..., None], normals, -1.0)  # black in a PNG
    coded[75:78, 30:33] = 0  # a crack
    coded[5:8, 5:8] = [0, 0, -1]  # a speck beside the face
    coded[100:130, 70:100, 2] *= -1  # turned away
    coded[60:75, 90:105] *= 0.2
    valid = valid_normals(coded)
    assert valid[75:78, 30:33].all() and not valid[:10, :10].any()
    assert not valid[104:126, 74:96].any() and not valid[63:72, 93:102].any()
    away = disc(70) & ~disc(40, (85, 115)) & ~disc(16, (97, 67))
    assert valid[away].all() and not valid[~disc(78)].any()


def test_the_face_loses_sixteen_pixels_of_its_rim():
    face = np.zeros((100, 100), bool)
    face[20:80, 20:80] = True
    eroded = erode_face(face)
    assert eroded[36:64, 36:64].all() and eroded.sum() == 28 * 28


def test_landmarks_carry_normals_along():
    """At a landmark's new place lies what lay at its old one, here the old place itself."""
    target = np.array([[54, 57], [105, 64], [83, 89], [58, 111], [105, 114]])
    source = target - [[4.0, -3], [-5, 2], [3, 4], [-2, -4], [5, 1]]
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    moved = warp_normals(np.dstack([x, y, y]), source, target)
    assert (
        np.abs(moved[target[:, 1], target[:, 0], :2] - source).max() < 1 / 16
    )  # OpenCV weighs in 1/32 pixel


def landmarks_on_the_ball() -> np.ndarray:
    angles = np.arange(12) * np.pi / 6
    rings = [np.stack([r * np.cos(angles + r), r * np.sin(angles + r)], 1) for r in (15, 30, 45)]
    return np.concatenate([[[0, 0]], *rings]) + 80


def test_all_steps_bring_a_displaced_ball_home():
    wanted, _ = sphere()
    displaced, _ = sphere((86, 75))
    target = landmarks_on_the_ball()
    source = target + [6, -5]
    away = degrees(displaced, wanted)
    refined = refine_normals(
        np.where(displaced.any(-1, keepdims=True), displaced, -1), source=source, target=target
    )
    error = degrees(refined, wanted)
    middle = disc(40)
    assert away[middle].mean() > 5
    # A pixel is 0.8 degrees. Between landmarks the warp is not quite a shift, for the border holds it back.
    assert error[middle].max() < 1.6 and error[middle].mean() < 0.5
    np.testing.assert_allclose(np.linalg.norm(refined, axis=2), 1, atol=1e-9)


def test_ears_and_neck_can_be_left_out():
    normals, inside = sphere()
    wrong = normals.copy()
    neck = np.zeros((SIZE, SIZE), bool)
    neck[120:] = True
    wrong[neck & inside] = [0, 0, -1]
    kept = refine_normals(wrong)
    left_out = refine_normals(wrong, face=~neck)
    row = slice(70, 90)
    assert np.abs(kept[128, row, 1]).max() < 0.1  # the neck's normals
    assert left_out[128, row, 1].min() > 0.3  # the chin's, continued


def test_the_official_fill_is_reproduced(reference_data):
    """From the face of the official map alone, the rest of it comes out."""
    folder = reference_data / "dpr_render" / "dev" / "imgHQ00000"
    official = cv2.imread(str(folder / "full_normal_faceRegion_faceBoundary_extend.png")) / 255 * 2 - 1
    official /= np.linalg.norm(official, axis=2, keepdims=True)
    labels = np.rint(cv2.imread(str(folder / "label.png"), 0) / 255 * 13)
    known = erode_face(labels > 3)  # without ears and neck
    error = degrees(fill_normals(official, known), official)[~known]
    last = np.percentile(error, 95)
    print(f"filled normals against the official ones: mean {error.mean():.2f} degrees, 95 % below {last:.2f}")
    # Both maps are coded in 8 bits, steps of 0.4 degrees, and the official one was scaled up by other code.
    assert error.mean() < 1.0 and last < 2.0
