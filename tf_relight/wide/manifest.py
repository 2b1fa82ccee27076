"""What a bulk job has done: a folder of small files beside the results, each written once.

    .relight/job.json         what the job is: input, options, version
    .relight/running.json     who works on it at present
    .relight/done/*.jsonl     photos done, failed and skipped, a file for each batch of a worker
    manifest.jsonl            all of that, written when the job is through

Buckets cannot append to a file, and a job may die at any moment; so only `running.json` is ever changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from tf_relight.errors import RelightError
from tf_relight.guarded.structured import parse_json
from tf_relight.wide.places import Place

FOLDER = ".relight"
JOB, RUNNING, PARTS, WHOLE = (
    f"{FOLDER}/job.json",
    f"{FOLDER}/running.json",
    f"{FOLDER}/done",
    "manifest.jsonl",
)
FORMAT = "tf_relight bulk 1"
BEAT_SECONDS, STALE_SECONDS = 20.0, 90.0
READERS = 16
"""Parts that are read at a time."""
Status = Literal["done", "failed", "skipped"]


@dataclass(frozen=True)
class Entry:
    """What became of one photo.

    Attributes:
        photo, file: names in the input and in the output.
        status: "skipped" is a file that is no photo by its ending.
        reason: why it failed.
        notes: sentences about it.
    """

    photo: str
    file: str
    status: Status
    reason: str = ""
    notes: tuple[str, ...] = ()


class Manifest:
    """The record of one job in its output place."""

    def __init__(self, out: Place) -> None:
        self._out = out

    def begin(self, job: Mapping[str, Any]) -> None:
        """Write down what the job is, or check that it is the one that was begun here.

        Raises:
            RelightError: another job's results lie here, or files of somebody else.
        """
        said = {"format": FORMAT, "version": version("tf-relight"), **job}
        try:
            begun = parse_json(self._out.read(JOB), source=f"{self._out.address}/{JOB}")
        except FileNotFoundError:
            self._out.write(JOB, _json(said))
            return
        begun = begun if isinstance(begun, dict) else {}
        other = sorted(name for name in {*said, *begun} if said.get(name) != begun.get(name))
        if other:
            raise RelightError(
                f"{self._out.address} holds the results of another job (it differs in {', '.join(other)}): "
                "choose another output, or repeat that job as it was."
            )

    def entries(self) -> dict[str, Entry]:
        """Return what is known of each photo, by its name; the last word counts, but done is done.

        Raises:
            RelightError: a part is damaged.
        """
        found: dict[str, Entry] = {}
        names = [f"{PARTS}/{name}" for name in sorted(self._out.names(PARTS))]
        # Of a million photos there are tens of thousands, and a bucket answers in tens of milliseconds.
        with ThreadPoolExecutor(READERS) as pool:
            for name, content in zip(names, pool.map(self._out.read, names), strict=True):
                for line in content.splitlines():
                    entry = _entry(line, f"{self._out.address}/{name}")
                    if entry.photo not in found or found[entry.photo].status != "done":
                        found[entry.photo] = entry
        return found

    def add(self, entries: Sequence[Entry]) -> None:
        """Write what became of some photos, as one new file."""
        if entries:
            # Sorted by time, so that a later word comes later.
            name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.jsonl"
            self._out.write(f"{PARTS}/{name}", b"".join(_line(entry) for entry in entries))

    def finish(self, entries: Sequence[Entry]) -> None:
        """Write the whole manifest."""
        self._out.write(WHOLE, b"".join(_line(entry) for entry in entries))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs away from the output.

        Raises:
            RelightError: another run is at work here.
        """
        me: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid(), "run": uuid.uuid4().hex}
        other = self._running()
        if other is not None and _is_alive(other, me["host"]):
            raise RelightError(
                f"Another run works on {self._out.address} (process {other.get('pid')} on "
                f"{other.get('host')}): wait for it, or choose another output."
            )
        stop = threading.Event()

        def beat() -> None:
            while True:
                self._out.write(RUNNING, _json({**me, "time": time.time()}))
                if stop.wait(BEAT_SECONDS):
                    return

        self._out.write(RUNNING, _json({**me, "time": time.time()}))
        # Two runs that began in the same moment: whose word stands has the place.
        time.sleep(0.2)
        now = self._running() or {}
        if now.get("run") != me["run"]:
            raise RelightError(f"Another run began on {self._out.address} at the same time: let it work.")
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._out.remove(RUNNING)

    def _running(self) -> dict[str, Any] | None:
        try:
            found = parse_json(self._out.read(RUNNING), source=f"{self._out.address}/{RUNNING}")
        except (FileNotFoundError, RelightError):
            return None
        return found if isinstance(found, dict) else None


def fingerprint(values: Any) -> str:
    """Return a short name for anything that JSON and `repr` can tell."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _is_alive(other: Mapping[str, Any], host: str) -> bool:
    age = time.time() - float(other.get("time") or 0)
    if other.get("host") == host and isinstance(other.get("pid"), int):
        try:
            os.kill(other["pid"], 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return other["pid"] != os.getpid() or age < STALE_SECONDS
    return age < STALE_SECONDS


def _entry(line: bytes, source: str) -> Entry:
    values = parse_json(line, source=source)
    try:
        return Entry(**{**values, "notes": tuple(values.get("notes", ()))})
    except (TypeError, AttributeError) as error:
        raise RelightError(f"{source} is damaged: remove it, and its photos are done again.") from error


def _line(entry: Entry) -> bytes:
    return json.dumps(dataclasses.asdict(entry)).encode() + b"\n"


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=1, sort_keys=True, default=repr).encode() + b"\n"
