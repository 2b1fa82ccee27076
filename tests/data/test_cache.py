"""The decode-once cache: equal to the source, reused, continued, renewed."""

import json

import numpy as np
import pytest

from tests.data.numbered_samples import Numbers, assert_equal, served
from tf_relight.data import cache, open_source
from tf_relight.data.pipeline import cached, reader_errors
from tf_relight.errors import RelightError


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("pairing", ["one_to_one", "any_to_any"])
def test_cached_equals_the_source(vidit, tmp_path, where, pairing):
    vidit.flat("train", range(3), depth=True)
    source = open_source(vidit.config(pairing=pairing, mirror=True, depth=True), "train")
    kept = cached(source, tmp_path / "cache" if where == "disk" else None, progress=False)
    assert len(kept) == len(source) and kept.fields == source.fields and kept.key(1) == source.key(1)
    for index in {0, 1, len(source) // 2, len(source) - 1}:
        assert_equal([kept.read(index)], [source.read(index)])
    assert_equal(served(kept, 2), served(source, 2))


def test_cached_keeps_shared_pictures_once(vidit, tmp_path):
    vidit.flat("train", range(2))
    cached(open_source(vidit.config(pairing="any_to_any"), "train"), tmp_path, progress=False)
    (path,) = tmp_path.glob("*/picture.npy")
    assert np.load(path, mmap_mode="r").shape == (40, 16, 16, 3)


def test_any_source_can_be_cached_in_memory():
    kept = cached(Numbers(), None, progress=False)
    assert_equal(served(kept, 3), served(Numbers(), 3))
    with pytest.raises(RelightError, match="cannot be cached on disk; set data.cache to null"):
        cached(Numbers(), "somewhere", progress=False)


def count_loads(source, monkeypatch):
    """Count what is decoded."""
    loads, load = [], source.load
    monkeypatch.setattr(source, "load", lambda pool, number: loads.append(number) or load(pool, number))
    return loads


def test_disk_cache_is_used_again_and_renewed_when_a_file_changes(vidit, tmp_path, monkeypatch):
    vidit.pairs("train/input", "train/target", range(4))

    def decoded(**values):
        source = open_source(vidit.config(**values), "train")
        loads = count_loads(source, monkeypatch)
        cached(source, tmp_path / "cache", progress=False)
        return len(loads) - 1  # one look at the first picture for its shape

    assert decoded() == 6
    assert decoded() == 0
    assert decoded(size=8) == 6
    vidit.write("train/input/Image000.png", vidit.picture(99, size=18))
    vidit.write("train/input/Image001.png", vidit.picture(99, size=18))
    assert decoded() == 6
    assert not list((tmp_path / "cache").glob("*/*.part"))


def test_disk_cache_continues_after_a_kill(vidit, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK", 4)
    vidit.pairs("train/input", "train/target", range(6))
    source = open_source(vidit.config(), "train")
    load = source.load

    def dies(pool, number):
        if number == 9:
            raise KeyboardInterrupt
        return load(pool, number)

    monkeypatch.setattr(source, "load", dies)
    with pytest.raises(KeyboardInterrupt):
        cached(source, tmp_path / "cache", progress=False)
    (folder,) = (tmp_path / "cache").iterdir()
    assert json.loads((folder / "progress.json").read_text()) == {"done": 8}
    assert not (folder / "complete.json").exists() and not (folder / "picture.npy").exists()

    source = open_source(vidit.config(), "train")
    loads = count_loads(source, monkeypatch)
    kept = cached(source, tmp_path / "cache", progress=False)
    assert sorted(loads) == [0, 8, 9]
    for index in range(len(source)):
        assert_equal([kept.read(index)], [source.read(index)])


@pytest.mark.parametrize("damage", ["lost", "other size", "no json"])
def test_a_damaged_beginning_is_done_again(vidit, tmp_path, monkeypatch, damage):
    monkeypatch.setattr(cache, "_CHUNK", 4)
    vidit.pairs("train/input", "train/target", range(4))
    source = open_source(vidit.config(), "train")
    kept = cached(source, tmp_path / "cache", progress=False)
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "complete.json").unlink()
    (folder / "picture.npy").rename(folder / "picture.npy.part")
    (folder / "progress.json").write_text("{" if damage == "no json" else '{"done": 4}')
    if damage == "lost":
        (folder / "picture.npy.part").unlink()
    if damage == "other size":
        with (folder / "picture.npy.part").open("wb") as handle:
            np.save(handle, np.zeros((2, 16, 16, 3), np.uint8))
    again = cached(source, tmp_path / "cache", progress=False)
    assert_equal([again.read(i) for i in range(3)], [source.read(i) for i in range(3)])
    assert len(kept) == 3


def test_too_little_room_is_said_before_decoding(vidit, tmp_path, monkeypatch):
    vidit.pairs("train/input", "train/target", range(4))
    source = open_source(vidit.config(), "train")
    monkeypatch.setattr(cache, "_available_memory", lambda: 100)
    with pytest.raises(
        RelightError, match="needs .* GiB and this machine has .*; set data.cache to a folder"
    ):
        cached(source, None, progress=False)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(RelightError, match="The data cache needs .* GiB"):
        cached(source, tmp_path / "cache", progress=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(RelightError, match="Cannot keep the data cache in .*file"):
        cached(source, tmp_path / "file", progress=False)


def test_unequal_pictures_are_named(vidit):
    vidit.pairs("validation/input", "validation/target", range(3))
    source = open_source(vidit.config(size=None), "validation")
    vidit.write("validation/target/Image001.png", vidit.picture(1, size=20))
    with pytest.raises(
        RelightError,
        match="target/Image001.png is uint8 .20, 20, 3., but the first of its kind is uint8 .16, 16, 3.",
    ):
        cached(source, None, progress=False)
    with pytest.raises(RelightError, match="Samples differ in size .16x16, 20x20."), reader_errors():
        served(source, 3, batch_size=3)
