"""The embedded scenes as a dataset."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.data import open_source, scenes
from tf_relight.data.cache import cached
from tf_relight.data.options import DataConfig
from tf_relight.data.source import PooledSource
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ViditLight
from tf_relight.rendering.scenes.layers import SceneLayers
from tf_relight.rendering.scenes.scene import Scene
from tf_relight.rendering.scenes.write import scene_seed

SIZE = 16


def config(**changes) -> DataConfig:
    settings = {"name": "scenes", "size": SIZE, "scenes": 3, "validation_scenes": 2, "seed": 7}
    return DataConfig(**(settings | changes))


def picture(number: int, light: str) -> np.ndarray:
    """The picture of a scene as it comes from float16 layers."""
    lamp = ViditLight.parse(light)
    return Scene(scene_seed(7, number), SIZE).layers.half().image(lamp.direction, lamp.temperature)


@pytest.fixture
def no_rendering(monkeypatch):
    """Call it to make any further rendering an error."""

    def forbid(*_, **__):
        raise AssertionError("a scene was rendered again")

    return lambda: monkeypatch.setattr(scenes, "Scene", forbid)


def test_one_to_one():
    train, validation = open_source(config(), "train"), open_source(config(), "validation")
    assert (len(train), len(validation)) == (3, 2)
    assert [train.key(0), validation.key(0)] == ["Image000", "Image003"]
    assert train.fields == ("image", "target", "light", "target_light")
    for source, first in ((train, 0), (validation, 3)):
        for index in range(len(source)):
            sample = source.read(index)
            assert np.array_equal(sample["image"], picture(first + index, "N_6500"))
            assert np.array_equal(sample["target"], picture(first + index, "E_4500"))
            assert sample["light"].dtype == np.int32
            assert sample["light"] == ViditLight.parse("N_6500").index


def test_the_dataset_is_what_render_scenes_writes():
    exact = Scene(scene_seed(7, 1), SIZE).image("N", 6500).astype(int)
    assert np.abs(open_source(config(), "train").read(1)["image"] - exact).max() <= 1


@pytest.mark.parametrize(("pairing", "per_scene"), [("any_to_one", 40), ("any_to_any", 1600)])
def test_other_pairings(pairing, per_scene):
    source = open_source(config(pairing=pairing, depth=True), "train")
    assert len(source) == 3 * per_scene
    assert len({source.key(index) for index in range(len(source))}) == len(source)
    for index in (0, per_scene + 17, len(source) - 1):
        sample, scene = source.read(index), index // per_scene
        light = ViditLight.from_index(int(sample["light"])).name
        target = ViditLight.from_index(int(sample["target_light"])).name
        assert np.array_equal(sample["image"], picture(scene, light))
        assert np.array_equal(sample["target"], picture(scene, target))
        assert sample["depth"].shape == (SIZE, SIZE, 1) and sample["depth"].dtype == np.float32
        if pairing == "any_to_any":
            others = [picture(number, target) for number in range(3) if number != scene]
            assert any(np.array_equal(sample["guide"], other) for other in others)
        else:
            assert target == "E_4500"


def test_mirroring_swaps_east_and_west():
    source = open_source(config(mirror=True, depth=True), "train")
    assert len(source) == 6 and source.key(4) == "Image001_mirrored"
    plain, mirrored = source.read(1), source.read(4)
    assert np.array_equal(mirrored["target"], picture(1, "W_4500")[:, ::-1])
    assert np.array_equal(mirrored["depth"], plain["depth"][:, ::-1])
    assert mirrored["target_light"] == plain["target_light"]
    assert len(open_source(config(mirror=True), "validation")) == 2


def test_caching_keeps_the_samples():
    source = open_source(config(pairing="any_to_one", depth=True), "train")
    assert isinstance(source, PooledSource)
    kept = cached(source, None, progress=False)
    for index in (0, 50, 119):
        first, second = source.read(index), kept.read(index)
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[name], second[name]) for name in first)


def test_fingerprint_follows_the_settings():
    prints = {
        open_source(config(**change), split).fingerprint()
        for change in ({}, {"seed": 8}, {"size": 24}, {"antialias": 2}, {"target_light": "W_4500"})
        for split in ("train", "validation")
    }
    assert len(prints) == 10


def test_prepared_layers_stay_in_memory(no_rendering):
    source = open_source(config(pairing="any_to_any"), "train")
    assert source.on_the_fly
    source.prepare(workers=1, progress=False)
    no_rendering()
    source.prepare(workers=1, progress=False)
    assert np.array_equal(source.read(1600)["image"], picture(1, "N_2500"))


def test_processes_prepare_the_same_layers():
    alone, together = (open_source(config(scenes=2), "train") for _ in range(2))
    alone.prepare(workers=1, progress=False)
    together.prepare(workers=2, progress=False)
    assert np.array_equal(alone.read(1)["target"], together.read(1)["target"])


def test_layers_in_a_cache_folder(tmp_path, no_rendering):
    settings = config(cache=tmp_path)
    first = open_source(settings, "train")
    expected = first.read(2)
    first.prepare(workers=1, progress=False)
    no_rendering()
    again = open_source(settings, "train").read(2)
    assert np.array_equal(again["image"], expected["image"])
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["Image000.npz", "Image001.npz", "Image002.npz"]

    (folder / "Image002.npz").write_bytes(b"damaged")
    with pytest.raises(RelightError, match="Image002.npz.*delete it"):
        open_source(settings, "train").read(2)


def test_a_full_disk_leaves_no_layers(tmp_path, monkeypatch):
    def full(path, **arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RelightError, match="No space left on device"):
        open_source(config(cache=tmp_path), "train").read(0)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_reading_in_order_renders_each_scene_once(monkeypatch):
    made: list[int] = []

    def counting(seed, *arguments, **options):
        made.append(seed)
        return Scene(seed, *arguments, **options)

    monkeypatch.setattr(scenes, "Scene", counting)
    source = open_source(config(scenes=4), "train")
    cached(source, None, progress=False)
    assert sorted(made) == [scene_seed(7, number) for number in range(4)]


def test_a_failed_scene_can_be_read_again(monkeypatch):
    source = open_source(config(), "train")

    def broken(*_, **__):
        raise RelightError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(scenes, "Scene", broken)
        with pytest.raises(RelightError, match="no luck"):
            source.read(0)
    assert isinstance(source._store.get(0), SceneLayers)


def test_bad_settings():
    with pytest.raises(RelightError, match="data.size is not set"):
        open_source(config(size=None), "train")
    with pytest.raises(RelightError, match="raise data.validation_scenes"):
        open_source(config(validation_scenes=0), "validation")
    with pytest.raises(IndexError):
        open_source(config(), "train").read(3)
