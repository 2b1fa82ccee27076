"""Shards of rendered scenes: read back to the byte, and what is wrong with them said in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tf_relight.data import open_source
from tf_relight.data.cache import cached
from tf_relight.data.options import DataConfig
from tf_relight.data.pictures import resized
from tf_relight.data.source import PooledSource
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS, ViditLight
from tf_relight.rendering.scenes.scene import Scene
from tf_relight.rendering.scenes.write import render_scenes, scene_seed
from tf_relight.rendering.tfrecord import SceneRecord, stored_scenes, write_shard

SIZE = 16
SHARD = "train/scenes-000000.tfrecord"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """Three scenes for training and one for validation."""
    root = tmp_path_factory.mktemp("shards")
    render_scenes(root, scenes=3, validation_scenes=1, size=SIZE, layout="tfrecord", progress=False)
    return root


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """The same four scenes from the renderer itself."""
    return [Scene(scene_seed(0, number), SIZE) for number in range(4)]


@pytest.fixture
def copy(rendered, tmp_path) -> Path:
    """A copy of the training shard, to be damaged."""
    path = tmp_path / SHARD
    path.parent.mkdir()
    path.write_bytes((rendered / SHARD).read_bytes())
    return path


def config(root: Path | None, **changes) -> DataConfig:
    return DataConfig(**({"name": "shards", "root": root, "size": None, "validation_scenes": 1} | changes))


def picture(scene: Scene, light: str) -> np.ndarray:
    lamp = ViditLight.parse(light)
    return scene.image(lamp.direction, lamp.temperature)


def record(name: str, lights: int = 40) -> SceneRecord:
    images = np.zeros((lights, 8, 8, 3), np.uint8)
    return SceneRecord(name, np.arange(lights), images, np.zeros((8, 8), np.float32))


def test_one_to_one(rendered, scenes):
    settings = config(rendered, input_light="SW_2500", target_light="NE_5500")
    train, validation = open_source(settings, "train"), open_source(settings, "validation")
    assert (len(train), len(validation)) == (3, 1)
    assert [train.key(2), validation.key(0)] == ["Image002", "Image003"]
    assert train.fields == ("image", "target", "light", "target_light")
    for sample, scene in zip([*map(train.read, range(3)), validation.read(0)], scenes, strict=True):
        assert np.array_equal(sample["image"], picture(scene, "SW_2500"))
        assert np.array_equal(sample["target"], picture(scene, "NE_5500"))
        assert sample["light"] == ViditLight.parse("SW_2500").index


@pytest.mark.parametrize(("pairing", "per_scene"), [("any_to_one", 40), ("any_to_any", 1600)])
def test_other_pairings(rendered, scenes, pairing, per_scene):
    source = open_source(config(rendered, pairing=pairing, depth=True), "train")
    assert len(source) == 3 * per_scene
    for index in (0, per_scene + 17, len(source) - 1):
        sample, scene = source.read(index), scenes[index // per_scene]
        target = ViditLight.from_index(int(sample["target_light"])).name
        light = ViditLight.from_index(int(sample["light"])).name
        assert np.array_equal(sample["image"], picture(scene, light))
        assert np.array_equal(sample["target"], picture(scene, target))
        assert sample["depth"].dtype == np.float32
        assert np.array_equal(sample["depth"], scene.layers.depth[..., None])
        assert ("guide" in sample) == (pairing == "any_to_any")
        assert pairing == "any_to_any" or target == "E_4500"


def test_mirroring_swaps_east_and_west(rendered, scenes):
    source = open_source(config(rendered, mirror=True, depth=True), "train")
    assert len(source) == 6 and source.key(4) == "Image001_mirrored"
    mirrored = source.read(4)
    assert np.array_equal(mirrored["target"], picture(scenes[1], "W_4500")[:, ::-1])
    assert np.array_equal(mirrored["depth"], source.read(1)["depth"][:, ::-1])
    assert mirrored["target_light"] == source.read(1)["target_light"]
    assert len(open_source(config(rendered, mirror=True), "validation")) == 1


def test_pictures_are_resized(rendered, scenes):
    sample = open_source(config(rendered, size=8, depth=True), "train").read(0)
    assert np.array_equal(sample["image"], resized(picture(scenes[0], "N_6500"), 8))
    assert sample["depth"].shape == (8, 8, 1)


def test_scenes_are_held_out_without_a_validation_folder(copy):
    root = copy.parent.parent
    splits = [open_source(config(root), split) for split in ("train", "validation")]
    names = [{source.key(index) for index in range(len(source))} for source in splits]
    assert [len(keys) for keys in names] == [2, 1] and not names[0] & names[1]


def test_caching_keeps_the_samples(rendered, tmp_path):
    source = open_source(config(rendered, pairing="any_to_one", depth=True, mirror=True), "train")
    assert isinstance(source, PooledSource)
    for folder in (None, tmp_path):
        kept = cached(source, folder, progress=False)
        for index in (0, 50, 239):
            first, second = source.read(index), kept.read(index)
            assert first.keys() == second.keys()
            assert all(np.array_equal(first[name], second[name]) for name in first)


def test_fingerprint_follows_settings_scenes_and_files(copy):
    root = copy.parent.parent
    changes = ({}, {"size": 8}, {"target_light": "W_4500"}, {"mirror": True}, {"pairing": "any_to_one"})
    prints = {open_source(config(root, **change), "train").fingerprint() for change in changes}
    prints.add(open_source(config(root), "validation").fingerprint())
    source = open_source(config(root), "train")
    write_shard(copy, [record("Image000"), record("Image001"), record("Image002")])
    prints.add(source.fingerprint())
    assert len(prints) == 7


def test_tensorflow_reads_the_same(rendered):
    """Our reader and TensorFlow's agree on names, lights, pictures and depth."""
    import tensorflow as tf

    path, expected = rendered / SHARD, []
    for serialised in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        features = tf.train.Example.FromString(serialised).features.feature
        expected.append({name: feature for name, feature in features.items()})
    found = stored_scenes(path)
    assert len(found) == len(expected) == 3
    for scene, features in zip(found, expected, strict=True):
        assert scene.name.encode() == features["name"].bytes_list.value[0]
        assert [light.index for light in scene.lights] == list(features["lights"].int64_list.value)
        assert [40, scene.height, scene.width, 3] == list(features["shape"].int64_list.value)
        pictures = b"".join(scene.picture(light).tobytes() for light in scene.lights)
        assert pictures == features["images"].bytes_list.value[0]
        assert scene.depth().tobytes() == features["depth"].bytes_list.value[0]


