"""TF_CONFIG, believed only after a check; workers that are lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tf_relight.errors import RelightError
from tf_relight.training.strategy import Cluster, read_cluster

ROOT = Path(__file__).parents[2]
TWO = ["a:1", "b:1"]


def config(worker=TWO, kind="worker", index=0, **roles):
    return {"cluster": {"worker": worker, **roles}, "task": {"type": kind, "index": index}}


@pytest.mark.parametrize(
    "given,words",
    [
        (config(index=-1), "task.index is wrong"),
        (config(index=2), "not inside the list"),
        (config(index=1.5), "task.index is wrong"),
        (config(index="x"), "task.index is wrong"),
        (config(index=None), "task.index is wrong"),
        (config(index=10**30), "task.index is wrong"),
        (config(worker="a:1"), "cluster.worker is wrong"),
        (config(worker={"a": 1}), "cluster.worker is wrong"),
        (config(worker=[["a:1"]]), "cluster.worker.0 is wrong"),
        (config(worker=[1, 2]), "cluster.worker.0 is wrong"),
        (config(worker=["a"]), "is not host:port"),
        (config(worker=["a:0"]), "is not host:port"),
        (config(worker=["a:70000"]), "is not host:port"),
        (config(worker=["a:x"]), "is not host:port"),
        (config(worker=["a b:1"]), "is not host:port"),
        (config(worker=["http://a:1"]), "is not host:port"),
        (config(worker=["a:1", "a:1"]), "address a:1 to two processes"),
        (config(worker=["a:1", "A:1"]), "address a:1 to two processes"),
        (config(chief=["b:1"]), "address b:1 to two processes"),
        (config(chief=["c:1", "d:1"]), "there is one chief"),
        (config(worker=[]), "not inside the list"),
        (config(kind="chief"), "not inside the list"),
        (config(kind="ps", ps=["c:1"]), "is wrong"),
        (config(kind=["worker"]), "task.type is wrong"),
        ({"cluster": [1], "task": {}}, "is wrong"),
        ({"cluster": None, "task": None}, "is wrong"),
        ({}, "is wrong"),
        ([], "is wrong"),
        (3, "is wrong"),
    ],
)
def test_a_wrong_tf_config_is_one_sentence(monkeypatch, given, words):
    monkeypatch.setenv("TF_CONFIG", json.dumps(given))
    with pytest.raises(RelightError, match="^TF_CONFIG ") as told:
        read_cluster()
    assert words in str(told.value) and "\n" not in str(told.value) and len(str(told.value)) < 500


@pytest.mark.parametrize(
    "given,cluster",
    [
        (config(), Cluster(2, 0, True)),
        (config(index=1), Cluster(2, 1, False)),
        (config(index="1"), Cluster(2, 1, False)),
        (config(chief=["c:1"]), Cluster(3, 1, False)),
        (config(kind="chief", chief=["c:1"]), Cluster(3, 0, True)),
        (config(worker=["[::1]:2222", "host-1.example.org:65535"]), Cluster(2, 0, True)),
        ({**config(), "rpc_layer": "grpc", "environment": "cloud"}, Cluster(2, 0, True)),
    ],
)
def test_a_good_tf_config(monkeypatch, given, cluster):
    monkeypatch.setenv("TF_CONFIG", json.dumps(given))
    assert read_cluster() == cluster


@pytest.mark.slow  # TensorFlow takes a minute to notice
@pytest.mark.timeout(600)
def test_a_lost_worker_names_resume_and_the_run_goes_on(tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    run = tmp_path / "run"
    words = ["-m", "tf_relight", "train", "configs/dmshn_smoke.yaml", "--set", f"output={run}"]
    words += ["--set", "recipe.loss=mse", "--set", "train.checkpoint_every=2", "--set", "train.steps={}"]

    def start(index, steps, *more):
        cluster = config([f"127.0.0.1:{port}" for port in ports], index=index)
        env = {**os.environ, "TF_CONFIG": json.dumps(cluster), "CUDA_VISIBLE_DEVICES": "-1"}
        command = [sys.executable, *(word.format(steps) for word in words), *more]
        return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)

    chief, other = start(0, 100_000), start(1, 100_000)
    end = time.monotonic() + 240
    while not list(run.glob("checkpoints/ckpt-*.index")) and time.monotonic() < end:
        time.sleep(0.5)
    other.send_signal(signal.SIGKILL)
    told = chief.communicate(timeout=240)[1]
    other.communicate()
    assert chief.returncode == 3, told
    assert "Another worker of the run is gone" in told and "--resume" in told and "Traceback" not in told
    steps = max(int(path.stem.rpartition("-")[2]) for path in run.glob("checkpoints/ckpt-*.index")) + 2
    for process in [start(index, steps, "--resume") for index in range(2)]:
        told = process.communicate(timeout=240)[1]
        assert process.returncode == 0, told
