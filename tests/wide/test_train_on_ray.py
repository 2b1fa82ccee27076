"""Training on a Ray cluster: refusals, and a run of two workers of which one is killed."""

from __future__ import annotations

import csv
import os
import signal
import time

import numpy as np
import pytest

from tests.wide.ray_nodes import marked, relight
from tf_relight.cli.main import main
from tf_relight.weights.file import read_weights
from tf_relight.wide.train import TRIES_WITHOUT_PROGRESS, _newest, _Told

pytest.importorskip("ray")
CONFIG = "configs/dmshn_smoke.yaml"


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--ray", "127.0.0.1:1", "--workers", "2"], "No Ray cluster answers at 127.0.0.1:1"),
        (["--ray", "127.0.0.1:1"], "needs --workers N"),
        (["--workers", "0"], "0 workers cannot be"),
        (["--gpus", "1"], "--gpus is for the workers of a cluster"),
        (["--workers", "3"], "train.batch_size 4 must be a multiple of 3 workers"),
        (["--workers", "2", "--set", "train.strategy=default"], "would train a network of its own"),
    ],
)
def test_refusals_are_one_sentence(tmp_path, capsys, words, sentence):
    assert main(["train", CONFIG, "--set", f"output={tmp_path / 'run'}", *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_workers_that_die_without_a_checkpoint_end_the_run_and_others_do_not():
    told = _Told()
    for newest in (0, 0, 20, 20, 40):
        assert told.begin(0, newest) and told.begin(1, newest)
    for _ in range(TRIES_WITHOUT_PROGRESS - 1):
        assert told.begin(0, 40)
    assert not told.begin(0, 40) and "died 3 times in a row" in told.error()


def test_the_first_word_ends_the_run():
    told = _Told()
    assert told.begin(0, 0)
    told.say("The disk is full.")
    told.say("Another worker is gone.")
    assert told.error() == "The disk is full." and not told.begin(0, 20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_goes_on_when_a_worker_is_killed(tmp_path):
    sets = [f"output={tmp_path / 'run'}", "train.steps=160", "train.checkpoint_every=20", "train.ema=0.9"]
    words = [word for each in sets for word in ("--set", each)]
    process = relight("train", CONFIG, "--workers", "2", *words, mark=tmp_path.name)
    while _newest(tmp_path / "run") < 40 and process.poll() is None:
        time.sleep(0.2)
    assert process.poll() is None, process.communicate()
    workers = marked(tmp_path.name, "ray::RayTrainWorker")
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    said, complained = process.communicate(timeout=1500)
    assert process.returncode == 0, complained
    assert "weights.safetensors" in said
    with (tmp_path / "run" / "curve.csv").open(newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == list(range(4, 164, 4))
    tensors = read_weights(tmp_path / "run" / "weights.safetensors").tensors
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert not (tmp_path / "run" / ".ray").exists() and not list((tmp_path / "run").glob(".relight-probe*"))
