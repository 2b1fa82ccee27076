"""What a worker of a bulk job does with photos; Ray keeps one in each of its processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tf_relight.errors import RelightError
from tf_relight.wide.manifest import Entry, Manifest
from tf_relight.wide.places import Place

if TYPE_CHECKING:
    from tf_relight.relighting.network import Engine
    from tf_relight.relighting.request import RelightOptions

MOST_TRIES = 3
"""How often a photo may end the process that works on it before it counts as failed."""


@dataclass(frozen=True)
class Task:
    """What is done with every photo; it is sent to the workers.

    Attributes:
        source, out: where photos are read and written.
        method, weights, options, engine: as in `photos.job_for`.
        weights_content: of a weights file, which need not lie on the workers' machines.
        threads: cores of one worker.
    """

    source: Place
    out: Place
    method: str | None
    weights: str | None
    weights_content: bytes | None
    options: RelightOptions
    engine: Engine
    threads: int = 1


class PhotoWorker:
    """Relights photos by name; the network is loaded with the first.

    Args:
        tries: counts how often a photo was begun; None for work in this process.
    """

    def __init__(self, task: Task, tries: Callable[[str], int] | None = None) -> None:
        from tf_relight import litert

        litert.use_cores(task.threads)
        self._task, self._tries = task, tries
        self._job: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="relight-worker-")

    def relight(self, pairs: Sequence[tuple[str, str]]) -> list[Entry]:
        """Relight photos, write them and their entries, and return these.

        Args:
            pairs: name of the photo, name of the result.
        """
        entries = [self._one(photo, file) for photo, file in pairs]
        Manifest(self._task.out).add(entries)
        return entries

    def _one(self, photo: str, file: str) -> Entry:
        if self._task.out.has(file):
            # Under its final name a file is whole: a worker wrote it and died before it could say so.
            return Entry(photo, file, "done")
        if self._tries is not None and self._tries(photo) > MOST_TRIES:
            reason = f"{photo} ended its worker {MOST_TRIES} times: look at it alone."
            return Entry(photo, file, "failed", reason)
        try:
            return Entry(photo, file, "done", notes=self._relight(photo, file))
        except RelightError as error:
            return Entry(photo, file, "failed", str(error))
        except FileNotFoundError:
            return Entry(photo, file, "failed", f"{photo} is no longer there.")

    def _relight(self, photo: str, file: str) -> tuple[str, ...]:
        from tf_relight.photo.strips import SharedRoom
        from tf_relight.relighting.photos import PIXELS_AT_ONCE, relight_file

        job = self._loaded()
        with self._task.source.local_copy(photo) as source:
            try:
                if self._task.out.is_local:
                    return relight_file(source, self._task.out.path(file), job, SharedRoom(PIXELS_AT_ONCE))
                target = Path(self._folder.name) / PurePosixPath(file).name
                notes = relight_file(source, target, job, SharedRoom(PIXELS_AT_ONCE))
                self._task.out.write(file, target.read_bytes())
                target.unlink()
                return notes
            except RelightError as error:
                # Where the copy lay helps nobody.
                raise RelightError(str(error).replace(str(source), photo)) from error

    def _loaded(self) -> Any:
        if self._job is None:
            from tf_relight.relighting.photos import job_for

            task, weights = self._task, self._task.weights
            if task.weights_content is not None and weights is not None:
                copy = Path(self._folder.name) / PurePosixPath(weights).name
                copy.write_bytes(task.weights_content)
                weights = str(copy)
            self._job = job_for(task.method, weights, task.options, engine=task.engine)
        return self._job
