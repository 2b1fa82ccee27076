"""The embedded heads as a dataset."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.data import heads, open_source
from tf_relight.data.options import DataConfig
from tf_relight.data.pipeline import batches
from tf_relight.data.source import FormedSource
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import shading
from tf_relight.rendering.heads.head import ORIGINAL_LIGHT, Head, head_light
from tf_relight.rendering.heads.maps import to_dpr

SIZE = 24


def config(**changes) -> DataConfig:
    settings = {"name": "heads", "size": SIZE, "scenes": 3, "validation_scenes": 2, "seed": 7}
    return DataConfig(**(settings | {"light_pairs": 5} | changes))


@pytest.fixture
def no_rendering(monkeypatch):
    """Call it to make any further rendering an error."""

    def forbid(*_, **__):
        raise AssertionError("a head was rendered again")

    return lambda: monkeypatch.setattr(heads, "Head", forbid)


def test_fields():
    source = open_source(config(), "train")
    assert source.fields == ("image", "target", "original", "light", "target_light")
    sample = source.read(0)
    assert tuple(sample) == source.fields
    for name in ("image", "target", "original"):
        assert sample[name].shape == (SIZE, SIZE, 3) and sample[name].dtype == np.uint8
    for name in ("light", "target_light"):
        assert sample[name].shape == (9,) and sample[name].dtype == np.float32


def test_a_sample_is_a_head_under_its_lights():
    source = open_source(config(), "train")
    head, original = Head(1, 7, SIZE), head_light(7, 1, ORIGINAL_LIGHT)
    seen = set()
    for index in range(5, 10):  # the pairs of head 1
        sample = source.read(index)
        assert source.key(index).startswith("imgHQ00001_")
        assert np.array_equal(sample["image"], head.image(sample["light"]))
        assert np.array_equal(sample["target"], head.image(sample["target_light"]))
        assert np.array_equal(sample["original"], head.image(original))
        seen |= {sample["light"].tobytes(), sample["target_light"].tobytes()}
    assert len(seen) == 10  # every pair has its own lights


def test_ground_truth_explains_the_picture():
    sample = open_source(config(ground_truth=True, coloured_light=True), "train").read(3)
    assert sample["light"].shape == (9, 3)
    assert sample["normal"].dtype == np.float32 and sample["albedo"].dtype == np.uint8
    assert sample["mask"].shape == (SIZE, SIZE, 1) and set(np.unique(sample["mask"])) == {0, 1}
    received = shading(to_dpr(sample["normal"].astype(np.float64)), sample["light"])
    wanted = np.clip(sample["albedo"] * received, 0, 255)
    assert np.abs(sample["image"] - wanted).max() < 0.504  # half a step, and 16-bit normals


def test_train_and_validation_share_nobody():
    train, validation = open_source(config(), "train"), open_source(config(), "validation")
    assert (len(train), len(validation)) == (3 * 5, 2 * 10)
    people = [{source.key(i)[:10] for i in range(len(source))} for source in (train, validation)]
    assert people == [{"imgHQ00000", "imgHQ00001", "imgHQ00002"}, {"imgHQ00003", "imgHQ00004"}]
    assert len({validation.key(index) for index in range(20)}) == 20


def test_samples_are_the_same_in_every_run():
    one, two = open_source(config(), "train"), open_source(config(), "train")
    two.prepare(workers=1, progress=False)
    for index in (0, 7, 14):
        first, second = one.read(index), two.read(index)
        assert all(np.array_equal(first[name], second[name]) for name in first)
    other = open_source(config(seed=8), "train").read(0)
    assert not np.array_equal(one.read(0)["image"], other["image"])


def test_prepared_heads_stay_in_memory(no_rendering):
    source = open_source(config(), "train")
    assert isinstance(source, FormedSource) and source.on_the_fly
    source.prepare(workers=2, progress=False)
    no_rendering()
    source.prepare(workers=1, progress=False)
    assert source.read(14)["image"].any()


def test_maps_in_a_cache_folder(tmp_path, no_rendering):
    settings = config(cache=tmp_path)
    first = open_source(settings, "train")
    first.prepare(workers=1, progress=False)
    no_rendering()
    again = open_source(settings, "train").read(11)
    assert np.array_equal(again["image"], first.read(11)["image"])
    (folder,) = tmp_path.iterdir()
    (folder / "imgHQ00002.npz").write_bytes(b"damaged")
    with pytest.raises(RelightError, match=r"imgHQ00002.npz.*delete it"):
        open_source(settings, "train").read(11)


def test_batches_of_the_training_pipeline():
    batch = next(iter(batches(open_source(config(), "train"), 4, seed=0)))
    assert batch["image"].shape == (4, SIZE, SIZE, 3) and batch["target_light"].shape == (4, 9)
    assert 0.02 < float(batch["original"].numpy().mean()) < 0.98


def test_fingerprint_follows_the_settings():
    changes = ({}, {"seed": 8}, {"size": 32}, {"light_pairs": 6}, {"coloured_light": True})
    prints = {open_source(config(**change), "train").fingerprint() for change in changes}
    assert len(prints | {open_source(config(), "validation").fingerprint()}) == 6


def test_bad_settings():
    with pytest.raises(RelightError, match="data.size is not set"):
        open_source(config(size=None), "train")
    with pytest.raises(RelightError, match="raise data.validation_scenes"):
        open_source(config(validation_scenes=0), "validation")
    for index in (-1, 15):
        with pytest.raises(IndexError):
            open_source(config(), "train").read(index)
