"""What ends a run before it does harm: numbers without bounds, and workers that are gone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_relight.errors import RelightError, graph_reason

WORKER_LOST = 3
"""Exit code when another worker of the run went away; a scheduler may start the same command again."""
LARGEST_GROWTH = 1e3
"""A loss this many times the first one of its stretch has left the problem for good."""
SMALLEST_START = 0.1
"""A stage may begin with nearly perfect weights: losses are pictures' differences, 0..1 and a few weights."""


class Diverged(RelightError):
    """The numbers of a run have left all bounds; what it saved before is good."""


class WorkerLost(RelightError):
    """Another process of the run went away."""

    exit_code = WORKER_LOST


class StopNow(BaseException):
    """Raised by a signal in the middle of anything; no `except Exception` on the way may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class LossBound:
    """Tells a loss that only shrinks, wanders or rises a little from one that runs away."""

    def __init__(self) -> None:
        self._first: float | None = None

    def start(self) -> None:
        """Begin a stage or a resumed stretch: the next loss is the measure."""
        self._first = None

    def check(self, first: float, mean: float) -> str | None:
        """Return what is wrong with the losses of some steps, if anything.

        Args:
            first: that of the first step. mean: of all of them.
        """
        if self._first is None:
            self._first = first
        if not math.isfinite(mean):
            return f"The loss is {mean}"
        bound = LARGEST_GROWTH * max(abs(self._first), SMALLEST_START)
        if math.isfinite(self._first) and abs(mean) > bound:
            return f"The loss has grown from {self._first:.3g} to {mean:.3g}"
        return None


def not_finite(parts: dict[str, Iterable[tf.Variable]]) -> str | None:
    """Return the name of the first part with a value that is NaN or infinite, None when all are finite."""
    for name, variables in parts.items():
        floats = [each for each in variables if tf.as_dtype(each.dtype).is_floating]
        checks = [tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(each))) for each in floats]
        if checks and not bool(tf.reduce_all(tf.stack(checks))):
            return name
    return None


def advice(folder: Path, saved: int | None, resumed: int | None) -> str:
    """Return what to do about a run that diverged.

    Args:
        saved: the step of the last finite checkpoint, None if there is none.
        resumed: the step of the checkpoint that the run went on from.
    """
    if saved is not None and saved == resumed:
        return (
            f"The run went on from the checkpoint of step {saved} and saved nothing since. Lower "
            "recipe.learning_rate or check the pictures, then continue with --resume; if that does not help, "
            f"go back one checkpoint by deleting {folder}/ckpt-{saved}.*, or start in a new output folder."
        )
    mend = "Lower recipe.learning_rate or check the pictures, then"
    if saved is None:
        return f"{mend} run again; {folder.parent} holds no checkpoint yet."
    return f"{mend} continue from the checkpoint of step {saved} with --resume."


@contextlib.contextmanager
def run_errors(folder: Path, workers: int) -> Iterator[None]:
    """Turn what TensorFlow raises in the middle of a step into a sentence.

    Raises:
        WorkerLost: with several workers, when the others cannot be reached any more.
        RelightError: out of memory.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise RelightError(
            f"There is not enough memory for a step ({graph_reason(error)}). Lower train.batch_size or "
            "data.size, or raise train.accumulate, then continue with --resume."
        ) from error
    except tf.errors.OpError as error:
        if workers == 1:
            raise
        raise WorkerLost(
            f"Another worker of the run is gone ({graph_reason(error)}). Start the same command on all "
            f"{workers} workers again with --resume: it continues from the last checkpoint in {folder}."
        ) from error


def describe(optimizers: dict[str, Any]) -> dict[str, list[tf.Variable]]:
    """Return the variables of optimisers by what to call them."""
    return {
        f"the optimiser of '{name}'": [variable.value for variable in optimizer.variables]
        for name, optimizer in optimizers.items()
    }
