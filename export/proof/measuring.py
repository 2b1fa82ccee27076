"""What is measured of one file, written so that it can run in a child process."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.litert.inspection import Delegation, Graph, delegations, graphs
from export.litert.runtimes import CompiledRuntime, Runtime, RuntimeName, open_runtime
from export.proof.reference import Case
from export.signatures import RELIT, signature_name
from tf_relight.errors import RelightError

EQUAL_DB = 200.0
"""PSNR of two pictures that are equal; 200 dB is an error of 1e-10."""


@dataclass(frozen=True)
class Difference:
    """How far a file's answer on one case is from Keras'.

    Attributes:
        psnr: dB of the relit picture, peak 1. max_error, mean_error: absolute, of the relit picture.
        light_error: largest absolute error of the other outputs, None where there are none.
        rounded_error: largest absolute difference from Keras with 8-bit rounding, None where there is none.
        unrounded_psnr: dB against the same weights without rounding, None where there is none.
    """

    runtime: str
    size: int
    case: str
    psnr: float
    max_error: float
    mean_error: float
    light_error: float | None
    rounded_error: float | None = None
    unrounded_psnr: float | None = None


def psnr_of(result: np.ndarray, expected: np.ndarray) -> float:
    """Return the PSNR in dB of two float pictures in 0..1, at most `EQUAL_DB`."""
    error = float(np.mean(np.square(np.asarray(result, np.float64) - np.asarray(expected, np.float64))))
    return EQUAL_DB if error <= 10.0 ** (-EQUAL_DB / 10) else -10.0 * math.log10(error)


def difference(runtime: str, size: int, case: Case, outputs: Mapping[str, np.ndarray]) -> Difference:
    """Compare a file's outputs with those of Keras.

    Raises:
        RelightError: other names or shapes, or a number that is not finite.
    """
    if set(outputs) != set(case.expected):
        raise RelightError(f"It gives {', '.join(outputs)} in place of {', '.join(case.expected)}.")
    errors = {}
    for name, expected in case.expected.items():
        if outputs[name].shape != expected.shape:
            raise RelightError(f"Its {name} is {outputs[name].shape} in place of {expected.shape}.")
        if not np.isfinite(outputs[name]).all():
            raise RelightError(f"Its {name} holds values that are not numbers.")
        errors[name] = np.abs(outputs[name].astype(np.float64) - expected)
    others = [float(error.max()) for name, error in errors.items() if name != RELIT]
    return Difference(
        runtime,
        size,
        case.name,
        psnr_of(outputs[RELIT], case.expected[RELIT]),
        float(errors[RELIT].max()),
        float(errors[RELIT].mean()),
        max(others) if others else None,
        None if case.rounded is None else float(np.abs(outputs[RELIT] - case.rounded[RELIT]).max()),
        None if case.unrounded is None else psnr_of(outputs[RELIT], case.unrounded[RELIT]),
    )


def measure_file(
    path: str, runtime: RuntimeName, threads: int, cases: Mapping[int, Sequence[Case]]
) -> list[Difference]:
    """Run every case in one runtime; raises RelightError as `open_runtime`, `Runtime.run`, `difference`."""
    opened = _opened(path, runtime, threads)
    return [
        difference(runtime, size, case, opened.run(signature_name(size), case.inputs))
        for size, of_size in cases.items()
        for case in of_size
    ]


def run_file(
    path: str, runtime: RuntimeName, threads: int, signature: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Run one signature once; the file stays open for the next call."""
    return _opened(path, runtime, threads).run(signature, inputs)


def inspect_file(path: str) -> tuple[dict[str, Graph], dict[str, Delegation], bool]:
    """Return the graphs of a file, what XNNPACK takes of them, and whether CompiledModel says it is all."""
    return graphs(Path(path)), delegations(Path(path)), CompiledRuntime(path).fully_accelerated


@functools.lru_cache(maxsize=1)
def _opened(path: str, runtime: RuntimeName, threads: int) -> Runtime:
    return open_runtime(path, runtime, threads)
