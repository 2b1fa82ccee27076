"""Time every exported file beside the network in Keras: interleaved, with 1 and 2 threads, at several sizes.

Every side has a process of its own, because threads are set once per process and memory is measured per
process. The sides take turns, so that ratios hold when the machine's speed drifts; ratios are what counts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from export.litert.manifest import FileRecord, read_manifest
from export.litert.runtimes import RUNTIMES, RuntimeName
from export.proof.bench_sides import memory, prepare_keras, prepare_savedmodel, prepare_tflite, timed_run
from export.proof.isolated import Child
from export.proof.reference import Tensors, bench_inputs, bench_photo, weights_path
from export.signatures import IMAGE, LIGHT, signature_name
from export.timing import ratios
from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.progress import track

if TYPE_CHECKING:
    from rich.table import Table

SIZES = (256, 512, 1024)
THREADS = (1, 2)
ROUNDS = 7
BASE = "keras_float32"
"""The side that ratios refer to."""
WIDTH = 90
"""Characters that the table takes."""
QUIET = 0.25
"""Load per core above which the machine counts as busy."""


@dataclass(frozen=True)
class Timing:
    """One side at one size and number of threads.

    Attributes:
        seconds: of each round. peak_mib: of its process, with everything it imports.
        times_faster: than Keras in float32, the median over rounds.
    """

    side: str
    size: int
    threads: int
    seconds: tuple[float, ...]
    peak_mib: float
    times_faster: float

    def row(self) -> dict[str, Any]:
        """Return it as plain data, times in milliseconds."""
        return {
            "side": self.side,
            "size": self.size,
            "threads": self.threads,
            "ms_min": round(1000 * min(self.seconds), 2),
            "ms_median": round(1000 * median(self.seconds), 2),
            "peak_mib": round(self.peak_mib),
            "times_faster_than_keras_float32": self.times_faster,
        }


@dataclass(frozen=True)
class BenchOptions:
    """How a folder is timed.

    Attributes:
        sizes: those that no file has are left out. threads: each count is measured for itself.
        rounds: counted turns of each side, after one that warms up.
        savedmodel: version folder of a SavedModel of the same method.
        runtime: of the .tflite files.
        weights: weights file in place of the one the manifest names.
    """

    sizes: tuple[int, ...] = SIZES
    threads: tuple[int, ...] = THREADS
    rounds: int = ROUNDS
    savedmodel: Path | None = None
    runtime: RuntimeName = "interpreter"
    weights: str | None = None


Prepare = tuple[Callable[..., None], tuple[Any, ...]]


def busy() -> str | None:
    """Return a warning where the machine has other work, or None."""
    if not hasattr(os, "getloadavg"):
        return None
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= QUIET * cores:
        return None
    return (
        f"The machine is busy (load {load:.1f} on {cores} cores): times are too long, and ratios are less "
        "certain. End other work for figures that count."
    )


def bench_folder(
    folder: Path | str, options: BenchOptions = BenchOptions(), *, progress: bool = True
) -> dict[str, list[Timing]]:
    """Return the timings of each method in a folder's manifest.

    Raises:
        RelightError: a damaged manifest or file, no size in common, missing weights, or a side that fails.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    _check(options)
    by_method: dict[str, list[FileRecord]] = {}
    for record in manifest.files:
        by_method.setdefault(record.method, []).append(record)
    if options.savedmodel is not None and len(by_method) > 1:
        raise RelightError("--savedmodel fits one method, and the folder holds several. Time them alone.")
    return {
        method: _bench_method(folder, records, options, progress) for method, records in by_method.items()
    }


