"""The queue: batches, limits, cancelling, the end. Without a model."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from export.serving.batcher import Batcher
from export.serving.refusals import Reason, Refusal


class Runs:
    """Notes the batches, and answers each payload with its double."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.seconds = seconds
        self.gate: threading.Event | None = None

    def __call__(self, key, payloads):
        self.batches.append((key, list(payloads)))
        if self.gate:
            self.gate.wait(10)
        time.sleep(self.seconds)
        return [ValueError(f"{each} is bad") if each < 0 else 2 * each for each in payloads]


def with_batcher(story, runs, **limits):
    """Run `story(batcher)` in an event loop and return what it returned."""
    settings = {"max_batch": 4, "max_weight": 1000, "max_wait": 0.05, "max_queue": 100, **limits}

    async def main():
        batcher = Batcher(runs, **settings)
        try:
            return await asyncio.wait_for(story(batcher), 20)
        finally:
            if runs.gate:
                runs.gate.set()
            await batcher.close()

    return asyncio.run(main())


def test_requests_that_come_together_run_together_and_get_their_own_answers():
    runs = Runs()

    async def story(batcher):
        return await asyncio.gather(*(batcher.submit("a", number) for number in range(10)))

    assert with_batcher(story, runs) == [2 * number for number in range(10)]
    assert [len(payloads) for _, payloads in runs.batches] == [4, 4, 2]


def test_a_full_batch_does_not_wait():
    async def story(batcher):
        start = time.perf_counter()
        await asyncio.gather(*(batcher.submit("a", number) for number in range(4)))
        return time.perf_counter() - start

    assert with_batcher(story, Runs(), max_wait=5) < 2.5


def test_keys_rows_and_weights_part_batches():
    runs = Runs()

    async def story(batcher):
        jobs = [
            ("a", 1, 1, 0),
            ("b", 2, 1, 0),
            ("a", 3, 3, 0),
            ("a", 4, 1, 0),
            ("c", 5, 1, 900),
            ("c", 6, 1, 200),
        ]
        await asyncio.gather(
            *(batcher.submit(key, number, rows, weight) for key, number, rows, weight in jobs)
        )

    with_batcher(story, runs)
    assert runs.batches == [("a", [1, 3]), ("b", [2]), ("a", [4]), ("c", [5]), ("c", [6])]


def test_one_that_weighs_more_than_a_batch_runs_alone():
    runs = Runs()

    async def story(batcher):
        return await asyncio.gather(batcher.submit("a", 1, 9, 5000), batcher.submit("a", 2))

    assert with_batcher(story, runs) == [2, 4]
    assert runs.batches == [("a", [1]), ("a", [2])]


def test_one_failure_reaches_its_own_caller_only():
    async def story(batcher):
        return await asyncio.gather(
            *(batcher.submit("a", each) for each in (1, -2, 3)), return_exceptions=True
        )

    first, second, third = with_batcher(story, Runs())
    assert (first, third) == (2, 6)
    assert isinstance(second, ValueError) and str(second) == "-2 is bad"


def test_a_run_that_breaks_reaches_every_caller_and_the_next_batch_runs():
    def broken(key, payloads):
        if payloads[0] == 0:
            raise RuntimeError("broken")
        return payloads

    broken.gate = None

    async def story(batcher):
        failed = await asyncio.gather(*(batcher.submit("a", 0) for _ in range(2)), return_exceptions=True)
        return failed, await batcher.submit("a", 7)

    failed, good = with_batcher(story, broken)
    assert [str(each) for each in failed] == ["broken", "broken"] and good == 7


def test_a_full_queue_refuses_at_once():
    runs = Runs()
    runs.gate = threading.Event()

    async def story(batcher):
        waiting = [asyncio.create_task(batcher.submit("a", 0))]
        await asyncio.sleep(0.1)  # this one runs, the next three wait
        waiting += [asyncio.create_task(batcher.submit("a", number)) for number in (1, 2, 3)]
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal, match="queue of 3 requests is full") as told:
            await batcher.submit("a", 4)
        runs.gate.set()
        return told.value.reason, await asyncio.gather(*waiting)

    reason, answers = with_batcher(story, runs, max_queue=3, max_wait=0)
    assert reason is Reason.OVERLOADED
    assert answers == [0, 2, 4, 6]


def test_a_caller_that_went_away_frees_its_place_and_is_not_run():
    runs = Runs()
    runs.gate = threading.Event()

    async def story(batcher):
        first = asyncio.create_task(batcher.submit("a", 0))
        await asyncio.sleep(0.1)
        gone = asyncio.create_task(batcher.submit("a", 1))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        assert batcher.waiting == 0
        runs.gate.set()
        await first
        return await batcher.submit("a", 2)

    assert with_batcher(story, runs, max_queue=1, max_wait=0) == 4
    assert [payloads for _, payloads in runs.batches] == [[0], [2]]


def test_closing_finishes_the_queue_and_takes_nothing_more():
    runs = Runs(seconds=0.02)

    async def story(batcher):
        waiting = [asyncio.create_task(batcher.submit("a", number)) for number in range(9)]
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="shutting down") as told:
            await batcher.submit("a", 99)
        await closing
        return told.value.reason, await asyncio.gather(*waiting)

    reason, answers = with_batcher(story, runs, max_wait=60)
    assert reason is Reason.NOT_READY
    assert answers == [2 * number for number in range(9)]


def test_workers_run_at_the_same_time():
    barrier = threading.Barrier(2, timeout=10)

    def meet(key, payloads):
        barrier.wait()
        return payloads

    meet.gate = None

    async def story(batcher):
        return await asyncio.gather(batcher.submit("a", 1), batcher.submit("b", 2))

    assert with_batcher(story, meet, workers=2) == [1, 2]
