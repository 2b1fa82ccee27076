"""Ray clusters for tests: nodes on this machine that can be killed, and their workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import tf_relight

ROOT = Path(tf_relight.__file__).parent.parent
TOKEN = uuid.uuid4().hex
MARK = "RELIGHT_TEST_MARK"
"""A variable that tells the processes of one test from all others."""


def environment(mark: str = "") -> dict[str, str]:
    return {
        **os.environ,
        MARK: mark,
        # Workers of a node import the package of this checkout, wherever the test was started.
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        # So that other clusters of this machine are not joined, nor a token of theirs is taken.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_agent_register_timeout_ms": "240000",
        "RAY_worker_register_timeout_seconds": "240",
        "RAY_raylet_start_wait_time_s": "240",
        # A busy machine is no dead one.
        "RAY_health_check_failure_threshold": "20",
        "RAY_health_check_timeout_ms": "60000",
    }


def relight(*words: object, mark: str = "") -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "tf_relight", *map(str, words)],
        cwd=ROOT,
        env=environment(mark),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Node:
    """One `ray start`, with all its processes in a group of their own, which hold its `mark`."""

    def __init__(self, *words: str) -> None:
        self.mark = uuid.uuid4().hex
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        call = [str(Path(sys.executable).parent / "ray"), "start", "--block", *words]
        self.process = subprocess.Popen(
            [*call, "--disable-usage-stats", "--object-store-memory=100000000"],
            env=environment(self.mark),
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def said(self) -> str:
        """What the node told last."""
        self.log.seek(0)
        return self.log.read()[-2000:]

    def kill(self) -> None:
        """Kill the node as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pid in marked(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def cluster(*cores: int) -> Iterator[tuple[str, list[Node]]]:
    """Yield the address of a cluster of nodes with so many cores each, and the nodes, its head first."""
    port, temporary = _free_port(), Path("/tmp") / f"ray-test-{os.getpid()}"
    head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={temporary}"]
    nodes = [Node(*head, f"--num-cpus={cores[0]}")]
    try:
        address = f"127.0.0.1:{port}"
        _wait(lambda: _answers(port), nodes)
        for count in cores[1:]:
            nodes.append(Node(f"--address={address}", f"--num-cpus={count}"))
            # One after the other: they share the machine.
            _wait(lambda: _count(address) == len(nodes), nodes)
        yield address, nodes
    finally:
        for node in reversed(nodes):
            node.kill()
        shutil.rmtree(temporary, ignore_errors=True)


def marked(mark: str, words: str = "") -> list[int]:
    """Return the processes whose environment holds a mark and whose command holds some words."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0") and (
                words.encode() in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
    return found


def _count(address: str) -> int:
    """How many nodes are alive, asked in a process of its own."""
    call = (
        "import ray, sys; ray.init(sys.argv[1], logging_level=50, log_to_driver=False)\n"
        "print(sum(node['Alive'] for node in ray.nodes()))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", call, address], env=environment(), capture_output=True, text=True, timeout=400
    )
    return int(asked.stdout.split()[-1]) if asked.returncode == 0 else 0


def _wait(done, nodes: list[Node], seconds: float = 500) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        ended = any(node.process.poll() is not None for node in nodes)
        assert time.monotonic() < deadline and not ended, "\n\n".join(node.said() for node in nodes)
        time.sleep(1)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
