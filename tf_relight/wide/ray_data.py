"""Work through Ray Data: a pool of workers that names of photos, or jobs, stream into and results out of."""

from __future__ import annotations

import contextlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tf_relight.errors import RelightError, shortened
from tf_relight.guarded.structured import parse_json
from tf_relight.wide.manifest import Entry
from tf_relight.wide.photo_worker import MOST_TRIES, PhotoWorker, Task

ROWS_OF_A_BLOCK, BLOCKS_OF_A_WORKER = 256, 16
"""Photos that come back together at most, and how often each worker shall come back at least."""
ROWS_AT_ONCE = 8
"""Jobs that a lost worker may have to begin again."""


def mapped(
    ray: Any,
    task: Task,
    pairs: Sequence[tuple[str, str]],
    *,
    workers: int | None,
    gpus: float,
    batch: int,
) -> Iterator[list[Entry]]:
    """Yield the entries of photos as they are done, in any order.

    A worker that dies is replaced and its photos are begun again; so are those of a node that is lost. A
    photo that ends its worker every time counts as failed.

    Args:
        pairs: name of the photo, name of the result.
        workers: at most; None takes as many as the cluster has cores (GPUs).
        gpus: of each worker.
        batch: photos that a worker takes at a time.

    Raises:
        RelightError: the cluster went away.
    """
    most = workers or _most(ray, gpus)
    batch = max(1, min(batch, -(-len(pairs) // most)))
    rows = [{"photo": photo, "file": file} for photo, file in pairs]
    made = {"task": task, "tries": _counter(ray)}
    # Ray takes milliseconds for each block; of a million photos, one for each batch would take minutes.
    block = max(batch, min(ROWS_OF_A_BLOCK, len(rows) // (BLOCKS_OF_A_WORKER * most)))
    for columns in _streamed(ray, _Relighter, made, rows, most, gpus, batch, block):
        yield [
            Entry(str(photo), str(file), str(status), str(reason))  # type: ignore[arg-type]
            for photo, file, status, reason in zip(
                columns["photo"], columns["file"], columns["status"], columns["reason"], strict=True
            )
        ]


def spread(
    ray: Any, function: Callable[[Any], Any], jobs: Sequence[Any], *, workers: int | None
) -> Iterator[Any]:
    """Yield `function(job)` of every job as it ends, in any order; results are what JSON knows.

    A worker that dies is replaced and its jobs are begun again, as are those of a lost node.

    Args:
        function: stands at the top of a module; its work may be done twice.
        workers: at most; None takes as many as the cluster has cores.

    Raises:
        RelightError: from a job, a job that ends its worker every time, or the cluster went away.
    """
    most = workers or _most(ray, 0)
    rows = [{"number": number} for number in range(len(jobs))]
    made = {"function": function, "jobs": ray.put(list(jobs)), "tries": _counter(ray)}
    at_once = max(1, min(ROWS_AT_ONCE, len(jobs) // (4 * most)))
    for columns in _streamed(ray, _Spreader, made, rows, most, 0, at_once, at_once):
        for outcome in columns["outcome"]:
            found = parse_json(str(outcome), source="a worker's answer", depth=None)
            if "error" in found:
                raise RelightError(found["error"])
            yield found["result"]


def _streamed(
    ray: Any,
    kind: type,
    made: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    most: int,
    gpus: float,
    batch: int,
    block: int,
) -> Iterator[dict[str, Any]]:
    """Yield the columns that come out of a pool of workers of a class, made with `made`."""
    import ray.data as data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = 0
    context.execution_options.preserve_order = False
    stream = data.from_items(list(rows), override_num_blocks=max(1, len(rows) // block)).map_batches(
        kind,
        fn_constructor_kwargs=made,
        batch_size=batch,
        compute=data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=0 if gpus else 1,
        num_gpus=gpus or None,
    )
    with _told(ray):
        yield from stream.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0)


@contextlib.contextmanager
def _told(ray: Any) -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayError as error:
        reason = shortened(str(error).strip().splitlines()[-1])
        raise RelightError(
            f"The work on the cluster was broken off ({reason}): run it again to go on."
        ) from error


def _most(ray: Any, gpus: float) -> int:
    resources = ray.cluster_resources()
    return max(1, int(resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1)))


def _counter(ray: Any) -> Any:
    # It is asked once for each photo; Ray would keep a record of every call.
    kept = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "enable_task_events": False}
    return ray.remote(_Tries).options(**kept).remote()


class _Relighter:
    """A worker, as Ray Data calls it."""

    def __init__(self, task: Task, tries: Any) -> None:
        import ray

        self._worker = PhotoWorker(task, lambda photo: ray.get(tries.next.remote(photo)))

    def __call__(self, columns: dict[str, Any]) -> dict[str, Any]:
        pairs = zip(map(str, columns["photo"]), map(str, columns["file"]), strict=True)
        entries = self._worker.relight(list(pairs))
        return {
            name: [getattr(entry, name) for entry in entries]
            for name in ("photo", "file", "status", "reason")
        }


class _Spreader:
    """A worker for jobs of any kind, as Ray Data calls it."""

    def __init__(self, function: Callable[[Any], Any], jobs: Any, tries: Any) -> None:
        import ray

        self._function, self._jobs, self._tries = function, ray.get(jobs), tries

    def __call__(self, columns: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": [json.dumps(self._one(int(number))) for number in columns["number"]]}

    def _one(self, number: int) -> dict[str, Any]:
        import ray

        if ray.get(self._tries.next.remote(str(number))) > MOST_TRIES:
            return {"error": f"Job {number} ended its worker {MOST_TRIES} times, perhaps for lack of memory."}
        try:
            return {"result": self._function(self._jobs[number])}
        except RelightError as error:
            return {"error": str(error)}


class _Tries:
    """Counts how often each photo or job was begun."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def next(self, name: str) -> int:
        """Count one more."""
        self._begun[name] += 1
        return self._begun[name]
