"""Finding faces, with the real detector."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data

from tf_relight.photo import faces
from tf_relight.photo.faces import find_faces
from tf_relight.photo.picture import resize
from tf_relight.photo.reading import read_picture

ASTRONAUT = data.astronaut().astype(np.float32) / 255
# Box of her face, read off the picture by hand: left, top, right, bottom.
BOX = np.array([180, 65, 265, 175])


def overlap(face, box):
    """Intersection over union."""
    left, top, right, bottom = box
    width = min(face.left + face.width, right) - max(face.left, left)
    height = min(face.top + face.height, bottom) - max(face.top, top)
    common = max(width, 0) * max(height, 0)
    return common / (face.width * face.height + (right - left) * (bottom - top) - common)


@pytest.mark.parametrize("scale", [0.5, 1, 5])
def test_a_face_at_any_size_of_photo(scale):
    side = round(512 * scale)
    (face,) = find_faces(resize(ASTRONAUT, (side, side)))
    assert overlap(face, BOX * scale) > 0.75 and face.confidence > 0.95


def test_several_faces_the_largest_first():
    wide = np.full((600, 1100, 3), 0.4, np.float32)
    wide[:512, :512] = ASTRONAUT
    wide[100:356, 700:956] = resize(ASTRONAUT, (256, 256))
    first, second = find_faces(wide)
    assert overlap(first, BOX) > 0.75
    assert overlap(second, BOX / 2 + [700, 100, 700, 100]) > 0.7


def test_a_small_face_in_a_large_photo():
    wide = np.full((3000, 4000, 3), 0.4, np.float32)
    wide[1000:1300, 2000:2300] = resize(ASTRONAUT, (300, 300))
    (face,) = find_faces(wide)
    assert overlap(face, BOX * (300 / 512) + [2000, 1000, 2000, 1000]) > 0.6


def test_a_crowd_is_found_in_full(monkeypatch):
    """Neither a number nor a size of faces is a limit; whoever the detector is sure of is there."""
    rng = np.random.default_rng(0)
    sides = [*rng.uniform(20, 60, 39), 400.0]
    seen = [{"box": [10 * i, 5, 0.8 * side, side], "confidence": 0.99} for i, side in enumerate(sides)]
    unsure = {"box": [0, 0, 50, 60], "confidence": 0.5}
    detector = SimpleNamespace(detect_faces=lambda pixels: [*seen, unsure])
    monkeypatch.setattr(faces, "_detector", lambda: detector)
    found = find_faces(np.zeros((600, 600, 3), np.uint8))
    assert [face.height for face in found] == sorted(sides, reverse=True)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_stored_pixels_do_as_well(kind):
    stored = np.rint(ASTRONAUT * np.iinfo(kind).max).astype(kind)
    (face,) = find_faces(stored)
    assert overlap(face, BOX) > 0.75


def test_nobody():
    noise = np.random.default_rng(0).random((300, 400, 3), dtype=np.float32)
    for pixels in (noise, np.zeros((5, 3, 3), np.float32), np.ones((1, 2000, 3), np.float32)):
        assert find_faces(pixels) == []


@pytest.mark.reference
@pytest.mark.parametrize(
    "name, box",
    [
        ("portraits/dev/demo_input.png", (295, 150, 860, 950)),
        ("portraits/dev/ffhq_00110.png", (300, 150, 815, 970)),
        ("dpr/dev/obama.jpg", (120, 90, 610, 830)),
    ],
)
def test_real_portraits(reference_data, name, box):
    (face,) = find_faces(read_picture(reference_data / name).pixels)
    assert overlap(face, box) > 0.75
