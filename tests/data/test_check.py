"""`relight data check`: the report, its exit code, and that it needs no TensorFlow."""

import subprocess
import sys

import pytest

from tests.data.portraits.test_dataset import Folder
from tests.rendering.test_tfrecord import record
from tf_relight.data.check import check
from tf_relight.errors import RelightError
from tf_relight.rendering.tfrecord import write_shard


def test_a_whole_folder(vidit):
    vidit.flat("train", range(2), depth=True, rgba=True)
    vidit.pairs("validation/input", "validation/gt", range(300, 303))
    report = check(vidit.root)
    assert report.exit_code == 0 and report.problems == [] and report.dataset == "vidit"
    assert report.text().splitlines() == [
        f"{vidit.root}: data.name=vidit",
        "  train       2 scenes, 40 named lights, 80 pictures, 2 depth files, 16x16 RGBA 8 bit",
        "  validation  3 scenes, input and target, 6 pictures, 16x16 RGB 8 bit",
        "Usable for: one_to_one, any_to_one, any_to_any, mirror, depth",
        "No problems found.",
    ]


def test_what_is_missing_and_broken_is_counted(vidit, truncate):
    vidit.flat("track3_train", range(4), depth=True)
    folder = vidit.root / "track3_train"
    for name in ("Image002_2500_N", "Image002_2500_E", "Image002_6500_W"):
        (folder / f"{name}.png").unlink()
    truncate(folder / "Image003_2500_N.png")
    (folder / "Image000_2500_N.png").write_bytes(b"")
    truncate(folder / "Image003.npy")
    (folder / "Image001.npy").unlink()
    report = check(vidit.root)
    assert report.exit_code == 2
    text = report.text()
    assert "track 3 train: Image002 lacks 3 of 40 lights, 3 scenes incomplete of 4" in text
    assert "track 3 train: 1 scene without depth (first: Image001)" in text
    assert "track 3 train: 3 files empty, truncated or unreadable" in text
    assert "Image003_2500_N.png is cut short" in text and "Image000_2500_N.png is empty" in text


def test_a_validation_picture_without_target(vidit):
    vidit.pairs("validation/input", "validation/target", range(300, 303))
    (vidit.root / "validation/target/Image301.png").unlink()
    assert check(vidit.root).problems == [
        "validation: Image301 lacks 1 of 2 pictures, 1 scene incomplete of 3"
    ]


def test_a_test_set_needs_no_targets(vidit):
    vidit.pairs("test/input", "test/guide", range(3), prefix="Pair")
    report = check(vidit.root)
    assert report.exit_code == 0 and "3 scenes, input and guide, 6 pictures" in report.text()
    assert "Usable for: nothing yet" in report.text()


def test_a_folder_with_two_lights_only_is_not_called_incomplete(vidit):
    vidit.flat("train", range(3))
    for path in (vidit.root / "train").iterdir():
        if not path.stem.endswith(("_6500_N", "_4500_E")):
            path.unlink()
    report = check(vidit.root)
    assert report.exit_code == 0
    assert "3 scenes, 2 named lights" in report.text()
    assert "Usable for: one_to_one between N_6500, E_4500" in report.text()


def test_decoding_finds_what_a_glance_does_not(vidit):
    vidit.pairs("train/input", "train/target", range(3))
    path = vidit.root / "train/input/Image001.png"
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 12] ^= 255
    path.write_bytes(data)
    assert check(vidit.root).exit_code == 0
    assert "Image001.png is damaged" in check(vidit.root, decode=True).text()


def test_nothing_recognised(vidit):
    empty = vidit.root / "empty"
    empty.mkdir(parents=True)
    report = check(empty)
    assert report.exit_code == 2 and "holds no pictures that are recognised" in report.text()
    with pytest.raises(RelightError, match="is no folder"):
        check(vidit.root / "nowhere")


def test_plain_folders_are_named(vidit):
    vidit.pairs("input", "target", range(2), prefix="beach at noon ")
    report = check(vidit.root)
    assert report.dataset == "folder" and report.exit_code == 0
    assert "data.name=folder" in report.text() and "2 scenes, input and target, 4 pictures" in report.text()


def portraits(root):
    for name in ("imgHQ00000", "imgHQ00001", "imgHQ00002"):
        Folder(root).subject(name)
    return root


