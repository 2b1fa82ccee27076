"""What HTTP and gRPC both ask: models by name, predictions through the queue, state."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.serving import model as models
from export.serving.batcher import Batcher
from export.serving.inputs import Arrays, Prepared, prepare
from export.serving.limits import Limits
from export.serving.metrics import Labels, Metrics
from export.serving.model import ServedModel
from export.serving.refusals import Reason, Refusal
from tf_relight.errors import suggest

_log = logging.getLogger("export.serving")


class State(enum.Enum):
    """Of the server; the values are those of TensorFlow Serving's model states."""

    LOADING = "LOADING"
    READY = "AVAILABLE"
    ENDING = "UNLOADING"


@dataclass(frozen=True, eq=False)
class Answer:
    """A prediction and who made it."""

    model: ServedModel
    signature: str
    outputs: Arrays


class Service:
    """Serves the models of one folder. It must be made inside a running event loop.

    Args:
        folders: from `model.find_models`.
        max_pixels: None takes each model's own limit.
        workers: batches that run at the same time.
    """

    def __init__(
        self, folders: dict[str, Path], limits: Limits, *, max_pixels: int | None = None, workers: int = 1
    ) -> None:
        self.limits = limits
        self.state = State.LOADING
        self.metrics = Metrics(lambda: self._batcher.waiting)
        self._folders = folders
        self._versions = {name: models.newest_version(folder) for name, folder in folders.items()}
        self._max_pixels = max_pixels
        self._models: dict[str, ServedModel] = {}
        self._batcher = Batcher(
            self._run,
            max_batch=limits.max_batch,
            max_weight=max_pixels or limits.max_pixels,
            max_wait=limits.max_wait,
            max_queue=limits.max_queue,
            workers=workers,
        )

    async def load(self) -> None:
        """Load every model and become ready.

        Raises:
            RelightError: one of them cannot be loaded.
        """
        for name, folder in self._folders.items():
            start = time.perf_counter()
            load = functools.partial(models.load, name, folder, self.limits, self._max_pixels)
            loaded = await in_background(load)
            self._models[name] = loaded
            seconds = time.perf_counter() - start
            known = ", ".join(sorted(loaded.signatures))
            _log.info("model %s, version %d (%.1f s): %s", name, loaded.version, seconds, known)
        if self.state is State.LOADING:
            self.state = State.READY
            self.metrics.ready(True)

    def end(self) -> None:
        """Say that the server ends; requests that came before are still answered."""
        self.state = State.ENDING
        self.metrics.ready(False)

    async def close(self) -> None:
        """Finish the queue."""
        self.end()
        await self._batcher.close()

    def version(self, name: str, version: int | None) -> int:
        """Return the version of a model that is served, loaded or not.

        Raises:
            Refusal: there is no such model, or another version of it.
        """
        if name not in self._versions:
            raise Refusal(
                Reason.NOT_FOUND,
                f"There is no model '{name[:80]}'.{suggest(name[:80], self._versions)} "
                f"This server has {', '.join(self._versions)}.",
            )
        served = self._versions[name]
        if version not in (None, served):
            raise Refusal(
                Reason.NOT_FOUND, f"Model {name} is served in version {served}, not {str(version)[:20]}."
            )
        return served

    def model(self, name: str, version: int | None = None) -> ServedModel:
        """Return a loaded model; raises Refusal as `version`, and while it is being loaded."""
        self.version(name, version)
        if name not in self._models:
            raise Refusal(Reason.NOT_READY, f"Model {name} is still being loaded. Try again later.")
        return self._models[name]

    async def predict(
        self, name: str, version: int | None, signature: str, inputs: Any, labels: Labels
    ) -> Answer:
        """Return the model's answer.

        Args:
            inputs: name to values; or a function of the signature, run in a thread, that returns them.

        Raises:
            Refusal: for whatever reason there is no answer.
        """
        asked = self.model(name, version)
        labels.model = name
        chosen = asked.signature(signature)
        labels.signature = chosen.name
        if self.state is not State.READY:
            raise Refusal(Reason.NOT_READY, f"The server is {self.state.name.lower()}. Try again later.")

        def prepared() -> Prepared:
            given = inputs(chosen) if callable(inputs) else inputs
            return prepare(chosen, given, asked.limits)

        ready = await asyncio.to_thread(prepared)
        outputs = await self._batcher.submit((name, *ready.group), (asked, ready), ready.rows, ready.pixels)
        return Answer(asked, chosen.name, outputs)

    def _run(self, group: Any, requests: Sequence[tuple[ServedModel, Prepared]]) -> Sequence[Any]:
        start = time.perf_counter()
        asked = requests[0][0]
        results = asked.run([prepared for _, prepared in requests])
        rows = sum(prepared.rows for _, prepared in requests)
        self.metrics.batch(asked.name, rows, time.perf_counter() - start)
        return results


async def in_background(work: Callable[[], Any]) -> Any:
    """Return what a function gives, run in a thread that nobody waits for when the process ends.

    Threads of a pool are waited for, however long a model still takes to load.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result(result) if error is None else done.set_exception(error)

    def run() -> None:
        try:
            outcome: tuple[Any, BaseException | None] = (work(), None)
        except BaseException as error:
            outcome = (None, error)
        # The loop may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="loading", daemon=True).start()
    return await done
