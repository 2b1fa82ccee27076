"""Bodies: subdivision, people and their balance, pigments."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.rendering.humans import chromophores, regions
from tf_relight.rendering.humans.assets import AssetFolder
from tf_relight.rendering.humans.identity import draw_person, shape
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import triangles, vertex_normals
from tf_relight.rendering.humans.sliders import face_sliders
from tf_relight.rendering.humans.subdivision import Subdivision

CUBE = np.array([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)], np.float32)
CUBE_FACES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def test_a_subdivided_cube_has_the_points_of_catmull_and_clark():
    fine = Subdivision(8, CUBE_FACES, np.zeros((6, 4, 2), np.float32))
    points = fine.refine(CUBE)
    assert len(points) == 8 + 12 + 6 and fine.quads.shape == (24, 4)
    # Old corners: (Q + 2R + (n - 3) P) / n with n = 3, centre of faces 1/3 and of edges 2/3 along each axis.
    assert np.abs(points[:8]) == pytest.approx(np.full((8, 3), 5 / 9), abs=1e-6)
    assert np.sort(np.abs(points[8:20]), axis=1) == pytest.approx(np.tile([0, 0.75, 0.75], (12, 1)), abs=1e-6)
    assert np.abs(points[20:]).max(axis=1) == pytest.approx(np.ones(6), abs=1e-6)


def test_an_open_border_stays_on_its_line():
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], np.float32)
    fine = Subdivision(4, np.array([[0, 1, 2, 3]]), np.zeros((1, 4, 2), np.float32)).refine(square)
    assert fine[4:8].tolist() and set(map(tuple, np.round(fine[4:8], 6))) == {
        (1, 0, 0),
        (2, 1, 0),
        (1, 2, 0),
        (0, 1, 0),
    }
    assert fine[8] == pytest.approx([1, 1, 0])


def test_normals_of_a_sphere_point_outward():
    fine = Subdivision(8, CUBE_FACES, np.zeros((6, 4, 2), np.float32))
    points = fine.refine(CUBE)
    corners, _ = triangles(fine.quads, fine.uv)
    normals = vertex_normals(points, corners)
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert np.abs((normals * outward).sum(axis=1)).min() > 0.95
    assert len(set(np.sign((normals * outward).sum(axis=1)))) == 1


def test_every_gender_age_and_tone_is_drawn_evenly(tiny_assets):
    library = Library(AssetFolder(tiny_assets))
    people = [draw_person(library, 3, number, np.random.default_rng(number)) for number in range(600)]
    women = np.array([person.gender == "female" for person in people])
    ages, tones = np.array([p.age for p in people]), np.array([p.tone for p in people])
    assert 0.47 < women.mean() < 0.53
    for group in (women, ~women):
        for values in (ages[group], tones[group]):
            counts, _ = np.histogram(values, bins=4, range=(values.min(), values.max()))
            assert counts.min() > 0.8 * counts.mean()
    assert abs(np.corrcoef(ages, tones)[0, 1]) < 0.1
    first = draw_person(library, 3, 5, np.random.default_rng(5))
    assert first == people[5] and first != people[6]


def test_morphs_move_the_body_by_their_amounts(tiny_assets):
    library = Library(AssetFolder(tiny_assets))
    person = draw_person(library, 0, 0, np.random.default_rng(0))
    face = {"targets/nose/nose-hump-incr.target.gz": 0.5}
    moved = shape(library, person.__class__(**{**vars(person), "face": face}))
    plain = shape(library, person.__class__(**{**vars(person), "face": {}}))
    assert moved[600] - plain[600] == pytest.approx([0, 0, 0.01], abs=1e-6)


def test_sliders_pair_opposite_shapes_and_both_sides_of_the_face(tiny_assets):
    sliders = face_sliders(AssetFolder(tiny_assets))
    assert [len(slider.ends) for slider in sliders] == [2, 1]
    less, more = sliders[1].ends[0]
    assert less.endswith("nose-hump-decr.target.gz") and more.endswith("nose-hump-incr.target.gz")


@pytest.mark.parametrize("tone", [26.0, 40.0, 55.0, 76.0])
def test_any_tone_comes_from_any_skin(tone):
    rng = np.random.default_rng(0)
    texture = rng.normal(0, 0.05, (4000, 3)).astype(np.float32)
    colour = chromophores.skin_colour(texture, chromophores.melanin_for(tone), 0.0)
    found = chromophores.lightness_of(np.median(colour, axis=0))
    assert found == pytest.approx(tone, abs=1.5)
    red, green, blue = np.median(colour, axis=0)
    assert red > green > blue


def test_blood_reddens_and_more_melanin_darkens_hair():
    plain, flushed = (
        chromophores.skin_colour(np.zeros((1, 3), np.float32), 0.5, blood)[0] for blood in (0, 0.4)
    )
    assert flushed[0] / flushed[1] > 1.2 * plain[0] / plain[1]
    shades = [chromophores.hair_colour(amount, 0.0).sum() for amount in (0.05, 0.3, 1.3, 8)]
    assert shades == sorted(shades, reverse=True) and shades[0] > 10 * shades[-1]
    red = chromophores.hair_colour(0.1, 1.0)
    assert red[0] > 2 * red[2]
    assert chromophores.hair_colour(8, 0, grey=1.0).min() > 0.5


def test_beards_grow_on_the_chin_and_hair_on_the_crown():
    chin, lip, cheek, crown, brow, nose = np.array(
        [[0, 6.3, 1.3], [0, 6.75, 1.45], [0.45, 7.0, 1.1], [0, 8.4, 0.2], [0.3, 7.45, 1.3], [0, 7.0, 1.6]],
        np.float32,
    )
    places = np.stack([chin, lip, cheek, crown, brow, nose])
    assert (regions.beard(places, "full") > 0.5).tolist() == [True, True, False, False, False, False]
    assert (regions.beard(places, "moustache") > 0.5).tolist() == [False, True, False, False, False, False]
    assert (regions.scalp(places) > 0.5).tolist() == [False, False, False, True, False, False]


def test_the_head_frame_goes_there_and_back(tiny_assets):
    library = Library(AssetFolder(tiny_assets))
    neutral = library.body.vertices
    small = neutral * np.float32(0.8)
    frame = regions.HeadFrame(small, neutral)
    places = small[:50]
    assert frame.to_neutral(places) == pytest.approx(neutral[:50], abs=1e-4)
    assert frame.from_neutral(frame.to_neutral(places)) == pytest.approx(places, abs=1e-5)
