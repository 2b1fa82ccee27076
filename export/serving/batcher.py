"""Micro-batching: requests that come close together run as one batch; a bounded queue in front of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from export.serving.refusals import Reason, Refusal

Run = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""(key, payloads of a batch) -> for each payload its result, or the exception for its caller."""


@dataclass(eq=False)
class _Job:
    """One request in the queue."""

    key: Hashable
    payload: Any
    rows: int
    weight: int
    arrived: float
    future: asyncio.Future[Any]


class Batcher:
    """Collects jobs of the same key into batches and runs them in threads.

    A batch is run as soon as it is full, or `max_wait` seconds after its first job came. While every thread
    is busy, jobs wait in the queue, so batches grow by themselves under load.

    Args:
        run: called in a thread; see `Run`.
        max_batch: rows of a batch.
        max_weight: sum of the weights of a batch; one job alone may weigh more.
        max_wait: seconds.
        max_queue: jobs that wait.
        workers: batches that run at the same time.
    """

    def __init__(
        self, run: Run, *, max_batch: int, max_weight: int, max_wait: float, max_queue: int, workers: int = 1
    ) -> None:
        self._run = run
        self._max_batch, self._max_weight = max_batch, max_weight
        self._max_wait, self._max_queue = max_wait, max_queue
        self._jobs: deque[_Job] = deque()
        self._changed = asyncio.Condition()
        self._closing = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="batch")
        self._workers = [asyncio.create_task(self._work()) for _ in range(workers)]

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._jobs)

    async def submit(self, key: Hashable, payload: Any, rows: int = 1, weight: int = 0) -> Any:
        """Return the result for a payload.

        Args:
            key: only jobs of equal keys share a batch.
            rows: how much of `max_batch` it takes. weight: how much of `max_weight`.

        Raises:
            Refusal: the queue is full, or the server ends. Whatever `run` gave for this payload.
        """
        if self._closing:
            raise Refusal(Reason.NOT_READY, "The server is shutting down. Send the request to another one.")
        if len(self._jobs) >= self._max_queue:
            raise Refusal(
                Reason.OVERLOADED, f"The queue of {self._max_queue} requests is full. Try again later."
            )
        loop = asyncio.get_running_loop()
        job = _Job(key, payload, rows, weight, loop.time(), loop.create_future())
        self._jobs.append(job)
        try:
            async with self._changed:
                self._changed.notify_all()
            return await job.future
        finally:
            # A caller that went away frees its place.
            if job in self._jobs:
                self._jobs.remove(job)

    async def close(self) -> None:
        """Take no more jobs, finish those that wait and end the threads; safe to call twice."""
        async with self._changed:
            self._closing = True
            self._changed.notify_all()
        await asyncio.gather(*self._workers)
        self._pool.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := await self._next_batch():
            jobs = [job for job in batch if not job.future.done()]
            if not jobs:
                continue
            payloads = [job.payload for job in jobs]
            results: Sequence[Any]
            try:
                results = await loop.run_in_executor(self._pool, self._run, jobs[0].key, payloads)
            except Exception as error:
                results = [error] * len(jobs)
            for job, result in zip(jobs, results, strict=True):
                if job.future.done():
                    continue
                if isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)
            # Pictures must not live on until the next batch comes.
            del batch, jobs, payloads, results

    async def _next_batch(self) -> list[_Job]:
        """Return the next jobs to run together; none once the batcher is closed and empty."""
        loop = asyncio.get_running_loop()
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._jobs) or self._closing)
            if not self._jobs:
                return []
            batch = [self._jobs.popleft()]
            end = batch[0].arrived + self._max_wait
            while not self._take_more(batch) and not self._closing and loop.time() < end:
                try:
                    async with asyncio.timeout_at(end):
                        await self._changed.wait()
                except TimeoutError:
                    break
            self._take_more(batch)
            return batch

    def _take_more(self, batch: list[_Job]) -> bool:
        """Move jobs that fit from the queue into the batch and return whether it is full."""
        rows, weight = sum(job.rows for job in batch), sum(job.weight for job in batch)
        for job in [job for job in self._jobs if job.key == batch[0].key]:
            if rows + job.rows <= self._max_batch and weight + job.weight <= self._max_weight:
                self._jobs.remove(job)
                batch.append(job)
                rows, weight = rows + job.rows, weight + job.weight
        return rows >= self._max_batch or weight >= self._max_weight
