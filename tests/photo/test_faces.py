"""Finding faces, with the real detector."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from tf_relight.photo.face_mesh import OVAL, tilt
from tf_relight.photo.faces import Face, find_faces
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


def test_a_crowd_is_found_in_full():
    """Neither a number nor a size of faces is a limit: forty heads, the smallest of 36 pixels in 1400."""
    rng = np.random.default_rng(0)
    crowd = np.full((1000, 1400, 3), 0.4, np.float32)
    head = ASTRONAUT[20:230, 120:330]
    for place in range(40):
        row, column, side = 200 * (place // 8), 170 * (place % 8), int(rng.integers(80, 160))
        crowd[row : row + side, column : column + side] = resize(head, (side, side))
    assert len(find_faces(crowd)) == 40


def turned_by(degrees):
    matrix = cv2.getRotationMatrix2D((222, 120), degrees, 1)
    return cv2.warpAffine(ASTRONAUT, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("degrees", [-45, -30, 30, 45])
def test_a_tilted_head_is_found_and_its_tilt_measured(degrees):
    (face,) = find_faces(turned_by(degrees))
    assert overlap(face, BOX) > 0.6
    (upright,) = find_faces(ASTRONAUT)
    # OpenCV turns against the clock; measured within 4 degrees.
    assert tilt(face.mesh) == pytest.approx(tilt(upright.mesh) - degrees, abs=8)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_stands_on_its_head_or_lies_on_its_side(quarters):
    (face,) = find_faces(np.ascontiguousarray(np.rot90(ASTRONAUT, quarters)))
    left, top, right, bottom = BOX
    corners = np.array([[left, top], [right, bottom]])
    for _ in range(quarters):
        corners = np.stack([corners[:, 1], 512 - corners[:, 0]], axis=1)
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    assert overlap(face, box) > 0.6
    inside = (face.mesh[:, :2] > box[:2] - 20) & (face.mesh[:, :2] < box[2:] + 20)
    assert inside.all()


@pytest.mark.parametrize("covered", [np.s_[135:], np.s_[:, 222:]], ids=["mouth", "one side"])
def test_a_face_that_is_partly_covered(covered):
    pixels = ASTRONAUT.copy()
    pixels[covered] = 0.35
    (face,) = find_faces(pixels)
    row, column = face.centre
    assert 65 < row < 175 and 180 < column < 265


def test_the_mesh_lies_on_the_face_and_the_nose_stands_out():
    (face,) = find_faces(ASTRONAUT)
    assert face.mesh.shape == (468, 3) and face.mesh.dtype == np.float32
    column, row, depth = face.mesh[1]  # the tip of the nose, read off the picture by hand
    assert abs(column - 225) < 6 and abs(row - 127) < 6  # measured within 5
    assert depth < face.mesh[list(OVAL), 2].min()


def test_a_face_moves_and_grows_with_its_mesh():
    face = Face(1, 2, 3, 4, 0.9, np.array([[1, 2, 3]], np.float32))
    np.testing.assert_allclose(face.moved(10, 20).mesh, [[21, 12, 3]])
    np.testing.assert_allclose(face.scaled(2).mesh, [[2, 4, 6]])
    assert face.moved(10, 20) == Face(21, 12, 3, 4, 0.9)


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
