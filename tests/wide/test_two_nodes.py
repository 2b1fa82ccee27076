"""Bulk work on Ray: on this machine alone, and on two nodes of which one is killed in the middle.

Each node starts a dozen processes, so that these tests take minutes on two cores.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import tf_relight
from tf_relight.photo.reading import read_picture

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(tf_relight.__file__).parent.parent
FACE = data.astronaut()[20:220, 120:320]
ENVIRONMENT = {
    **os.environ,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_agent_register_timeout_ms": "240000",
    "RAY_worker_register_timeout_seconds": "240",
    "RAY_raylet_start_wait_time_s": "240",
}


def photos(folder, count):
    folder.mkdir()
    for index in range(count):
        Image.fromarray(np.roll(FACE, index, axis=1)).save(folder / f"{index:03d}.png")
    (folder / "broken.png").write_bytes(b"no photo")
    return folder


def bulk(source, out, *words):
    call = [sys.executable, "-m", "tf_relight", "bulk", str(source), str(out), "--from", "left", *words]
    return subprocess.Popen(
        call, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def check(out, count, process):
    said, complained = process.communicate(timeout=1500)
    assert process.returncode == 2, complained  # one photo is broken
    assert f"{count} of {count + 1} photos done" in said and "1 failed" in said, said
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == count + 1 == len({line["photo"] for line in lines})
    assert sum(line["status"] == "done" for line in lines) == count
    written = sorted(out.glob("*.png"))
    assert len(written) == count
    for path in written:
        read_picture(path)


def test_on_this_machine_alone(tmp_path):
    photos(tmp_path / "in", 40)
    check(tmp_path / "out", 40, bulk(tmp_path / "in", tmp_path / "out", "--workers", "2"))


class Node:
    """One `ray start`, with all its processes in a group of their own."""

    def __init__(self, *words):
        call = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1", *words]
        self.process = subprocess.Popen(
            [*call, "--disable-usage-stats", "--object-store-memory=100000000"],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_nodes_of_which_one_is_killed_in_the_middle(tmp_path):
    photos(tmp_path / "in", 120)
    port, temporary = free_port(), Path("/tmp") / f"ray-test-{os.getpid()}"
    head = Node("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={temporary}")
    other = None
    try:
        address = f"127.0.0.1:{port}"
        deadline = time.monotonic() + 400
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(1)
        other = Node(f"--address={address}")
        time.sleep(20)
        process = bulk(tmp_path / "in", tmp_path / "out", "--ray", address)
        while len(list((tmp_path / "out").glob("*.png"))) < 20 and process.poll() is None:
            time.sleep(0.2)
        assert process.poll() is None, process.communicate()
        other.kill()
        check(tmp_path / "out", 120, process)
    finally:
        for node in (other, head):
            if node is not None:
                node.kill()
        shutil.rmtree(temporary, ignore_errors=True)
