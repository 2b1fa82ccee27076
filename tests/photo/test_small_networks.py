"""The shipped networks of others: whole, recorded, and run without TensorFlow."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np
import pytest

from tf_relight.errors import RelightError
from tf_relight.litert import Session
from tf_relight.photo import small_networks
from tf_relight.photo.small_networks import FOLDER, NETWORKS, content_of, session

RNG = np.random.default_rng(0)


def test_every_file_is_recorded_and_every_record_has_its_file():
    assert {each.file for each in NETWORKS.values()} == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_runs_at_its_recorded_side_with_finite_results(name):
    side = NETWORKS[name].side
    picture = RNG.random((1, side, side, 3), dtype=np.float32)
    outputs = session(name).run(picture)
    assert outputs and all(np.isfinite(each).all() for each in outputs)


def test_calls_from_several_threads_give_what_one_gives():
    network = session("people")
    pictures = RNG.random((6, 1, 256, 256, 3), dtype=np.float32)
    alone = [network.run(each)[0] for each in pictures]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda each: network.run(each)[0], pictures))
    np.testing.assert_array_equal(alone, together)


def test_a_damaged_file_is_refused_with_one_sentence(tmp_path, monkeypatch):
    name = "people"
    content = bytearray(content_of(name))
    content[5000] ^= 1
    (tmp_path / NETWORKS[name].file).write_bytes(content)
    monkeypatch.setattr(small_networks, "FOLDER", tmp_path)
    with pytest.raises(RelightError, match=r"is damaged or another file: install tf_relight again\.$"):
        content_of(name)
    monkeypatch.setitem(NETWORKS, name, dataclasses.replace(NETWORKS[name], file="absent.tflite"))
    with pytest.raises(RelightError, match="Cannot read"):
        content_of(name)


def test_what_is_no_tflite_file_is_refused():
    with pytest.raises(RelightError, match=r"The file x cannot be run by LiteRT"):
        Session(b"nonsense" * 100, "The file x")
