"""Normals and skin of a face's mesh: those of the surface it lies on, and what else a portrait needs."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_relight.cli.main import main
from tf_relight.data.portraits.mesh_normals import mesh_normals, mesh_skin
from tf_relight.data.portraits.ratio_image_write import render_ratio_images
from tf_relight.errors import RelightError
from tf_relight.photo.faces import find_faces
from tf_relight.photo.picture import shrunk
from tf_relight.photo.reading import read_picture

PORTRAIT = Path(__file__).parents[3] / "examples" / "astronaut.jpg"


@functools.cache
def photo() -> np.ndarray:
    return shrunk(read_picture(PORTRAIT).pixels, (256, 256))


@functools.cache
def mesh() -> np.ndarray:
    found = find_faces(photo())[0].mesh
    assert found is not None
    return found


def degrees(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((one * other).sum(axis=-1), -1, 1)))


def test_points_on_a_ball_give_the_balls_normals():
    """The mesh's points pressed onto a ball: what is drawn between them must be as round."""
    points = mesh().astype(np.float64).copy()
    centre, radius = points[:, :2].mean(axis=0), 0.75 * np.ptp(points[:, 1])
    away = points[:, :2] - centre
    points[:, 2] = -np.sqrt(radius**2 - (away**2).sum(axis=1))
    normals = mesh_normals(points.astype(np.float32), photo().shape[:2])
    rows, columns = np.nonzero(normals.any(axis=-1))
    assert len(rows) > 500
    x, y = (columns + 0.5 - centre[0]) / radius, (rows + 0.5 - centre[1]) / radius
    ball = np.stack([x, y, -np.sqrt(1 - x**2 - y**2)], axis=1)
    # A few points to a cheek: a chord of 20 degrees is off by a degree or two.
    assert degrees(normals[rows, columns], ball).mean() < 2


def test_normals_are_unit_vectors_turned_to_the_camera_on_the_face_alone():
    normals = mesh_normals(mesh(), photo().shape[:2])
    on = normals.any(axis=-1)
    np.testing.assert_allclose(np.linalg.norm(normals[on], axis=-1), 1, atol=1e-5)
    assert normals[on][:, 2].max() < 0
    skin = mesh_skin(mesh(), photo().shape[:2])
    assert 0.8 < (on & skin).sum() / skin.sum() <= 1 and not on[:8].any()


def test_a_turned_picture_has_turned_normals():
    """Turned by a quarter, clockwise: what pointed up points right."""
    side = photo().shape[0]
    turned = np.stack([side - mesh()[:, 1], mesh()[:, 0], mesh()[:, 2]], axis=1)
    there, back = (mesh_normals(points, (side, side)) for points in (mesh(), turned))
    x, y, z = np.moveaxis(np.rot90(there, -1), -1, 0)
    wanted = np.stack([-y, x, z], axis=-1)
    both = wanted.any(axis=-1) & back.any(axis=-1)
    assert both.sum() > 0.97 * wanted.any(axis=-1).sum()  # the rim is filled to a sixteenth of a pixel
    assert degrees(wanted, back)[both].mean() < 0.5


def test_skin_is_without_eyes_brows_and_mouth():
    skin = mesh_skin(mesh(), photo().shape[:2])

    def at(point: int) -> bool:
        column, row = mesh()[point, :2]
        return bool(skin[int(row), int(column)])

    assert at(205) and at(425) and at(151) and at(4)  # cheeks, forehead, nose
    eyes = [mesh()[list(ends), :2].mean(axis=0) for ends in ((33, 133), (263, 362))]
    assert not any(skin[int(row), int(column)] for column, row in eyes)
    assert not at(13) and not at(105)  # lip, brow


@pytest.fixture
def portraits(tmp_path) -> Path:
    folder = tmp_path / "portraits"
    folder.mkdir()
    Image.fromarray((photo() * 255).astype(np.uint8)).save(folder / "one.png")
    return folder


def test_a_plain_portrait_is_relit_without_any_other_file(portraits, tmp_path):
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(portraits / "nobody.png")
    words = ["data", "render", "ratio-images", "--portraits", str(portraits), "-o", str(tmp_path / "out")]
    assert main([*words, "--per-portrait", "2"]) == 2  # nobody's portrait is told
    made = [np.asarray(Image.open(tmp_path / "out" / "one" / f"one_0{k}.png")) for k in (0, 1)]
    assert made[0].shape == (256, 256, 3) and np.abs(made[0].astype(int) - made[1]).mean() > 1
    assert not (tmp_path / "out" / "nobody").exists()


def test_a_portrait_without_a_face_is_told_with_what_to_do(portraits, tmp_path):
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(portraits / "nobody.png")
    result = render_ratio_images(tmp_path / "out", portraits=portraits, per_portrait=2, progress=False)
    assert (result.relit, result.complete) == (1, 1)
    (reason,) = result.discarded
    assert reason.startswith("nobody: no face was found") and "give its normals" in reason


def test_landmarks_need_normals_that_they_bend(portraits, tmp_path):
    with pytest.raises(RelightError, match="Landmarks bend normals that are given"):
        render_ratio_images(tmp_path / "out", portraits=portraits, landmarks=portraits, progress=False)


def test_normals_of_the_mesh_and_of_files_do_not_share_a_folder(portraits, tmp_path):
    render_ratio_images(tmp_path / "out", portraits=portraits, per_portrait=2, progress=False)
    Image.fromarray(np.full((256, 256, 3), (0, 128, 128), np.uint8)).save(tmp_path / "one.png")
    with pytest.raises(RelightError, match="other settings"):
        render_ratio_images(
            tmp_path / "out", portraits=portraits, normals=tmp_path, per_portrait=2, progress=False
        )
