"""The soft mask of people, on a real photo and on others made of it."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from tf_relight.photo.faces import Face, find_faces
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import resize
from tf_relight.photo.reading import read_picture

RNG = np.random.default_rng(0)
ASTRONAUT = data.astronaut().astype(np.float32) / 255
FACE = Face(179, 55, 95, 120, 1.0)
PERSON = [(120, 225), (60, 200), (165, 225), (300, 110), (330, 200), (420, 160)]
"""Row and column of face, hair, neck, shoulder, chest and lower chest, read off the picture by hand."""
BACKGROUND = [(60, 100), (60, 330), (150, 340), (30, 420), (120, 20), (200, 330)]


@pytest.fixture(scope="module")
def mask():
    return person_mask(ASTRONAUT, [FACE])


def test_person_and_background_of_a_real_photo(mask):
    assert mask.shape == (512, 512) and mask.dtype == np.float32
    assert 0 <= mask.min() and mask.max() <= 1
    assert min(mask[place] for place in PERSON) > 0.9
    assert max(mask[place] for place in BACKGROUND) < 0.1


def test_between_both_the_mask_is_soft_and_narrow(mask):
    between = (mask > 0.05) & (mask < 0.95)
    assert 0.005 < between.mean() < 0.12


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_stored_pixels_do_as_well(mask, kind):
    stored = np.rint(ASTRONAUT * np.iinfo(kind).max).astype(kind)
    assert np.abs(person_mask(stored, [FACE]) - mask).mean() < 0.005


def test_a_large_photo_has_the_mask_of_a_small_one(mask):
    large = person_mask(resize(ASTRONAUT, (1536, 1536)), [FACE.scaled(3)])
    assert np.abs(resize(large, (512, 512)) - mask).mean() < 0.02


def test_a_mask_can_be_had_small(mask):
    small = person_mask(ASTRONAUT, [FACE], (128, 100))
    assert small.shape == (128, 100)
    assert np.abs(small - resize(mask, (128, 100))).mean() < 0.02


def test_on_another_background_the_person_is_the_same(mask):
    sky = np.linspace([0.3, 0.5, 0.8], [0.8, 0.85, 0.9], 512, dtype=np.float32)[:, None]
    moved = mask[..., None] * ASTRONAUT + (1 - mask[..., None]) * sky
    assert np.abs(person_mask(moved, [FACE]) - mask).mean() < 0.05  # measured 0.02


def test_small_people_in_a_wide_picture_are_seen_closely(mask):
    """Squeezed into one square, they would be a few pixels wide."""
    wide = np.full((512, 2200, 3), 0.5, np.float32)
    wide[256:, 100:356] = resize(ASTRONAUT, (256, 256))
    wide[256:, 1500:1756] = resize(ASTRONAUT, (256, 256))
    half = FACE.scaled(0.5)
    found = person_mask(wide, [half.moved(256, 100), half.moved(256, 1500)])
    for left in (100, 1500):
        for row, column in PERSON:
            assert found[256 + row // 2, left + column // 2] > 0.8, (left, row, column)
    assert found[:, 500:1400].max() < 0.1


def test_a_face_counts_where_the_network_sees_no_person():
    """As in a painting: here a smooth ramp, in which a face is said to be."""
    ramp = np.linspace(0.3, 0.7, 200 * 200 * 3, dtype=np.float32).reshape(200, 200, 3)
    mask = person_mask(ramp, [Face(70, 60, 60, 80, 1.0)])
    assert mask[100, 100] > 0.9 and mask[75:125, 85:115].mean() > 0.8
    assert mask[:30].max() < 0.3


def test_the_same_photo_gives_the_same_mask(mask):
    np.testing.assert_array_equal(person_mask(ASTRONAUT, [FACE]), mask)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (60, 5)])
def test_tiny_pictures(size):
    pixels = RNG.random((*size, 3), dtype=np.float32)
    mask = person_mask(pixels, [Face(0, 0, size[1], size[0], 1.0)])
    assert mask.shape == size and np.isfinite(mask).all()


@pytest.mark.reference
@pytest.mark.parametrize(
    "name, person, background",
    [
        ("portraits/dev/demo_input.png", [(500, 500), (900, 150), (100, 500)], [(100, 60), (500, 60)]),
        ("portraits/dev/ffhq_00110.png", [(500, 500), (900, 300), (150, 500)], [(60, 950), (100, 60)]),
        ("dpr/dev/obama.jpg", [(500, 370), (850, 60), (860, 690)], [(60, 40), (300, 700)]),
    ],
)
def test_hair_and_clothes_belong_to_real_people(reference_data, name, person, background):
    pixels = read_picture(reference_data / name).stored
    mask = person_mask(pixels, find_faces(pixels))
    assert min(mask[place] for place in person) > 0.8 and max(mask[place] for place in background) < 0.2
