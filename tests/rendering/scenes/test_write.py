"""Rendered folders: names, the same bytes from any number of workers, resuming, full disks."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_relight.data import open_source
from tf_relight.data.options import DataConfig
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS
from tf_relight.rendering.scenes import write
from tf_relight.rendering.scenes.scene import Scene
from tf_relight.rendering.scenes.write import render_scenes, scene_seed
from tf_relight.rendering.tfrecord import stored_scenes

SIZE = 16


def render(out: Path, **changes) -> int:
    settings = {"scenes": 2, "size": SIZE, "layout": "one2one", "progress": False}
    return render_scenes(out, **(settings | changes))


def files(out: Path) -> dict[str, str]:
    """Relative name to hash, of everything under a folder."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_vidit_layout(tmp_path):
    assert render(tmp_path, layout="vidit", scenes=1, validation_scenes=1, seed=4) == 2
    pictures = {f"Image000_{light.temperature}_{light.direction}.png" for light in ALL_LIGHTS}
    assert {path.name for path in (tmp_path / "train").iterdir()} == pictures | {"Image000.npy"}
    assert len(list((tmp_path / "validation").glob("Image001_*.png"))) == 40

    scene = Scene(scene_seed(4, 0), SIZE)
    for light in ALL_LIGHTS:
        with Image.open(
            tmp_path / "train" / f"Image000_{light.temperature}_{light.direction}.png"
        ) as picture:
            assert picture.mode == "RGB"
            assert np.array_equal(np.asarray(picture), scene.image(light.direction, light.temperature))
    depth = np.load(tmp_path / "train" / "Image000.npy", allow_pickle=False)
    assert depth.dtype == np.float32 and depth.shape == (SIZE, SIZE)
    assert depth.min() == 0 and depth.max() == 1


@pytest.mark.parametrize(("layout", "pairing"), [("vidit", "any_to_any"), ("one2one", "one_to_one")])
def test_the_vidit_reader_reads_it(tmp_path, layout, pairing):
    render(tmp_path, layout=layout, validation_scenes=1)
    depth = layout == "vidit"
    config = DataConfig(root=tmp_path, pairing=pairing, size=SIZE, depth=depth)
    train, validation = open_source(config, "train"), open_source(config, "validation")
    assert len(train) == 2 * len(validation)
    sample = validation.read(0)
    assert sample["image"].shape == (SIZE, SIZE, 3)
    assert ("depth" in sample) == depth


def test_one_to_one_layout(tmp_path):
    render(tmp_path, validation_scenes=1, input_light="W_2500", target_light="SE_5500")
    names = {"train": ["Image000.png", "Image001.png"], "validation": ["Image002.png"]}
    for split, expected in names.items():
        for part in ("input", "target"):
            assert sorted(path.name for path in (tmp_path / split / part).iterdir()) == expected
    with Image.open(tmp_path / "train" / "target" / "Image001.png") as picture:
        assert np.array_equal(np.asarray(picture), Scene(scene_seed(0, 1), SIZE).image("SE", 5500))


def test_tfrecord_layout(tmp_path):
    render(tmp_path, layout="tfrecord", scenes=10)
    shards = sorted((tmp_path / "train").iterdir())
    assert [path.name for path in shards] == ["scenes-000000.tfrecord", "scenes-000008.tfrecord"]
    stored = [scene for path in shards for scene in stored_scenes(path)]
    assert [scene.name for scene in stored] == [f"Image{number:03d}" for number in range(10)]
    scene, last = Scene(scene_seed(0, 9), SIZE), stored[9]
    assert last.lights == ALL_LIGHTS
    for light in ALL_LIGHTS:
        assert np.array_equal(last.picture(light), scene.image(light.direction, light.temperature))
    assert np.array_equal(last.depth()[..., 0], scene.layers.depth)


def test_ground_truth_files(tmp_path):
    render(tmp_path, scenes=1, ground_truth=True)
    with np.load(tmp_path / "ground_truth" / "train" / "Image000.npz", allow_pickle=False) as stored:
        truth = dict(stored)
    expected = Scene(scene_seed(0, 0), SIZE).ground_truth()
    assert truth.keys() == expected.keys() and "shadow_free" in truth
    for name, array in expected.items():
        assert np.array_equal(truth[name], array)


