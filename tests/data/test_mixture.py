"""Mixtures of datasets, and plain photos."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.numbered_samples import assert_equal, served
from tf_relight.config.run import make_data_config
from tf_relight.data import open_source
from tf_relight.errors import RelightError
from tf_relight.photo.picture import Picture
from tf_relight.photo.writing import write_picture

HEADS = {"name": "heads", "scenes": 1, "validation_scenes": 1, "light_pairs": 6}


def mixed(*parts, needs=(), **options):
    values = {"name": "mixture", "size": 16, "parts": list(parts), **options}
    return open_source(make_data_config(values), "train", needs=needs)


def test_shares_are_kept_and_every_sample_tells_its_part():
    source = mixed(HEADS, {**HEADS, "seed": 5}, weights=[2, 1])
    parts = [int(source.read(index)["part"]) for index in range(len(source))]
    assert parts.count(0) == 8 and parts.count(1) == 4
    equal = mixed(HEADS, {**HEADS, "seed": 5})
    assert len(equal) == 12


def test_batches_of_a_mixture_resume_exactly():
    source = mixed(HEADS, {**HEADS, "seed": 5})
    source.prepare(progress=False)
    assert_equal(served(source, 5)[3:], served(source, 2, start_step=3))
    assert {*np.concatenate([batch["part"] for batch in served(source, 3)])} == {0, 1}


def test_only_common_fields_are_given_and_a_needed_one_is_named(tmp_path):
    for name in "abc":
        write_picture(tmp_path / f"{name}.png", Picture(np.full((20, 30, 3), 0.5, np.float32)))
    photos = {"name": "photos", "root": str(tmp_path), "validation_scenes": 1}
    assert mixed(HEADS, photos).fields == ("image", "part")
    with pytest.raises(RelightError, match="'photos' have no albedo.*Data that can: heads, humans, sfsnet"):
        mixed(HEADS, photos, needs=["image", "albedo"])


def test_fields_that_do_not_mean_the_same_are_refused():
    scenes = {"name": "scenes", "scenes": 1, "validation_scenes": 1}
    source = mixed(HEADS, scenes)
    with pytest.raises(RelightError, match="'light' is float32 in part 0 .heads.* and int32 in part 1"):
        source.prepare(progress=False)


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"parts": []}, "parts"),
        ({"weights": [1]}, "weights has 1 numbers for 2 parts"),
        ({"weights": [1, 0]}, "greater than 0"),
        ({"parts": [HEADS, {"name": "mixture", "parts": [HEADS]}]}, "cannot hold a mixture"),
        ({"parts": [HEADS, {"name": "haeds"}]}, "is not a dataset. Did you mean 'heads'"),
        ({"parts": [HEADS, {**HEADS, "pairing": "any_to_one"}]}, "It is an option of the data vidit"),
    ],
)
def test_mistakes_in_a_mixture_are_sentences(changes, said):
    values = {"name": "mixture", "size": 16, "parts": [HEADS, HEADS], **changes}
    with pytest.raises(RelightError) as refused:
        make_data_config(values)
    assert said in str(refused.value)


def test_photos_are_found_in_all_folders_and_cut_to_their_middle(tmp_path):
    ramp = np.repeat(np.linspace(0, 1, 60, dtype=np.float32)[None, :, None], 20, axis=0).repeat(3, axis=2)
    for name in ("a.png", "deep/er/b.png", "deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / name, Picture(ramp))
    config = make_data_config({"name": "photos", "root": str(tmp_path), "size": 8, "validation_scenes": 1})
    train, held_out = (open_source(config, split) for split in ("train", "validation"))
    assert len(train) == 2 and len(held_out) == 1
    row = train.read(0)["image"][4, :, 0] / 255
    assert 0.33 < row[0] < 0.4 and 0.6 < row[-1] < 0.67
    with pytest.raises(RelightError, match="holds no photos"):
        (tmp_path / "none").mkdir()
        open_source(config.model_copy(update={"root": tmp_path / "none"}), "train")
