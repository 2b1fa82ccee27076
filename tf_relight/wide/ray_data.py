"""Photos through Ray Data: a pool of workers that names stream into and entries stream out of."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tf_relight.errors import RelightError, shortened
from tf_relight.wide.manifest import Entry
from tf_relight.wide.photo_worker import PhotoWorker, Task


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
    import ray.data as data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = 0
    # More than one so that a worker never waits; few, so that a lost one loses little.
    context.execution_options.preserve_order = False
    resources = ray.cluster_resources()
    most = workers or max(1, int(resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1)))
    batch = max(1, min(batch, -(-len(pairs) // most)))
    tries = ray.remote(_Tries).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
    rows = [{"photo": photo, "file": file} for photo, file in pairs]
    stream = data.from_items(rows, override_num_blocks=max(1, len(rows) // batch)).map_batches(
        _Relighter,
        fn_constructor_kwargs={"task": task, "tries": tries},
        batch_size=batch,
        compute=data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=0 if gpus else 1,
        num_gpus=gpus or None,
    )
    try:
        for columns in stream.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
            yield [
                Entry(str(photo), str(file), str(status), str(reason))  # type: ignore[arg-type]
                for photo, file, status, reason in zip(
                    columns["photo"], columns["file"], columns["status"], columns["reason"], strict=True
                )
            ]
    except ray.exceptions.RayError as error:
        reason = shortened(str(error).strip().splitlines()[-1])
        raise RelightError(
            f"The work on the cluster was broken off ({reason}): run it again to go on."
        ) from error


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


class _Tries:
    """Counts how often each photo was begun."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def next(self, photo: str) -> int:
        """Count one more."""
        self._begun[photo] += 1
        return self._begun[photo]
