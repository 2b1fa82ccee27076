"""Embedded heads: exact shading, axes, what stays the same at every size, and the lights they are seen in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.errors import RelightError
from tf_relight.light.lamps import LUMINANCE
from tf_relight.light.spherical_harmonics import basis, shading, smallest_shading
from tf_relight.rendering.heads.head import PARTS, Head, head_light
from tf_relight.rendering.heads.lights import DIRECTEDNESS, FIRST_COEFFICIENT, sample_light
from tf_relight.rendering.heads.maps import HeadMaps, quadratic_form, to_dpr
from tf_relight.rendering.heads.surfaces import PortraitCamera, Surface, render_surfaces

SIZE = 48


@pytest.fixture(scope="module")
def head() -> Head:
    return Head(number=3, seed=1, size=96)


def lamp(right: float, up: float, toward_camera: float) -> np.ndarray:
    """(9,) light from one side over an equal amount from everywhere."""
    direction = np.array([right, -toward_camera, up])
    light = basis(direction, attenuated=False)
    light[4:] = 0
    light[0] *= 2
    return 0.8 * light / light[0]


def test_the_picture_is_albedo_times_shading(head):
    """Half a step of rounding; normals in 16 bits have length 1 to 5e-5, which is 0.004 of a step."""
    for coloured in (False, True):
        light = head.light(1, coloured)
        exact = shading(to_dpr(head.normal.astype(np.float64)), light)
        exact = exact if coloured else exact[..., None]
        wanted = np.clip(head.albedo * exact, 0, 1) * 255
        assert np.abs(head.image(light) - wanted).max() < 0.504
        assert head.shading(light).shape == ((96, 96, 3) if coloured else (96, 96))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=9, max_size=9), st.integers(0, 2**31))
def test_a_light_is_a_quadratic_form(light, seed):
    normals = np.random.default_rng(seed).standard_normal((50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    curvature, slope, constant = quadratic_form(np.array(light))
    ours = np.einsum("ni,ij,nj->n", normals, curvature, normals) + normals @ slope + constant
    np.testing.assert_allclose(ours, shading(to_dpr(normals), np.array(light)), atol=1e-12)


def test_normals_are_unit_vectors_toward_the_camera(head):
    lengths = np.linalg.norm(head.normal, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=5e-5)  # three components rounded to 1/32767
    # Interpolated normals may lean a little beyond the rim of a grid, never far.
    assert (head.normal[..., 2] > -0.35).mean() > 0.999
    assert head.normal[..., 2].mean() > 0.5


@pytest.mark.parametrize("number", range(3))
def test_normals_bulge_toward_the_rim(number):
    """Left in the picture is x < 0, above is y > 0: a face is convex."""
    head = Head(number, seed=2, size=96)
    rows, columns = np.nonzero(head.maps.parts == PARTS["face"])
    normals = head.normal[rows, columns]
    assert np.corrcoef(columns, normals[:, 0])[0, 1] > 0.6
    assert np.corrcoef(-rows, normals[:, 1])[0, 1] > 0.3


@pytest.mark.parametrize(
    ("direction", "brighter"),
    [((-1, 0, 0), "left"), ((1, 0, 0), "right"), ((0, 1, 0), "top"), ((0, -1, 0), "bottom")],
)
def test_the_side_that_faces_the_light_is_brighter(direction, brighter):
    totals = dict.fromkeys(("left", "right", "top", "bottom"), 0.0)
    for number in range(4):
        head = Head(number, seed=5, size=SIZE)
        rows, columns = np.nonzero(head.maps.parts == PARTS["face"])
        light = head.shading(lamp(*direction))[rows, columns]
        totals["left"] += light[columns < np.median(columns)].mean()
        totals["right"] += light[columns > np.median(columns)].mean()
        totals["top"] += light[rows < np.median(rows)].mean()
        totals["bottom"] += light[rows > np.median(rows)].mean()
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[brighter]
    assert totals[brighter] > totals[opposite] + 0.4


def test_the_same_number_gives_the_same_bytes():
    one, two, other = Head(7, 1, SIZE), Head(7, 1, SIZE), Head(8, 1, SIZE)
    for name in ("normal", "albedo", "parts", "depth"):
        assert np.array_equal(getattr(one.maps, name), getattr(two.maps, name))
        assert not np.array_equal(getattr(one.maps, name), getattr(other.maps, name))
    assert np.array_equal(one.light(4), two.light(4))
    assert not np.array_equal(one.light(4), one.light(3))
    assert not np.array_equal(Head(7, 2, SIZE).maps.albedo, one.maps.albedo)


def test_the_size_only_decides_how_finely():
    small, large = Head(2, 0, 64), Head(2, 0, 192)
    middle = slice(1, None, 3)  # pixel centres coincide
    assert (small.mask == large.mask[middle, middle]).mean() > 0.985
    both = small.mask & large.mask[middle, middle]
    near = np.abs(small.depth[both] - large.depth[middle, middle][both])
    assert np.median(near) < 0.01
    assert np.abs(small.albedo - large.albedo[middle, middle]).mean() < 0.03


def test_maps_show_a_person():
    for number in range(6):
        head = Head(number, 0, SIZE)
        parts, counts = np.unique(head.maps.parts, return_counts=True)
        shares = dict(zip(parts.tolist(), counts / SIZE**2, strict=True))
        assert shares[PARTS["face"]] > 0.12 and shares[0] > 0.05 and PARTS["body"] in shares
        assert np.isfinite(head.depth[head.mask]).all() and np.isinf(head.depth[~head.mask]).all()
        assert 2 < head.depth[head.mask].min() < head.depth[head.mask].max() < 12


def test_no_holes_in_the_head():
    """A pixel of background that is surrounded by the person would be a speckle."""
    for number in range(8):
        mask = Head(number, 9, 128).mask
        around = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        assert not (around & ~mask[1:-1, 1:-1]).any()


def test_heads_differ():
    faces = [Head(number, 0, SIZE) for number in range(12)]
    tones = [head.albedo[head.maps.parts == PARTS["face"]].mean() for head in faces]
    assert max(tones) > 1.6 * min(tones)
    shares = [(head.maps.parts == PARTS["hair"]).mean() for head in faces]
    assert max(shares) > 0.15 > 0.1 > min(shares)


def test_gloss_only_adds_light(head):
    light = lamp(-0.5, 0.5, 0.7)
    plain, glossy = head.image(light).astype(int), head.image(light, gloss=0.3).astype(int)
    assert (glossy >= plain).all() and (glossy > plain + 20)[head.mask].any()
    assert np.array_equal(glossy[~head.mask], plain[~head.mask])


def test_maps_survive_a_file(tmp_path, head):
    path = tmp_path / "head.npz"
    head.maps.save(path)
    again = HeadMaps.load(path, 96)
    light = head.light(2)
    assert np.array_equal(again.image(light), head.image(light))
    with pytest.raises(RelightError, match=r"head\.npz.*delete it"):
        HeadMaps.load(path, 95)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(RelightError, match="delete it"):
        HeadMaps.load(path, 96)


@pytest.mark.parametrize("arguments", [(-1, 0, 8), (0, -1, 8), (0, 0, 0), (10**6, 0, 8), (0.5, 0, 8)])
def test_bad_arguments(arguments):
    with pytest.raises(RelightError, match="Head|heads"):
        Head(*arguments)


# Lights


@pytest.mark.parametrize("coloured", [False, True])
def test_lights_are_in_the_ranges_of_dpr(coloured):
    for index in range(60):
        light = head_light(0, 0, index, coloured).astype(np.float64)
        assert light.shape == ((9, 3) if coloured else (9,))
        channels = light.T if coloured else [light]
        assert all(smallest_shading(channel) >= 0 for channel in channels)
        grey = light @ LUMINANCE if coloured else light
        assert FIRST_COEFFICIENT[0] - 1e-6 <= grey[0] <= FIRST_COEFFICIENT[1] + 1e-6
        share = np.linalg.norm(grey[1:4]) / grey[0]
        assert DIRECTEDNESS[0] - 1e-6 <= share <= DIRECTEDNESS[1] + 1e-6


def test_lights_come_from_all_around():
    """Uniform about the vertical, and more from above than from below."""
    rng = np.random.default_rng(0)
    lights = np.array([sample_light(rng) for _ in range(600)])
    azimuth = np.arctan2(lights[:, 3], -lights[:, 1])
    counts, _ = np.histogram(azimuth, bins=4, range=(-np.pi, np.pi))
    assert counts.min() > 600 / 4 - 4 * np.sqrt(600 * 0.25 * 0.75)  # four standard deviations
    assert (lights[:, 2] > 0).mean() > 0.8


# Surfaces


def _ball(radius: float, centre: tuple[float, float, float]) -> Surface:
    turn = np.linspace(-np.pi, np.pi, 96, endpoint=False)[None]
    up = np.linspace(np.pi / 2, -np.pi / 2, 64)[:, None]
    axes = (np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn))
    points = radius * np.stack(np.broadcast_arrays(*axes), -1) + centre
    return Surface(points, np.full(points.shape, 0.5), np.zeros(points.shape[:2]), part=1)


def test_a_ball_has_the_normals_of_a_ball():
    camera = PortraitCamera(distance=50.0, centre=(0.0, 0.0), half_width=1.5)
    seen = render_surfaces([_ball(1.0, (0.0, 0.0, 0.0))], camera, 64)
    radial = seen.points / np.linalg.norm(seen.points, axis=1, keepdims=True)
    # Facets of 4 degrees: the chord is at most 1/800 inside, normals within a fraction of a degree.
    assert np.linalg.norm(seen.points, axis=1).min() > 0.996
    assert (seen.normals * radial).sum(1).min() > np.cos(np.radians(1))
    assert abs(len(seen.pixel) / 64**2 - np.pi / 9) < 0.01


def test_the_nearer_surface_is_seen():
    camera = PortraitCamera(distance=8.0, centre=(0.0, 0.0), half_width=1.5)
    far, near = _ball(1.0, (0.0, 0.0, 0.0)), _ball(0.3, (0.4, 0.4, 1.5))
    near = Surface(near.points, near.albedo, near.grain, part=2)
    for order in ([far, near], [near, far]):
        seen = render_surfaces(order, camera, 64)
        part = np.zeros(64 * 64, int)
        part[seen.pixel] = seen.part
        part = part.reshape(64, 64)
        assert part[32, 32 - 8] == 1 and part[32 - 10, 32 + 10] == 2  # up and right of the middle
        assert part[0, 0] == 0
