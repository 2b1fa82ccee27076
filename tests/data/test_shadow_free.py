"""The field `shadow_free` of samples: fused pictures of VIDIT, the renderer's own of embedded scenes."""

import logging
import re

import cv2
import numpy as np
import pytest

from tf_relight.config.run import load_config, make_data_config
from tf_relight.data import open_source
from tf_relight.data.cache import cached
from tf_relight.data.options import DataConfig
from tf_relight.data.vidit.exposure_fusion import fuse_folder
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ViditLight
from tf_relight.rendering.scenes.scene import Scene
from tf_relight.rendering.scenes.write import scene_seed
from tf_relight.training.run import Run, _ready_source

SIZE = 16


def scenes(**changes) -> DataConfig:
    settings = {"name": "scenes", "size": SIZE, "scenes": 2, "validation_scenes": 1, "shadow_free": True}
    return DataConfig(**(settings | changes))


def truth(number: int, temperature: int) -> np.ndarray:
    return Scene(scene_seed(0, number), SIZE).layers.half().shadow_free(temperature)


@pytest.fixture
def fused(vidit):
    """Scenes 0 and 1 for training and 300 for validation, with their fused pictures."""
    vidit.flat("train", range(2))
    vidit.flat("validation", range(300, 301))
    fuse_folder(vidit.root, progress=False)
    return vidit


