"""Callers that mean harm, beside a load test: slow ones and decompression bombs."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from export.serving.client import Client, Refused

SLOW_CALLERS = 16
BOMB_SIDE = 30_000
_BEGINNINGS = {
    # The headers never end.
    "headers": b"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    # The body never ends.
    "body": (
        b"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b'Content-Length: 1000000\r\n\r\n{"inputs": "'
    ),
}


def bomb(side: int = BOMB_SIDE) -> bytes:
    """Return a PNG of a few kilobytes whose header claims `side` x `side` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(2_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def slow_call(address: str, model: str, kind: str, seconds: float, pause: float = 1.0) -> str:
    """Send a request byte by byte and return what the server did: "cut", "refused" or "waited".

    Args:
        kind: "headers" or "body", which is the part that never ends.
        seconds: after which the caller gives up.
        pause: between two bytes.
    """
    place = urlsplit(address)
    end = time.monotonic() + seconds
    with contextlib.closing(socket.create_connection((place.hostname, place.port), timeout=10)) as line:
        line.sendall(_BEGINNINGS[kind].replace(b"{model}", model.encode()))
        line.settimeout(pause)
        while time.monotonic() < end:
            try:
                line.sendall(b"x")
                answer = line.recv(4096)
                return "refused" if answer.startswith(b"HTTP/1.1 408") else "cut"
            except TimeoutError:
                continue
            except OSError:
                return "cut"
    return "waited"


class Hostile:
    """Slow callers and bombs in threads until `stop`."""

    def __init__(self, address: str, model: str, light: np.ndarray | None) -> None:
        self._address, self._model, self._light = address, model, light
        self._done = threading.Event()
        self._outcomes: Counter[str] = Counter()
        kinds = list(_BEGINNINGS) * (SLOW_CALLERS // len(_BEGINNINGS))
        self._threads = [threading.Thread(target=self._slow, args=(kind,)) for kind in kinds]
        self._threads.append(threading.Thread(target=self._bombs))

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> dict[str, Any]:
        """End, and return counts of what happened and `problems`, which must be empty."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        good = {"bomb 413", "slow headers cut", "slow body refused"}
        return {
            "outcomes": dict(sorted(self._outcomes.items())),
            "problems": sorted(set(self._outcomes) - good),
        }

    def _slow(self, kind: str) -> None:
        while not self._done.is_set():
            self._outcomes[f"slow {kind} {slow_call(self._address, self._model, kind, 60)}"] += 1

    def _bombs(self) -> None:
        content = bomb()
        with Client(self._address, self._model) as client:
            while not self._done.wait(0.2):
                try:
                    client.relight(content, light=self._light)
                    self._outcomes["bomb accepted"] += 1
                except Refused as error:
                    self._outcomes[f"bomb {error.code or error}"] += 1
