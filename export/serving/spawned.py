"""This package's server as a process of its own, for load tests and tests."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tf_relight.errors import RelightError

PACKAGE = __name__.removesuffix(".serving.spawned")
"""`export` in a checkout, `tf_relight.export` where it is installed."""
ABOVE = Path(__file__).resolve().parents[__name__.count(".")]
"""The folder from which `PACKAGE` can be imported."""
_PORTS = re.compile(r"http://(\S+)[\s\S]*?(?:grpc (\S+)[\s\S]*?)?serve: ready")


@dataclass(frozen=True, eq=False)
class Spawned:
    """A server that is ready.

    Attributes:
        http, grpc: addresses for `client.Client`; grpc is empty with `--no-grpc`.
    """

    process: subprocess.Popen[bytes]
    http: str
    grpc: str
    log: IO[bytes]

    def stop(self, timeout: float = 60) -> int:
        """Ask the server to end and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def words(self) -> str:
        """Return what the server has written so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


@contextlib.contextmanager
def spawned(folder: Path | str, *arguments: str, timeout: float = 120) -> Iterator[Spawned]:
    """Yield `python -m export serve` on free ports, and end it behind the block.

    Args:
        arguments: more options of the command.

    Raises:
        RelightError: it ended instead of becoming ready.
    """
    command = [sys.executable, "-m", PACKAGE, "serve", str(Path(folder).resolve())]
    command += ["--http-port", "0", "--grpc-port", "0", *arguments]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ABOVE, stdout=log, stderr=log)
        server = Spawned(process, "", "", log)
        try:
            yield _ready(server, time.monotonic() + timeout)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _ready(server: Spawned, end: float) -> Spawned:
    while time.monotonic() < end and server.process.poll() is None:
        found = _PORTS.search(server.words())
        if found:
            grpc = f"grpc://{found[2]}" if found[2] else ""
            return Spawned(server.process, f"http://{found[1]}", grpc, server.log)
        time.sleep(0.1)
    raise RelightError(f"The server did not become ready: {server.words()[-500:].strip()}")