@pytest.mark.parametrize("pairing", ["one_to_one", "any_to_one", "any_to_any"])
def test_fused_pictures_belong_to_their_scenes(fused, pairing):
    config = fused.config(pairing=pairing, shadow_free=True)
    for split in ("train", "validation"):
        source = open_source(config, split)
        assert "shadow_free" in source.fields
        for index in (0, len(source) // 2, len(source) - 1):
            sample = source.read(index)
            assert sample["shadow_free"].dtype == np.uint8 and sample["shadow_free"].shape == (SIZE, SIZE, 3)
            assert sample["shadow_free"][0, 0, 1] == sample["image"][0, 0, 1]  # green is the scene
    assert "shadow_free" not in open_source(fused.config(pairing=pairing), "train").fields


def test_mirrored_samples_mirror_it(fused):
    source = open_source(fused.config(shadow_free=True, mirror=True), "train")
    plain, mirrored = source.read(1)["shadow_free"], source.read(1 + len(source) // 2)["shadow_free"]
    assert np.array_equal(mirrored, plain[:, ::-1]) and not np.array_equal(mirrored, plain)


def test_a_new_fusion_is_not_hidden_by_the_cache(fused, tmp_path):
    config = fused.config(shadow_free=True)
    before = cached(open_source(config, "train"), tmp_path / "cache", progress=False).read(0)
    fuse_folder(fused.root, weights=(0, 0, 3), progress=False)
    after = cached(open_source(config, "train"), tmp_path / "cache", progress=False).read(0)
    assert np.array_equal(before["image"], after["image"])
    assert not np.array_equal(before["shadow_free"], after["shadow_free"])


def test_missing_pictures_name_the_command(vidit, caplog):
    vidit.flat("train", range(3))
    vidit.flat("validation", range(300, 301))
    config = vidit.config(shadow_free=True)
    for split in ("train", "validation"):
        with pytest.raises(RelightError, match=rf"{split} scenes; `relight data fuse .*set` makes them"):
            open_source(config, split)
    fuse_folder(vidit.root, progress=False)
    (vidit.root / "shadow_free/train/Image001.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert len(open_source(config, "train")) == 2
    assert (
        "Image001 lacks 1 of 3 lights and shadow-free, 1 scene incomplete; 2 scenes are used" in caplog.text
    )
    assert "relight data fuse" in caplog.text
    for path in (vidit.root / "shadow_free/train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RelightError, match="and its shadow-free picture"):
        open_source(config, "train")


def test_pairs_train_on_pictures_of_another_track_and_validate_without(vidit, caplog):
    """Track 1 beside track 3: the fused pictures serve both; published validation is pairs only."""
    vidit.flat("track3/train", range(2))
    vidit.pairs("track1/train/input", "track1/train/target", range(2))
    vidit.pairs("track1/validation/input", "track1/validation/target", range(300, 302))
    fuse_folder(vidit.root, progress=False)
    config = vidit.config(track="aim_1", shadow_free=True)
    source = open_source(vidit.config(shadow_free=True), "train")
    assert len(source) == 2 and source.fields == ("image", "target", "shadow_free")
    with caplog.at_level(logging.WARNING):
        validation = open_source(config.model_copy(update={"track": "auto"}), "validation")
    assert validation.fields == ("image", "target") and len(validation) == 2
    assert "can be validated" in caplog.text


def test_without_a_size_all_pictures_must_have_one(vidit):
    vidit.flat("train", range(2))
    fuse_folder(vidit.root, size=8, progress=False)
    assert open_source(vidit.config(shadow_free=True), "train").read(0)["shadow_free"].shape[0] == SIZE
    with pytest.raises(RelightError, match=r"differ in size .*8x8.*set data\.size"):
        open_source(vidit.config(shadow_free=True, size=None), "train")


def test_rendered_scenes_have_it_in_the_colour_of_the_target():
    source = open_source(scenes(), "train")
    for index in range(2):
        assert np.array_equal(source.read(index)["shadow_free"], truth(index, 4500))
    warm = open_source(scenes(target_light="E_2500"), "train").read(0)["shadow_free"]
    assert np.array_equal(warm, truth(0, 2500)) and not np.array_equal(warm, truth(0, 4500))
    source = open_source(scenes(pairing="any_to_any"), "train")
    for index in (0, 3, 1600 + 41):
        sample = source.read(index)
        kelvin = ViditLight.from_index(int(sample["target_light"])).temperature
        assert np.array_equal(sample["shadow_free"], truth(index // 1600, kelvin))


def test_rendered_scenes_mirror_it_and_keep_the_rest_of_the_sample():
    source, without = (open_source(scenes(mirror=True, shadow_free=on), "train") for on in (True, False))
    assert np.array_equal(source.read(3)["shadow_free"], source.read(1)["shadow_free"][:, ::-1])
    assert set(source.fields) - set(without.fields) == {"shadow_free"}
    for name in without.fields:
        assert np.array_equal(source.read(3)[name], without.read(3)[name])
    assert source.fingerprint() != without.fingerprint()


def test_rendered_scenes_prepared_or_cached_give_the_same(tmp_path):
    fresh = open_source(scenes(pairing="any_to_one"), "train")
    prepared = open_source(scenes(pairing="any_to_one"), "train")
    prepared.prepare(workers=1, progress=False)
    kept = cached(open_source(scenes(), "train"), tmp_path, progress=False)
    for index in (0, 7, 45):
        wanted = fresh.read(index)["shadow_free"]
        assert np.array_equal(prepared.read(index)["shadow_free"], wanted)
        assert np.array_equal(prepared.read(index)["shadow_free"], wanted)  # formed once, kept
    assert np.array_equal(kept.read(1)["shadow_free"], fresh.read(45)["shadow_free"])


@pytest.mark.parametrize("name", ["folder", "shards", "portraits", "heads"])
def test_other_datasets_do_not_know_it(name, tmp_path):
    said = f"data.shadow_free: unknown key. It is an option of the data vidit, scenes, not of '{name}'."
    with pytest.raises(RelightError, match=re.escape(said)):
        make_data_config({"name": name, "root": str(tmp_path), "shadow_free": True})


def test_training_switches_it_on_where_the_method_learns_from_it(tmp_path):
    for method, wanted in (("drn", True), ("dmshn", False)):
        path = tmp_path / f"{method}.yaml"
        path.write_text(
            f"method: {method}\ntrain: {{steps: 3}}\n"
            "data: {name: scenes, size: 16, scenes: 1, validation_scenes: 1}\n"
        )
        config = load_config(path)
        assert ("shadow_free" in _ready_source(Run.of(config), "train", False).fields) is wanted
    (tmp_path / "input").mkdir()
    (tmp_path / "target").mkdir()
    picture = np.zeros((16, 16, 3), np.uint8)
    for name in ("input/a.png", "input/b.png", "target/a.png", "target/b.png"):
        cv2.imwrite(str(tmp_path / name), picture)
    folder = load_config(
        tmp_path / "drn.yaml",
        ["data={name: folder, size: 16, validation_scenes: 1}", f"data.root={tmp_path}"],
    )
    with pytest.raises(RelightError, match="'folder' have no shadow_free.*Data that can: vidit, scenes"):
        _ready_source(Run.of(folder), "train", False)


def test_validation_of_pairs_is_enough_for_a_method_that_learns_from_it(fused, tmp_path):
    for path in (fused.root / "validation").iterdir():
        path.unlink()
    (fused.root / "shadow_free/validation/Image300.png").unlink()
    fused.pairs("validation/input", "validation/target", range(300, 302))
    path = tmp_path / "drn.yaml"
    path.write_text(f"method: drn\ndata: {{root: {fused.root}, size: 16}}\ntrain: {{steps: 3}}\n")
    config = load_config(path)
    assert "shadow_free" in _ready_source(Run.of(config), "train", False).fields
    assert "shadow_free" not in _ready_source(Run.of(config), "validation", False).fields
