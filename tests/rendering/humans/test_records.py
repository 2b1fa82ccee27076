"""Heads as TFRecord files hold the maps of the .npz files, and train alike."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from tf_relight.config.run import make_data_config
from tf_relight.data import open_source
from tf_relight.errors import RelightError
from tf_relight.rendering.humans.gbuffers import GBuffers
from tf_relight.rendering.humans.records import head_files, load_head, write_record

SIDE = 16


@pytest.fixture
def head() -> GBuffers:
    rng = np.random.default_rng(0)

    def drawn(*last):
        return rng.integers(0, 256, (SIDE, SIDE, *last), np.uint8)

    normal = rng.integers(-127, 128, (SIDE, SIDE, 3)).astype(np.int8)
    lamps = rng.normal(size=(64, 3)).astype(np.float32)
    lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
    kind, depth = drawn() % 9, rng.random((SIDE, SIDE)).astype(np.float16)
    maps = drawn(3), normal, drawn(), drawn(), drawn(), drawn(), kind, depth, drawn(3)
    return GBuffers(*maps, lamps, drawn(8), {"number": 1, "frame": 1.0})


def test_a_record_gives_the_maps_back(head, tmp_path):
    write_record(tmp_path / "00001.tfrecord", head)
    again = load_head(tmp_path / "00001.tfrecord")
    assert again.info == head.info
    for field in fields(GBuffers):
        if field.name != "info":
            found, expected = getattr(again, field.name), getattr(head, field.name)
            assert found.dtype == expected.dtype and np.array_equal(found, expected), field.name


def test_tensorflow_reads_it_by_the_names_in_the_description(head, tmp_path):
    import tensorflow as tf

    write_record(tmp_path / "00001.tfrecord", head)
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "00001.tfrecord")).as_numpy_iterator()
    wanted = {"size": tf.io.FixedLenFeature([], tf.int64), "albedo": tf.io.FixedLenFeature([], tf.string)}
    found = tf.io.parse_single_example(record, wanted)
    albedo = tf.reshape(tf.io.decode_raw(found["albedo"], tf.uint8), (found["size"], found["size"], 3))
    assert np.array_equal(albedo, head.albedo)


def test_samples_are_those_of_the_other_form(head, tmp_path):
    for folder in ("npz", "records"):
        (tmp_path / folder).mkdir()
    head.save(tmp_path / "npz" / "00001.npz")
    write_record(tmp_path / "records" / "00001.tfrecord", head)
    assert [path.name for path in head_files(tmp_path / "records")] == ["00001.tfrecord"]
    first, second = (
        open_source(
            make_data_config({"name": "humans", "root": str(tmp_path / folder), "size": SIDE}), "train"
        ).read(3)
        for folder in ("npz", "records")
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("keep", [0, 7, 40, 1000, -1])
def test_a_file_that_is_cut_short_is_refused(head, tmp_path, keep):
    path = tmp_path / "00001.tfrecord"
    write_record(path, head)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RelightError, match="cut short"):
        load_head(path)


@pytest.mark.parametrize("features", [{}, {"size": [SIDE]}, {"info": b"{}", "size": [2**40]}])
def test_another_record_is_refused(tmp_path, features):
    from tf_relight.rendering.tfrecord import write_examples

    path = tmp_path / "00001.tfrecord"
    write_examples(path, [features])
    with pytest.raises(RelightError, match="render again|is not a rendered head"):
        load_head(path)