def test_no_shards(tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RelightError, match=r"holds no shards.*--layout tfrecord"):
            open_source(config(root), "train")
    with pytest.raises(RelightError, match="data.root is not set"):
        open_source(config(None), "train")


@pytest.mark.parametrize("left", [0, 7, 0.5, -3])
def test_a_shard_that_is_cut_short(copy, left):
    content = copy.read_bytes()
    copy.write_bytes(content[: int(left * len(content)) if isinstance(left, float) else left])
    with pytest.raises(RelightError, match=rf"{copy.name} is cut short"):
        open_source(config(copy.parent.parent), "train")


def test_a_shard_that_is_cut_short_after_it_was_opened(copy):
    source = open_source(config(copy.parent.parent), "train")
    copy.write_bytes(copy.read_bytes()[:100])
    with pytest.raises(RelightError, match=rf"{copy.name} is cut short"):
        source.read(1)
    copy.unlink()
    with pytest.raises(RelightError, match=rf"Cannot read .*{copy.name}: No such file"):
        source.read(1)


WHOLE = {"name": [b"a"], "lights": [0], "shape": [1, 2, 2, 3], "images": [b"p" * 12]}
"""The values of a good record without depth."""


def example(**values: list) -> bytes:
    import tensorflow as tf

    lists = {
        name: {"int64_list" if isinstance(value[0], int) else "bytes_list": {"value": value}}
        for name, value in values.items()
    }
    return tf.train.Example(features={"feature": lists}).SerializeToString()


