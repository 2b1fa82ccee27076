"""Running jobs in several processes, with the matrix library in each kept to one thread.

What renders takes a `Runner`: `run` below, or one that knows other machines, such as `wide.rendering`'s.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from tf_relight.errors import RelightError
from tf_relight.quiet import quiet_tensorflow

Job = TypeVar("Job")
Result = TypeVar("Result")
Runner = Callable[[Callable[[Any], Any], Sequence[Any], int], Iterator[Any]]
"""Takes a function at the top of a module, jobs and a number of processes; yields results as jobs end."""

_THREAD_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yield `function(job)` of every job as it ends, in any order.

    With one worker everything happens in this process. Otherwise processes are started afresh ("spawn"), so
    `function` must stand at the top of a module, and a script that calls this needs the usual
    `if __name__ == "__main__":`.

    Raises:
        RelightError: from a job, or because a process was killed.
    """
    if workers == 1 or len(jobs) <= 1:
        yield from map(function, jobs)
        return
    with (
        _one_thread_each(),
        ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), initializer=_begin_worker) as pool,
    ):
        try:
            for done in as_completed([pool.submit(function, job) for job in jobs]):
                yield done.result()
        except BrokenProcessPool as error:
            raise RelightError(
                "A rendering process was killed, perhaps for lack of memory; run it again with fewer workers."
            ) from error
        finally:  # after an error or Ctrl-C: end what runs, start nothing more
            pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and keep TensorFlow's start-up notes off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet_tensorflow()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Child processes share the cores already, and read these variables when they start."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