def _bench_method(
    folder: Path, records: Sequence[FileRecord], options: BenchOptions, progress: bool
) -> list[Timing]:
    known = sorted({size for record in records for size in record.sizes})
    sizes = [size for size in options.sizes if size in known]
    if not sizes:
        raise RelightError(
            f"No file of {records[0].method} has one of the sizes {', '.join(map(str, options.sizes))}: "
            f"give --sizes from {', '.join(map(str, known))}."
        )
    settings = [(size, threads) for size in sizes for threads in options.threads]
    timings: list[Timing] = []
    for size, threads in track(
        settings, lambda each: f"{records[0].method} {each[0]} px, {each[1]} threads", show=progress
    ):
        timings += _bench_setting(_sides(folder, records, size, threads, options), size, threads, options)
    return timings


def _sides(
    folder: Path, records: Sequence[FileRecord], size: int, threads: int, options: BenchOptions
) -> dict[str, Prepare]:
    """Return what makes each side, by name; Keras in float32 first."""
    record = records[0]
    info = methods.get(record.method).info
    weights = str(weights_path(record, options.weights))
    inputs = bench_inputs(info, size)
    sides: dict[str, Prepare] = {
        BASE: (prepare_keras, (weights, record.method, "float32", threads, inputs)),
        "keras_bfloat16": (prepare_keras, (weights, record.method, "mixed_bfloat16", threads, inputs)),
        "keras_xla": (prepare_keras, (weights, record.method, "float32", threads, inputs, True)),
    }
    if options.savedmodel is not None:
        given = _for_savedmodel(inputs, size)
        sides["savedmodel"] = (prepare_savedmodel, (str(options.savedmodel), threads, given))
    for each in records:
        if size in each.sizes:
            arguments = (str(folder / each.name), options.runtime, threads, signature_name(size), inputs)
            sides[each.quantisation] = (prepare_tflite, arguments)
    return sides


def _bench_setting(sides: dict[str, Prepare], size: int, threads: int, options: BenchOptions) -> list[Timing]:
    """Start every side, let them take turns, and end them."""
    with contextlib.ExitStack() as stack:
        children: dict[str, Child] = {}
        for name, (prepare, arguments) in sides.items():
            children[name] = process = Child(environment={"CUDA_VISIBLE_DEVICES": "-1"})
            stack.callback(process.close)
            process.call(prepare, *arguments)
            process.call(timed_run)
        seconds: dict[str, list[float]] = {name: [] for name in children}
        for _ in range(options.rounds):
            for name, process in children.items():
                seconds[name].append(process.call(timed_run))
        peaks = {name: process.call(memory) for name, process in children.items()}
    faster = ratios(seconds, BASE)
    return [
        Timing(name, size, threads, tuple(runs), peaks[name], faster[name]) for name, runs in seconds.items()
    ]


def _for_savedmodel(inputs: Tensors, size: int) -> Tensors:
    """Return the inputs of the SavedModel's signature "relight": always sRGB, the light as (1, 9 C)."""
    given = {IMAGE: np.ascontiguousarray(bench_photo(size)[None])}
    if LIGHT in inputs:
        given[LIGHT] = inputs[LIGHT].reshape(1, -1)
    return given


def terminal_table(timings: Sequence[Timing]) -> Table:
    """Return the timings of one method as a table for a terminal."""
    from rich.table import Table

    table = Table()
    for heading in ("side", "size", "threads", "ms min", "ms median", "x Keras fp32", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "side" else "right", no_wrap=True)
    for each in timings:
        row = each.row()
        table.add_row(
            each.side,
            str(each.size),
            str(each.threads),
            f"{row['ms_min']:.1f}",
            f"{row['ms_median']:.1f}",
            f"{each.times_faster:.2f}",
            str(row["peak_mib"]),
        )
    return table


def _check(options: BenchOptions) -> None:
    if options.rounds < 1 or not options.threads or min(options.threads) < 1:
        raise RelightError("--rounds and --threads must be at least 1.")
    if options.runtime not in RUNTIMES:
        raise RelightError(f"There is no runtime '{options.runtime}', only {', '.join(RUNTIMES)}.")
    if options.savedmodel is not None and not (options.savedmodel / "saved_model.pb").is_file():
        raise RelightError(
            f"{options.savedmodel} is not a SavedModel: name the version folder, such as models/dmshn/1."
        )