def write_records(path: Path, *records: bytes) -> None:
    import tensorflow as tf

    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in records:
            writer.write(content)


def foreign_records() -> list[bytes]:
    return [
        b"",
        b"some text that is no message",
        b"\xff" * 50,
        b"\n\x00",
        example(image=[b"\x89PNG"], label=[3]),
        example(**WHOLE | {"lights": [40]}),
        example(**WHOLE | {"lights": [-1]}),
        example(**WHOLE | {"lights": [0, 1]}),
        example(**WHOLE | {"shape": [1, 2, 2]}),
        example(**WHOLE | {"shape": [1, 2, 6, 1]}),
        example(**WHOLE | {"images": [b"p" * 11]}),
        example(**WHOLE | {"images": [b"p" * 6, b"p" * 6]}),
        example(**WHOLE | {"name": [b"\xff"]}),
        example(**WHOLE, depth=[b"1234"]),
    ]


@pytest.mark.parametrize("number", range(14))
def test_foreign_records(tmp_path, number):
    write_records(tmp_path / "train" / "a.tfrecord", foreign_records()[number])
    with pytest.raises(RelightError, match="a.tfrecord holds records that are no scenes"):
        open_source(config(tmp_path), "train")


def test_missing_lights_and_depth(tmp_path):
    lights = ALL_LIGHTS[:2]
    write_shard(tmp_path / "train" / "a.tfrecord", [record("Image000", 2), record("Image001", 2)])
    names = {"input_light": lights[0].name, "target_light": lights[1].name}
    assert len(open_source(config(tmp_path, **names), "train")) == 1
    with pytest.raises(RelightError, match=r"a.tfrecord: Image00\d lacks 2 of 2 lights \(first: N_6500\)"):
        open_source(config(tmp_path), "train")
    with pytest.raises(RelightError, match=r"lacks 38 of 40 lights \(first: N_4500\)"):
        open_source(config(tmp_path, pairing="any_to_any"), "train")
    write_records(tmp_path / "validation" / "a.tfrecord", example(**WHOLE))
    names["target_light"] = names["input_light"]
    sample = open_source(config(tmp_path, **names), "validation").read(0)
    assert sample["image"].tobytes() == b"p" * 12 and "depth" not in sample
    with pytest.raises(RelightError, match=r"a.tfrecord has no depth of a; set data.depth=false"):
        open_source(config(tmp_path, depth=True, **names), "validation")


def test_a_scene_in_two_shards(copy):
    (copy.parent / "again.tfrecord").write_bytes(copy.read_bytes())
    with pytest.raises(RelightError, match=r"Image000 is in .*again.tfrecord and in .*remove one"):
        open_source(config(copy.parent.parent), "train")


def test_unequal_sizes_need_a_size(copy):
    write_shard(copy.parent / "other.tfrecord", [record("Image008")])
    (copy.parent / ".other-abc.tfrecord").write_bytes(b"what a killed run left")
    root = copy.parent.parent
    with pytest.raises(RelightError, match="differ in size .8x8, 16x16.; set data.size"):
        open_source(config(root, seed=seed_that_trains_on(root, "Image008")), "train")
    assert open_source(config(root, size=8), "train").read(0)["image"].shape == (8, 8, 3)


def seed_that_trains_on(root: Path, name: str) -> int:
    for seed in range(20):
        source = open_source(config(root, size=8, seed=seed), "train")
        if name in [source.key(index) for index in range(len(source))]:
            return seed
    raise AssertionError("no seed keeps it for training")
