"""Running .tflite files by LiteRT, which starts in milliseconds where TensorFlow takes seconds.

Nothing here imports TensorFlow or Keras.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.quiet import without_notes

_cores: list[int] = []


def use_cores(count: int) -> None:
    """Let this process work on so many cores, as one of several on a machine."""
    _cores[:] = [count]


def cores() -> int:
    """Return how many processor cores this process may use."""
    if _cores:
        return _cores[0]
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_here() -> bool:
    """Return whether LiteRT is installed."""
    with contextlib.suppress(RelightError):
        return bool(_interpreter_class())
    return False


class Session:
    """A .tflite file, ready to run; several threads may call it at once.

    Args:
        content: the bytes of the file.
        what: how messages call it.
        threads: of one call; None takes all cores.

    Raises:
        RelightError: LiteRT is not installed, or the content is no .tflite file that it can run.
    """

    def __init__(self, content: bytes, what: str, *, threads: int | None = None) -> None:
        self._content, self._what, self._threads = content, what, threads or cores()
        # Each call takes an interpreter that no other thread uses; more are made only when all are busy.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._idle.put(self._make())

    @property
    def signatures(self) -> dict[str, dict[str, list[str]]]:
        """The names of inputs and outputs by signature; empty for files without any."""
        with self._taken() as interpreter:
            return interpreter.get_signature_list()

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a signature's inputs by name."""
        with self._taken() as interpreter:
            details = interpreter.get_signature_runner(signature).get_input_details()
        return {name: tuple(int(side) for side in each["shape"]) for name, each in details.items()}

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of a file with one input and no signature, in the file's order."""
        with self._taken() as interpreter:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
            interpreter.invoke()
            return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]

    def run_signature(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a signature by name."""
        with self._taken() as interpreter:
            return dict(interpreter.get_signature_runner(signature)(**inputs))

    @contextlib.contextmanager
    def _taken(self) -> Iterator[Any]:
        try:
            interpreter = self._idle.get_nowait()
        except queue.Empty:
            interpreter = self._make()
        try:
            yield interpreter
        finally:
            self._idle.put(interpreter)

    def _make(self) -> Any:
        with _first_note_held_back():
            try:
                interpreter = _interpreter_class()(model_content=self._content, num_threads=self._threads)
                interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise RelightError(f"{self._what} cannot be run by LiteRT: {error}.") from error
        return interpreter


@functools.cache
def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise RelightError(
            f"LiteRT, which finds faces and runs small networks, cannot be loaded ({error}): install the "
            "package ai-edge-litert; Linux, Windows and Macs with Apple's processors have builds of it."
        ) from error
    return Interpreter


_said: set[str] = set()


@contextlib.contextmanager
def _first_note_held_back() -> Iterator[None]:
    """Keep the line off the terminal that LiteRT prints about its delegate, once in a process."""
    if "delegate" in _said:
        yield
        return
    with without_notes():
        yield
    _said.add("delegate")
