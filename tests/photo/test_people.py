"""The soft mask of a person, on drawn people and a real photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tf_relight.photo.faces import Face
from tf_relight.photo.people import person_mask

RNG = np.random.default_rng(0)
FACE = Face(140, 90, 100, 130, 1.0)


def drawn_person(background, scale=1):
    """A picture (400, 380) times scale with skin, hair and a shirt, and its true mask."""
    pixels = np.empty((400, 380, 3), np.float32)
    pixels[:] = background
    mask = np.zeros((400, 380), np.uint8)
    hair, skin, shirt = (0.15, 0.1, 0.07), (0.8, 0.6, 0.5), (0.2, 0.3, 0.6)
    for canvas, colours in ((pixels, (shirt, hair, skin)), (mask, (1, 1, 1))):
        body = np.array([(160, 215), (220, 215), (330, 290), (340, 400), (40, 400), (50, 290)], np.int32)
        cv2.fillPoly(canvas, [body], colours[0])
        cv2.ellipse(canvas, (190, 140), (68, 92), 0, 0, 360, colours[1], -1)
        cv2.ellipse(canvas, (190, 155), (46, 64), 0, 0, 360, colours[2], -1)
    pixels += 0.02 * RNG.standard_normal(pixels.shape).astype(np.float32)
    size = (380 * scale, 400 * scale)
    pixels = cv2.resize(np.clip(pixels, 0, 1), size, interpolation=cv2.INTER_CUBIC)
    return np.clip(pixels, 0, 1), cv2.resize(mask.astype(np.float32), size)


@pytest.mark.parametrize("background", [(0.55, 0.55, 0.55), (0.9, 0.4, 0.4), (0.1, 0.35, 0.1)])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_drawn_person_on_a_plain_background(background, scale):
    pixels, truth = drawn_person(background, scale)
    face = Face(140 * scale, 90 * scale, 100 * scale, 130 * scale, 1.0)
    mask = person_mask(pixels, [face])
    assert mask.shape == truth.shape and mask.dtype == np.float32 and 0 <= mask.min() and mask.max() <= 1
    # Shares of wrongly placed weight, measured below 0.012; the person covers 0.47 of the picture.
    assert np.abs(mask - truth).mean() < 0.03
    middle = np.s_[130 * scale : 180 * scale, 160 * scale : 220 * scale]
    assert mask[middle].min() > 0.9 and mask[: 30 * scale].max() < 0.1


def test_the_same_photo_gives_the_same_mask():
    pixels, _ = drawn_person((0.5, 0.6, 0.7))
    np.testing.assert_array_equal(person_mask(pixels, [FACE]), person_mask(pixels, [FACE]))


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (60, 5)])
def test_tiny_pictures(size):
    pixels = RNG.random((*size, 3), dtype=np.float32)
    mask = person_mask(pixels, [Face(0, 0, size[1], size[0], 1.0)])
    assert mask.shape == size and np.isfinite(mask).all()


def test_two_people():
    pixels, truth = drawn_person((0.6, 0.6, 0.6))
    both, wide_truth = np.hstack([pixels, pixels]), np.hstack([truth, truth])
    mask = person_mask(both, [FACE, Face(520, 90, 100, 130, 1.0)])
    assert np.abs(mask - wide_truth).mean() < 0.03