def test_workers_write_the_same_bytes(tmp_path):
    render(tmp_path / "one", scenes=5, validation_scenes=1, workers=1)
    render(tmp_path / "two", scenes=5, validation_scenes=1, workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_set_can_be_rendered_in_parts(tmp_path):
    render(tmp_path / "whole", scenes=3)
    render(tmp_path / "part", scenes=1, first=2)
    name = "train/input/Image002.png"
    assert files(tmp_path / "whole")[name] == files(tmp_path / "part")[name]


def test_only_missing_scenes_are_rendered(tmp_path, leave_half):
    render(tmp_path, scenes=3)
    before = files(tmp_path)
    assert render(tmp_path, scenes=3) == 0
    (tmp_path / "train" / "target" / "Image001.png").unlink()
    leave_half(tmp_path / "train" / "input" / "Image002.png")
    kept = (tmp_path / "train" / "input" / "Image002.png").stat().st_mtime_ns
    assert render(tmp_path, scenes=3) == 1
    assert files(tmp_path) == before
    assert (tmp_path / "train" / "input" / "Image002.png").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    "change", [{"size": 24}, {"seed": 1}, {"scenes": 3}, {"layout": "vidit"}, {"target_light": "S_4500"}]
)
def test_other_settings_in_the_same_folder_are_refused(tmp_path, change):
    (tmp_path / write.SETTINGS_FILE).write_text(json.dumps(_settings_of_a_run(tmp_path)))
    name, value = next(iter(change.items()))
    with pytest.raises(RelightError, match=f"other settings .*{name} was .*now {value!r}"):
        render(tmp_path, **change)


def _settings_of_a_run(folder: Path) -> dict:
    render(folder / "run", scenes=2)
    return json.loads((folder / "run" / write.SETTINGS_FILE).read_text())


def test_a_foreign_settings_file_is_refused(tmp_path):
    (tmp_path / write.SETTINGS_FILE).write_text("[1, 2")
    with pytest.raises(RelightError, match="cannot be read|is not JSON|no settings"):
        render(tmp_path)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    """The third picture fails half-way; the two before it stay, and a later call finishes the set."""
    save, saved = Image.Image.save, []

    def failing(self, path, **options):
        if len(saved) == 2:
            Path(path).write_bytes(b"half a picture")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        save(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", failing)
        with pytest.raises(RelightError, match="No space left on device"):
            render(tmp_path)
    names = set(files(tmp_path))
    assert names == {"scenes.json", "train/input/Image000.png", "train/target/Image000.png"}
    assert render(tmp_path) == 1
    render(tmp_path / "again")
    assert files(tmp_path / "again") == {
        name: digest for name, digest in files(tmp_path).items() if not name.startswith("again/")
    }


def test_a_full_disk_in_a_shard(tmp_path, monkeypatch):
    import tensorflow as tf

    class Full(tf.io.TFRecordWriter):
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    with pytest.raises(RelightError, match="No space left on device"):
        render(tmp_path, layout="tfrecord")
    assert set(files(tmp_path)) == {"scenes.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenes": 0}, "scenes must be"),
        ({"size": 0}, "size must be"),
        ({"size": "256"}, "size must be"),
        ({"workers": 0}, "workers must be"),
        ({"antialias": 0}, "antialias must be"),
        ({"seed": -1}, "seed must be"),
        ({"first": -2}, "first must be"),
        ({"validation_scenes": -1}, "validation_scenes must be"),
        ({"scenes": 10**6 + 1}, "another seed"),
        ({"layout": "vidid"}, "Did you mean 'vidit'"),
        ({"input_light": "N_9000"}, "no VIDIT light"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(RelightError, match=message):
        render(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(RelightError, match="out"):
        render(tmp_path / "out")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train").write_text("in the way")
    with pytest.raises(RelightError, match="train"):
        render(tmp_path / "folder")
