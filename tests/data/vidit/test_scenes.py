"""Which VIDIT scenes are used: splits by scene, tracks, partial downloads, wrong folders."""

import os

import pytest

from tf_relight.data import open_source
from tf_relight.data.vidit.layout import collect, find_files
from tf_relight.errors import RelightError


def test_split_is_by_scene_and_does_not_change(vidit):
    vidit.flat(".", range(6))

    def scenes(split, **values):
        source = open_source(vidit.config(pairing="any_to_one", validation_scenes=2, **values), split)
        return {source.key(i)[:8] for i in range(len(source))}

    train, validation = scenes("train"), scenes("validation")
    assert len(train) == 4 and len(validation) == 2 and not train & validation
    assert (train, validation) == (scenes("train"), scenes("validation"))
    assert any(scenes("validation", seed=seed) != validation for seed in range(1, 6))


def test_holding_out_everything_is_an_error(vidit):
    vidit.pairs("train/input", "train/target", range(2))
    for count in (0, 2, 45):
        with pytest.raises(
            RelightError, match="2 scenes and no validation folder; set data.validation_scenes"
        ):
            open_source(vidit.config(validation_scenes=count), "train")


def test_partial_download_skips_and_counts(vidit, caplog, truncate):
    vidit.flat("train", range(5))
    vidit.flat("validation", range(300, 301))
    for name in ("Image002_2500_N", "Image002_2500_E", "Image002_6500_W"):
        (vidit.root / "train" / f"{name}.png").unlink()
    truncate(vidit.root / "train" / "Image003_2500_N.png")
    (vidit.root / "train" / "Image004_2500_N.png").write_bytes(b"")
    source = open_source(vidit.config(pairing="any_to_one"), "train")
    assert len(source) == 2 * 40
    assert "Image002 lacks 3 of 40 lights, 3 scenes incomplete, 2 files empty or truncated" in caplog.text
    assert "2 scenes are used" in caplog.text
    assert len(open_source(vidit.config(), "train")) == 5  # these lights are all there


def test_no_complete_scene_is_an_error(vidit):
    vidit.pairs("validation/input", "nowhere/target", range(2))
    with pytest.raises(RelightError, match="None of the 2 scenes is complete: .*an input and a target"):
        open_source(vidit.config(), "validation")
    vidit.flat("train", range(3))
    with pytest.raises(RelightError, match="and its depth file; finish the download"):
        open_source(vidit.config(depth=True), "train")


def test_both_challenges_ask_for_a_choice(vidit):
    vidit.pairs("AIM2020/track1_train/input", "AIM2020/track1_train/target", range(2))
    vidit.pairs("NTIRE2021/track1_train/input", "NTIRE2021/track1_train/target", range(4))
    with pytest.raises(RelightError, match="set data.track to one of aim_1"):
        open_source(vidit.config(), "train")
    assert len(open_source(vidit.config(track="ntire_1"), "train")) == 3
    with pytest.raises(RelightError, match="track ntire_2 is not in this folder; it holds track 1"):
        open_source(vidit.config(track="ntire_2"), "train")


def test_training_of_track_2_beside_validation_of_track_1(vidit):
    vidit.flat("Track2/train", range(3))
    vidit.pairs("Track2/val/input", "Track2/val/target", range(5), prefix="Pair")
    vidit.pairs("Track1/val", "Track1/val_target", range(300, 302))
    assert len(open_source(vidit.config(), "train")) == 3
    validation = open_source(vidit.config(), "validation")
    assert [validation.key(i) for i in range(len(validation))] == ["Image300", "Image301"]


def test_a_root_that_is_the_validation_folder(vidit):
    vidit.pairs("val/input", "val/target", range(300, 303))
    config = vidit.config(root=vidit.root / "val")
    assert len(open_source(config, "validation")) == 3
    with pytest.raises(RelightError, match="no scenes for the train split"):
        open_source(config, "train")


@pytest.mark.parametrize(
    "make", [lambda root: None, lambda root: root.mkdir(), lambda root: root.write_text("x")]
)
def test_wrong_roots(vidit, make):
    make(vidit.root)
    with pytest.raises(RelightError, match="is no folder|holds no VIDIT pictures"):
        open_source(vidit.config(), "train")
    with pytest.raises(RelightError, match="data.root is not set"):
        open_source(vidit.config(root=None), "train")


def test_unknown_dataset_and_split(vidit):
    with pytest.raises(RelightError, match="not known.*Did you mean 'vidit'.*vidit, folder, "):
        open_source(vidit.config().model_copy(update={"name": "vidi"}), "train")
    with pytest.raises(RelightError, match="Split 'dev' is not known"):
        open_source(vidit.config(), "dev")


def test_files_that_are_not_vidit_are_left_alone(vidit):
    vidit.pairs("train/input", "train/target", range(2))
    (vidit.root / "train" / "readme.txt").write_text("no picture")
    (vidit.root / ".hidden").mkdir()
    vidit.write(".hidden/Image009.png", vidit.picture(9))
    vidit.write("train/input/._Image001.png", vidit.picture(9))
    vidit.write("train/holiday.png", vidit.picture(9))
    scenes = collect(find_files(vidit.root))
    assert {name: scene.paired for name, scene in scenes["train"].items()} == {
        "Image000": True,
        "Image001": True,
    }


def test_a_folder_that_cannot_be_listed(vidit, monkeypatch):
    vidit.pairs("train/input", "train/target", range(2))

    def walk(root, onerror, **_):
        onerror(PermissionError(13, "Permission denied", f"{root}/train"))
        yield

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(RelightError, match="Cannot list .*train: Permission denied"):
        open_source(vidit.config(), "train")
