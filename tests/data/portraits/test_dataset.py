"""The layout of the DPR dataset."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tf_relight.data import open_source
from tf_relight.data.options import DataConfig
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import image_map


class Folder:
    """A folder of portraits under construction."""

    def __init__(self, root):
        self.root = root

    def subject(self, name: str, relit: int = 3, original: str | None = "beside") -> None:
        folder = self.root / name
        folder.mkdir()
        rng = np.random.default_rng(sum(map(ord, name)))
        for number in range(relit):
            picture = rng.integers(0, 256, (12, 10, 3), np.uint8)
            Image.fromarray(picture).save(folder / f"{name}_{number:02d}.png")
            np.savetxt(folder / f"{name}_light_{number:02d}.txt", rng.random(9))
        if original is not None:
            place = folder if original == "beside" else self.root / original
            place.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8)).save(place / f"{name}.png")

    def config(self, **values) -> DataConfig:
        return DataConfig(
            **{"name": "portraits", "root": self.root, "size": 8, "validation_scenes": 1} | values
        )


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    for name in ("imgHQ00000", "imgHQ00001", "imgHQ00002"):
        made.subject(name)
    return made


def test_all_pairs_of_a_subject_and_whole_subjects_are_held_out(folder):
    train, validation = (open_source(folder.config(), split) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (6, 3)
    sides = [{source.key(i).split("_")[0] for i in range(len(source))} for source in (train, validation)]
    assert not sides[0] & sides[1]


def test_a_sample_has_both_lights_and_the_original(folder):
    source = open_source(folder.config(), "validation")
    sample, key = source.read(1), source.key(1)
    name = key.split("_")[0]
    assert key == f"{name}_00_02"
    assert set(sample) == set(source.fields)
    for field, number in (("light", 0), ("target_light", 2)):
        light = np.loadtxt(folder.root / name / f"{name}_light_{number:02d}.txt")
        np.testing.assert_allclose(sample[field], light, rtol=1e-6)
    assert sample["image"].shape == sample["original"].shape == (8, 8, 3)


def test_mirrored_pairs_have_mirrored_lights(folder):
    plain, source = (open_source(folder.config(mirror=m), "train") for m in (False, True))
    assert len(source) == 2 * len(plain)
    before, after = plain.read(2), source.read(2 + len(plain))
    for field in ("image", "target", "original"):
        np.testing.assert_array_equal(after[field], before[field][:, ::-1])
    for field in ("light", "target_light"):
        np.testing.assert_allclose(after[field], image_map("hflip") @ before[field], rtol=1e-6)
    assert source.key(2 + len(plain)).endswith("_mirrored")
    assert len(open_source(folder.config(mirror=True), "validation")) == 3


def test_lists_choose_the_pairs(folder):
    (folder.root / "val.lst").write_text("imgHQ00001 imgHQ00001_02.png imgHQ00001_00.png\n\n")
    validation, train = (open_source(folder.config(), split) for split in ("validation", "train"))
    assert [validation.key(i) for i in range(len(validation))] == ["imgHQ00001_02_00"]
    assert {train.key(i).split("_")[0] for i in range(len(train))} == {"imgHQ00000", "imgHQ00002"}


def test_what_the_renderer_writes_is_read(tmp_path):
    from tf_relight.rendering.heads.write import render_heads

    render_heads(tmp_path / "heads", heads=2, validation_heads=1, size=24, layout="dpr")
    config = DataConfig(name="portraits", root=tmp_path / "heads", size=24)
    train, validation = (open_source(config, split) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (20, 10)
    heads = open_source(DataConfig(name="heads", size=24, scenes=2, validation_scenes=1), "validation")
    for field in ("image", "target", "original"):
        np.testing.assert_array_equal(validation.read(4)[field], heads.read(4)[field])
    np.testing.assert_allclose(validation.read(4)["light"], heads.read(4)["light"], rtol=1e-6)


@pytest.mark.parametrize(
    "text,message",
    [
        ("imgHQ00001 imgHQ00001_00.png", "line 1: wanted are a subject and two pictures"),
        (
            "imgHQ00001 imgHQ00001_00.png imgHQ00001_07.png",
            "line 1: imgHQ00001/imgHQ00001_07.png is not there",
        ),
        ("imgHQ00009 imgHQ00009_00.png imgHQ00009_01.png", "imgHQ00009_00.png is not there"),
        ("\n", "names no pairs"),
    ],
)
def test_broken_lists(folder, text, message):
    (folder.root / "train.lst").write_text(text)
    with pytest.raises(RelightError, match=message):
        open_source(folder.config(), "train")


@pytest.mark.parametrize(
    "text,message",
    [
        (None, "light_01.txt is missing"),
        ("1 2 3 4 5 6 7 8", "holds 8 numbers"),
        ("1 " * 10, "holds 10 numbers"),
        ("1 " * 27, "27 numbers, an SfSNet light"),
        ("1 2 3 4 nan 6 7 8 9", "NaN or infinity"),
    ],
)
def test_broken_lights(folder, text, message):
    path = folder.root / "imgHQ00000" / "imgHQ00000_light_01.txt"
    path.unlink() if text is None else path.write_text(text)
    (folder.root / "train.lst").write_text("imgHQ00000 imgHQ00000_01.png imgHQ00000_02.png")
    with pytest.raises(RelightError, match=message):
        open_source(folder.config(), "train")


def test_originals_beside_or_apart(tmp_path):
    folder = Folder(tmp_path)
    folder.subject("a", original="original")
    folder.subject("b", original=None)
    with pytest.raises(RelightError, match="original photo of b is missing: put b.png"):
        [open_source(folder.config(), split) for split in ("train", "validation")]


def test_folders_without_portraits(tmp_path):
    config = Folder(tmp_path).config()
    with pytest.raises(RelightError, match="holds no portraits"):
        open_source(config, "train")
    with pytest.raises(RelightError, match="not a folder"):
        open_source(Folder(tmp_path / "absent").config(), "train")
    with pytest.raises(RelightError, match="data.root is not set"):
        open_source(config.model_copy(update={"root": None}), "train")


def test_too_few_subjects_to_hold_out(tmp_path):
    folder = Folder(tmp_path)
    folder.subject("a")
    with pytest.raises(RelightError, match="none is left for train"):
        open_source(folder.config(), "train")


def test_unequal_sizes_need_a_size(folder):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder.root / "imgHQ00000" / "imgHQ00000_00.png")
    (folder.root / "train.lst").write_text("imgHQ00000 imgHQ00000_00.png imgHQ00000_02.png")
    with pytest.raises(RelightError, match="differ in size"):
        open_source(folder.config(size=None), "train")