def test_portraits_are_recognised(tmp_path):
    report = check(portraits(tmp_path))
    assert report.exit_code == 0
    assert report.text().splitlines() == [
        f"{tmp_path}: data.name=portraits",
        "  pictures  3 subjects, 3 relit and the original, 12 pictures, 10x12 RGB 8 bit",
        "Usable for: portraits under any light, mirror",
        "No problems found.",
    ]


def test_what_is_wrong_with_portraits_is_named(tmp_path, truncate):
    root = portraits(tmp_path)
    first, second = root / "imgHQ00000", root / "imgHQ00001"
    (first / "imgHQ00000_light_01.txt").unlink()
    (second / "imgHQ00001_light_02.txt").write_text("1 2 3 4 5 6 7 8")
    (second / "imgHQ00001.png").unlink()
    truncate(second / "imgHQ00001_00.png")
    (tmp_path / "train.lst").write_text("imgHQ00002 imgHQ00002_00.png imgHQ00002_09.png")
    report = check(tmp_path)
    assert report.exit_code == 2
    problems = "\n".join(report.problems)
    assert "pictures: imgHQ00001 lacks 2 of 4 pictures, 1 subject incomplete of 3" in problems
    assert "pictures: 1 file empty, truncated or unreadable" in problems
    assert "pictures: 4 mistakes" in problems
    for sentence in (
        "light_01.txt is missing",
        "holds 8 numbers",
        "photo of imgHQ00001",
        "imgHQ00002_09.png",
    ):
        assert sentence in problems
    assert "Usable for: nothing yet" in report.text()


def test_a_subject_with_fewer_relit_pictures_is_incomplete(tmp_path):
    (portraits(tmp_path) / "imgHQ00002" / "imgHQ00002_02.png").unlink()
    assert check(tmp_path).problems == [
        "pictures: imgHQ00002 lacks 1 of 4 pictures, 1 subject incomplete of 3"
    ]


def shard(path, *names, lights=40):
    path.parent.mkdir(exist_ok=True)
    write_shard(path, [record(name, lights) for name in names])


def test_shards_are_recognised(tmp_path):
    shard(tmp_path / "train" / "a.tfrecord", "Image000", "Image001")
    shard(tmp_path / "train" / "b.tfrecord", "Image002")
    shard(tmp_path / "validation" / "a.tfrecord", "Image003")
    report = check(tmp_path)
    assert report.exit_code == 0
    assert report.text().splitlines() == [
        f"{tmp_path}: data.name=shards",
        "  train       3 scenes, 40 named lights in shards, 120 pictures, 3 depth files, 8x8 RGB 8 bit",
        "  validation  1 scene, 40 named lights in shards, 40 pictures, 1 depth file, 8x8 RGB 8 bit",
        "Usable for: one_to_one, any_to_one, any_to_any, mirror, depth",
        "No problems found.",
    ]


def test_what_is_wrong_with_shards_is_named(tmp_path, truncate):
    shard(tmp_path / "train" / "a.tfrecord", "Image000", "Image001")
    shard(tmp_path / "train" / "b.tfrecord", "Image000")
    shard(tmp_path / "train" / "c.tfrecord", "Image002", lights=39)
    shard(tmp_path / "train" / "d.tfrecord", "Image003")
    truncate(tmp_path / "train" / "d.tfrecord")
    problems = "\n".join(check(tmp_path).problems)
    assert "train: Image002 lacks 1 of 40 lights, 1 scene incomplete of 4" in problems
    assert "Image000 is stored 2 times" in problems
    assert "train: 1 file empty, truncated or unreadable" in problems and "d.tfrecord" in problems


def test_needs_no_tensorflow(vidit):
    vidit.flat("train", range(1), depth=True)
    code = (
        "import sys, pathlib\n"
        "from tf_relight.data.check import check\n"
        f"report = check(pathlib.Path({str(vidit.root)!r}))\n"
        "print(report.text())\n"
        "heavy = sorted({'tensorflow', 'keras'} & set(sys.modules))\n"
        "print('heavy:', heavy)\n"
        "sys.exit(report.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 scene, 40 named lights" in done.stdout and "heavy: []" in done.stdout
