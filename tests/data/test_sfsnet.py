"""Faces in SfSNet's layout: decoded as they were rendered, whole or left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tf_relight.config.run import make_data_config
from tf_relight.data import open_source
from tf_relight.data.sfsnet import decoded_normals
from tf_relight.errors import RelightError
from tf_relight.rendering.heads.write import render_heads
from tf_relight.scoring.metrics import normal_angle

SIZE = 32


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("sfsnet")
    render_heads(root, heads=2, validation_heads=1, size=SIZE, layout="sfsnet", progress=False)
    return root


@pytest.fixture
def faces(rendered, tmp_path):
    """A copy that a test may spoil."""
    import shutil

    return shutil.copytree(rendered, tmp_path / "faces")


def opened(root, split="train", **options):
    config = make_data_config({"name": "sfsnet", "root": str(root), "size": SIZE, **options})
    return open_source(config, split)


def test_rendered_heads_come_back_in_our_frames(rendered):
    from tf_relight.light.spherical_harmonics import shading

    source = opened(rendered)
    sample = source.read(0)
    assert source.fields == ("image", "albedo", "normal", "mask", "light")
    normal, mask = sample["normal"], sample["mask"][..., 0] > 0.5
    length = np.linalg.norm(normal[mask], axis=-1)
    assert np.all((np.abs(length - 1) < 1e-5) | (length == 0)) and (length > 0).mean() > 0.95
    assert normal[mask][:, 2].mean() > 0.4, "faces look toward the camera"
    columns = np.where(mask, np.arange(SIZE)[None], np.nan)
    side = np.nanmean(np.where(columns > np.nanmean(columns), normal[..., 0], np.nan))
    assert side > 0.2, "the right side of a head looks right"
    facing = np.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], -1)
    light = sample["light"]
    rebuilt = np.clip(shading(facing, light) * sample["albedo"] / 255, 0, 1)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((5, 5))) > 0
    error = np.abs(rebuilt - sample["image"] / 255)[inside]
    assert np.median(error) < 0.03, "the picture is albedo times the shading of its own light"


def test_normals_are_decoded_as_they_are_coded():
    from tf_relight.rendering.heads.layouts import sfsnet_normal_picture

    normals = np.random.default_rng(0).normal(size=(5, 7, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    found = decoded_normals(sfsnet_normal_picture(normals))
    # Half a step of 1/128, and 127/128 for the largest value.
    assert np.abs(found - normals).max() <= 1 / 128 + 1e-6
    assert normal_angle(found, normals) < 0.5


def test_train_and_test_folders_are_the_splits(rendered):
    names = {
        split: {opened(rendered, split).key(i) for i in range(len(opened(rendered, split)))}
        for split in ("train", "validation")
    }
    assert all(name.startswith("train_") for name in names["train"])
    assert names["validation"] and all(name.startswith("test_") for name in names["validation"])


def test_faces_without_all_kinds_are_left_out_and_counted(faces, caplog):
    before = len(opened(faces))
    next(faces.rglob("train/*/*_albedo_1_*.png")).unlink()
    assert len(opened(faces)) == before - 1
    assert "1 faces lack files and are left out: albedo (1)" in caplog.text


def test_a_layout_without_a_kind_says_which(faces):
    for path in faces.rglob("*_depth_*"):
        path.unlink()
    with pytest.raises(RelightError, match="no whole face.*the kind 'depth' is missing"):
        opened(faces)


def test_a_light_of_nine_numbers_is_refused(faces):
    source = opened(faces)
    for path in faces.rglob("*_light_*.txt"):
        path.write_text(" ".join(["0.5"] * 9))
    with pytest.raises(RelightError, match="27"):
        source.read(0)


def test_normals_that_are_all_zero_are_refused(faces):
    source = opened(faces)
    for path in faces.rglob("*_normal_*.png"):
        cv2.imwrite(str(path), np.full((SIZE, SIZE, 3), 128, np.uint8))
    with pytest.raises(RelightError, match="no normals: all of it is 128"):
        source.read(0)


def test_pseudo_labels_in_one_folder_count_everywhere(tmp_path):
    for index in range(3):
        for kind in ("face", "albedo", "normal", "shading", "recon"):
            cv2.imwrite(str(tmp_path / f"0_{index}_{kind}.png"), np.full((8, 8, 3), 200, np.uint8))
        (tmp_path / f"0_{index}_light.txt").write_text(" ".join(["0.5"] * 27))
    source = opened(tmp_path, validation_scenes=1)
    assert len(source) == 2 and source.read(0)["mask"].min() == 1
