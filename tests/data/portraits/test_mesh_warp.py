"""As-rigid-as-possible warps: rest stays at rest, rigid motions stay rigid, landmarks arrive."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.data.portraits.mesh_warp import BORDER_POINTS, build_mesh, deform, inverse_map, warp_map
from tf_relight.errors import RelightError

SIZE = (160, 200)


def face_points(count: int = 30, seed: int = 0) -> np.ndarray:
    """Landmarks (N, 2) at least 9 pixels from each other, as on a face."""
    rng = np.random.default_rng(seed)
    chosen: list[np.ndarray] = []
    while len(chosen) < count:
        point = rng.uniform([50, 40], [150, 120])
        if all(np.linalg.norm(point - other) > 9 for other in chosen):
            chosen.append(point)
    return np.array(chosen)


def moved(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks, and where a smooth change of up to six pixels takes them."""
    source = face_points()
    x, y = source.T
    shift = np.stack([6 * np.sin(y / 20), 5 * np.cos(x / 25)], axis=1)
    return source, source + shift


def identity_map() -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0])), axis=-1)


def sampled(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = points.astype(np.float32).T
    return cv2.remap(image, x[:, None], y[:, None], cv2.INTER_LINEAR)[:, 0]


@pytest.fixture(scope="module")
def mesh():
    return build_mesh(face_points(), SIZE)


def orientation(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Twice the signed area of each triangle."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]


def energy(rest: np.ndarray, now: np.ndarray, triangles: np.ndarray) -> float:
    """Squared distance of each triangle's deformation from the nearest rotation, summed over the area."""
    before, after = (np.swapaxes(p[triangles[:, 1:]] - p[triangles[:, :1]], 1, 2) for p in (rest, now))
    gradient = after @ np.linalg.inv(before)
    u, _, v = np.linalg.svd(gradient)
    u[:, :, 1] *= np.linalg.det(u @ v)[:, None]
    return float(np.abs(np.linalg.det(before)) / 2 @ np.sum((gradient - u @ v) ** 2, axis=(1, 2)))


def test_the_mesh_covers_the_picture_once(mesh):
    assert len(mesh.fixed) == 30 + 4 * BORDER_POINTS - 4
    assert np.abs(orientation(mesh.points, mesh.triangles)).sum() / 2 == pytest.approx(199 * 159)
    sides = mesh.points[mesh.fixed[30:]]
    on_border = (sides[:, 0] == 0) | (sides[:, 0] == 199) | (sides[:, 1] == 0) | (sides[:, 1] == 159)
    assert on_border.all() and len(np.unique(sides, axis=0)) == len(sides)


def test_nothing_moves_when_no_landmark_does(mesh):
    deformed = deform(mesh.points, mesh.triangles, mesh.fixed, mesh.points[mesh.fixed])
    np.testing.assert_allclose(deformed, mesh.points, atol=1e-9)
    assert np.abs(warp_map(face_points(), face_points(), SIZE) - identity_map()).max() < 1e-4


@settings(max_examples=6, deadline=None)
@given(angle=st.floats(-np.pi, np.pi), right=st.floats(-50, 50), down=st.floats(-50, 50))
def test_a_rigid_motion_is_reproduced_exactly(mesh, angle, right, down):
    cosine, sine = np.cos(angle), np.sin(angle)
    wanted = mesh.points @ np.array([[cosine, sine], [-sine, cosine]]) + [right, down]
    deformed = deform(mesh.points, mesh.triangles, mesh.fixed, wanted[mesh.fixed])
    np.testing.assert_allclose(deformed, wanted, atol=1e-8)


def test_a_few_fixed_points_turn_the_whole_mesh(mesh):
    """Without the border nothing but rigidity tells the rest where to go; the iteration has to find it."""
    wanted = mesh.points @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    fixed = np.arange(30)
    deformed = deform(mesh.points, mesh.triangles, fixed, wanted[fixed])
    spacing = 200 / 48
    assert np.abs(deformed - wanted).max() < 0.02 * spacing  # it ends when a step is below 1e-4 of it


def test_landmarks_arrive(mesh):
    source, target = moved()
    targets = np.concatenate([target, mesh.points[mesh.fixed[30:]]])
    deformed = deform(mesh.points, mesh.triangles, mesh.fixed, targets)
    assert np.array_equal(deformed[mesh.fixed], targets)
    origin = inverse_map(mesh, deformed, SIZE)
    # Interpolated between pixels where the map has a crease at the landmark.
    assert np.abs(sampled(origin, target) - source).max() < 0.35
    # A pixel may be given to the neighbour of its triangle, for corners are drawn in sixteenths of pixels.
    assert np.abs(origin[0] - identity_map()[0]).max() < 1 / 16
    assert np.abs(origin[:, -1] - identity_map()[:, -1]).max() < 1 / 16


def test_no_triangle_folds_and_the_map_is_continuous(mesh):
    source, target = moved()
    targets = np.concatenate([target, mesh.points[mesh.fixed[30:]]])
    deformed = deform(mesh.points, mesh.triangles, mesh.fixed, targets)
    before, after = (orientation(points, mesh.triangles) for points in (mesh.points, deformed))
    assert (before * after > 0).all()
    origin = warp_map(source, target, SIZE)
    steps = [np.abs(np.diff(origin, axis=axis)).max() for axis in (0, 1)]
    assert max(steps) < 3.0  # pixels from one to the next; a wrong owner would jump by a triangle, 4 pixels


def test_the_result_is_the_most_rigid(mesh):
    """Less energy than the harmonic start, and none nearby has less."""
    _, target = moved()
    targets = np.concatenate([target, mesh.points[mesh.fixed[30:]]])
    deformed = deform(mesh.points, mesh.triangles, mesh.fixed, targets)
    least = energy(mesh.points, deformed, mesh.triangles)
    rng = np.random.default_rng(0)
    free = np.setdiff1d(np.arange(len(mesh.points)), mesh.fixed)
    for _ in range(4):
        other = deformed.copy()
        other[free] += rng.normal(0, 0.05, (len(free), 2))
        assert energy(mesh.points, other, mesh.triangles) > least
    # Along the way back to the start as well, a smooth direction.
    other = deformed + 0.1 * (mesh.points - deformed)
    other[mesh.fixed] = targets
    assert energy(mesh.points, other, mesh.triangles) > least


def test_a_squeezed_mesh_still_gives_places_in_the_picture():
    source = face_points()
    target = source.copy()
    target[:, 0] = 100 + (source[:, 0] - 100) * 0.02  # all landmarks nearly on one line
    origin = warp_map(source, target, SIZE)
    assert np.isfinite(origin).all()
    assert origin.min() >= -3 and (origin.max(axis=(0, 1)) <= [202, 162]).all()


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.zeros((2, 2)), "at least 3"),
        (np.zeros((5, 3)), "at least 3"),
        (np.array([[20, 20], [30, np.nan], [40, 20]]), "NaN"),
        (np.array([[20, 20], [30, 30], [200.0, 20]]), r"\(200, 20\) is outside the picture of 200 x 160"),
        (np.array([[20, 20], [30, 30], [0.0, 60]]), r"\(0, 60\) is outside"),
    ],
)
def test_bad_landmarks(landmarks, message):
    with pytest.raises(RelightError, match=message):
        build_mesh(landmarks, SIZE)


def test_landmarks_in_one_place_are_merged():
    """Such as those of a mouth that is shut."""
    source, target = moved()
    shut = np.concatenate([source, source[:2] + 0.1]), np.concatenate([target, target[:2] + [0, 2]])
    mended = target.copy()
    mended[:2] += [0, 1]
    # Merged places are 0.05 pixels from where they were.
    assert np.abs(warp_map(*shut, SIZE) - warp_map(source, mended, SIZE)).max() < 0.2


def test_unpaired_landmarks():
    with pytest.raises(RelightError, match="30 landmarks before and 29 after"):
        warp_map(face_points(), face_points()[:-1], SIZE)
