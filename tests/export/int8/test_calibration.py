"""Calibration pictures: rendered or from a folder, always the same, in the form of the network's input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export.int8 import calibration
from export.int8.calibration import from_folder, rendered
from tf_relight import methods
from tf_relight.errors import RelightError

SCENES, PORTRAITS = methods.get("dmshn").info, methods.get("dpr512").info


@pytest.mark.parametrize("info", [SCENES, PORTRAITS], ids=["scenes", "portraits"])
def test_rendered_pictures_are_inputs_of_the_network(info):
    made = rendered(info, 32, count=3, seed=5)
    channels = 3 if info is SCENES else 1
    samples = list(made.samples(16))
    assert len(samples) == 3
    for sample in samples:
        assert sample["image"].shape == (1, 16, 16, channels) and sample["image"].dtype == np.float32
        assert 0 <= sample["image"].min() < sample["image"].max() <= 1
        assert ("light" in sample) == (info is PORTRAITS)
        if info is PORTRAITS:
            assert sample["light"].shape == (1, 1, 1, 9) and sample["light"].dtype == np.float32
            assert sample["light"][0, 0, 0, 0] > 0.3


def test_the_record_follows_the_pixels():
    first, again, other = (rendered(SCENES, 32, count=2, seed=seed).record((32,)) for seed in (1, 1, 2))
    assert first == again and first.sha256 != other.sha256
    assert (first.source, first.pictures, first.seed, first.sides) == ("embedded scenes", 2, 1, (32,))


def test_every_second_scene_is_as_bright_as_a_photo():
    dark, bright = rendered(SCENES, 32, count=2, seed=3).pictures
    assert dark.mean() < 0.3 and bright.mean() == pytest.approx(0.45, abs=0.01)


def write(path, pixels):
    assert cv2.imwrite(str(path), pixels[..., ::-1])


def test_a_folder_is_cut_to_squares_and_resized(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (255, 0, 0)
    write(tmp_path / "wide.png", wide)
    (tmp_path / "notes.txt").write_text("no picture")
    made = from_folder(SCENES, tmp_path, 16)
    (sample,) = made.samples(16)
    np.testing.assert_array_equal(sample["image"], np.broadcast_to([[[[1.0, 0, 0]]]], (1, 16, 16, 3)))
    assert made.record((16,)).source == "folder" and made.lights is None
    luminance = from_folder(PORTRAITS, tmp_path, 16)
    assert luminance.pictures[0].shape == (16, 16, 1) and len(luminance.lights) == 1
    assert luminance.pictures[0].mean() == pytest.approx(0.5324, abs=1e-3)  # L of pure red is 53.24


def test_a_large_folder_is_taken_from_evenly(tmp_path):
    for index in range(10):
        write(tmp_path / f"{index:02d}.png", np.full((8, 8, 3), 20 * index, np.uint8))
    made = from_folder(SCENES, tmp_path, 8, most=5)
    assert [round(float(p.mean()) * 255 / 20) for p in made.pictures] == [0, 2, 4, 6, 8]


def test_folders_that_do_not_do(tmp_path):
    with pytest.raises(RelightError, match="no folder"):
        from_folder(SCENES, tmp_path / "gone", 16)
    with pytest.raises(RelightError, match="holds no pictures"):
        from_folder(SCENES, tmp_path, 16)
    write(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    for name, content in {"empty.png": b"", "cut.png": (tmp_path / "a.png").read_bytes()[:40]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RelightError, match=name):
            from_folder(SCENES, tmp_path, 16)
        (tmp_path / name).unlink()


def test_lights_come_from_all_around():
    lights = np.array(calibration._lights(methods.get("dpr512").info, 8))
    # Frame dpr: coefficient 3 is x, to the picture's right, 1 is y, into the picture.
    assert lights.shape == (8, 9)
    assert lights[:, 3].min() < -0.05 and lights[:, 3].max() > 0.05
    assert len(np.unique(lights.round(4), axis=0)) == 8
