"""Where the time goes: the operations of a .tflite file or of a SavedModel, and how long each takes.

LiteRT tells nothing of single operations in Python, so each is cut out of the file and timed alone. Their sum
is shown beside the time of the whole, which says how far that can be trusted. TensorFlow traces its own run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from export.litert import graph_tools
from export.litert.runtimes import held_stderr, import_litert
from export.litert.single_operation import operations_alone
from export.signatures import signature_name
from tf_relight.errors import RelightError
from tf_relight.guarded.reading import read_bytes
from tf_relight.progress import track

if TYPE_CHECKING:
    from rich.table import Table

LEAST_RUNS, LEAST_SECONDS = 5, 0.05
"""Of each operation; the median counts."""
TRACED_RUNS = 5
LONGEST = 12
"""Rows of a table; the rest is joined in one more."""
SIGNATURE = "relight"
"""Of a SavedModel: float tensors, without pictures to read or write."""


@dataclass(frozen=True)
class TimedPart:
    """Operations of one kind and shape.

    Attributes:
        seconds: of all of them together.
    """

    kind: str
    shapes: str
    count: int
    seconds: float


@dataclass(frozen=True)
class Profile:
    """One file at one size.

    Attributes:
        whole: seconds of one run.
    """

    name: str
    size: int
    threads: int
    whole: float
    parts: tuple[TimedPart, ...]

    @property
    def kinds(self) -> list[TimedPart]:
        """The parts joined by kind, the longest first."""
        found: dict[str, TimedPart] = {}
        for part in self.parts:
            before = found.get(part.kind, TimedPart(part.kind, "", 0, 0.0))
            found[part.kind] = TimedPart(
                part.kind, "", before.count + part.count, before.seconds + part.seconds
            )
        return sorted(found.values(), key=lambda each: -each.seconds)

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return sum(part.seconds for part in self.parts)

    def row(self) -> dict[str, Any]:
        """Return it as plain data, times in milliseconds."""
        return {
            "target": self.name,
            "size": self.size,
            "threads": self.threads,
            "whole_ms": round(1000 * self.whole, 2),
            "parts_ms": round(1000 * self.total, 2),
            "kinds_ms": {part.kind: round(1000 * part.seconds, 2) for part in self.kinds},
        }


def profile(target: Path | str, size: int, threads: int = 1, *, progress: bool = False) -> Profile:
    """Profile a .tflite file or the folder of a SavedModel.

    Args:
        size: side in pixels of the square picture; a file has to hold it.

    Raises:
        RelightError: no such file or folder, or it does not take the size.
    """
    target = Path(target)
    if threads < 1 or size < 1:
        raise RelightError("--threads and --size must be at least 1.")
    if (target / "saved_model.pb").is_file():
        return profile_savedmodel(target, size, threads)
    if not target.is_file():
        raise RelightError(
            f"There is no file {target}, and it is no folder of a SavedModel. Name a .tflite file or a "
            "version folder such as models/dmshn/1."
        )
    return profile_tflite(target, size, threads, progress=progress)


def profile_tflite(path: Path, size: int, threads: int, *, progress: bool = False) -> Profile:
    """Time every operation of a file's signature alone, those that do the same work once."""
    from export.litert.inspection import LARGEST_FILE, graphs

    name, known = signature_name(size), graphs(path)
    if name not in known:
        raise RelightError(f"{path} has no signature '{name}', only {', '.join(known)}.")
    content = read_bytes(path, LARGEST_FILE, what="the .tflite file", advice="name a .tflite file")
    parts = [
        TimedPart(each.kind, each.shapes, each.count, each.count * _seconds(each.content, threads, each.kind))
        for each in track(operations_alone(content, name), lambda each: each.kind, show=progress)
    ]
    whole = _seconds(graph_tools.only(content, name), threads, path.name)
    return Profile(path.name, size, threads, whole, tuple(parts))


def _seconds(content: bytes, threads: int, what: str) -> float:
    """Return how long one run of a file without choice of signatures takes, with any numbers."""
    try:
        with held_stderr():
            interpreter = import_litert("interpreter").Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
            for details in interpreter.get_input_details():
                interpreter.set_tensor(details["index"], _numbers(details["shape"], details["dtype"]))
            return _timed(interpreter.invoke)
    except (RuntimeError, ValueError) as error:
        raise RelightError(f"LiteRT cannot run {what} alone: {error}.") from error


def _numbers(shape: Sequence[int], dtype: Any) -> np.ndarray:
    generator = np.random.default_rng(0)
    if np.issubdtype(dtype, np.floating):
        return generator.random(tuple(shape)).astype(dtype)
    return generator.integers(0, 100, tuple(shape)).astype(dtype)


def _timed(run: Callable[[], Any]) -> float:
    run()
    seconds: list[float] = []
    while len(seconds) < LEAST_RUNS or sum(seconds) < LEAST_SECONDS:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def profile_savedmodel(folder: Path, size: int, threads: int) -> Profile:
    """Trace the signature of float tensors in TensorFlow."""
    import tensorflow as tf

    v1 = tf.compat.v1
    # One operation after the other: what runs beside another has no time of its own.
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    times: dict[str, list[float]] = {}
    with held_stderr(), tf.Graph().as_default(), v1.Session(config=config) as session:
        signatures = v1.saved_model.load(session, ["serve"], str(folder)).signature_def
        if SIGNATURE not in signatures:
            raise RelightError(f"{folder} has no signature '{SIGNATURE}', only {', '.join(signatures)}.")
        signature = signatures[SIGNATURE]
        fed = _fed(signature.inputs, size)
        results = [each.name for each in signature.outputs.values()]
        whole = _timed(lambda: session.run(results, fed))
        for _ in range(TRACED_RUNS):
            metadata = v1.RunMetadata()
            options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
            session.run(results, fed, options=options, run_metadata=metadata)
            for node in (node for device in metadata.step_stats.dev_stats for node in device.node_stats):
                _, equals, call = node.timeline_label.partition(" = ")
                if equals:
                    taken = 1e-6 * (node.op_end_rel_micros - node.op_start_rel_micros)
                    times.setdefault(call.partition("(")[0], []).append(taken)
    parts = tuple(
        TimedPart(kind, "", len(each) // TRACED_RUNS, sum(each) / TRACED_RUNS) for kind, each in times.items()
    )
    return Profile(str(folder), size, threads, whole, parts)


def _fed(inputs: Mapping[str, Any], size: int) -> dict[str, np.ndarray]:
    """Return numbers for every input: one picture of `size`, and whatever else there is."""
    fed = {}
    for info in inputs.values():
        sides = [each.size for each in info.tensor_shape.dim]
        shape = [1 if place == 0 else size if side < 0 else side for place, side in enumerate(sides)]
        fed[info.name] = _numbers(shape, np.float32)
    return fed


def tables(found: Profile) -> list[Table]:
    """Return the profile as tables for a terminal: by kind and, where shapes are known, by kind and shape."""
    made = [_table("by kind", found.kinds, found.total)]
    if any(part.shapes for part in found.parts):
        parts = sorted(found.parts, key=lambda each: -each.seconds)
        made.append(_table("by kind and shape", parts, found.total))
    return made


def _table(title: str, parts: Sequence[TimedPart], total: float) -> Table:
    from rich.table import Table

    table = Table(title=title)
    table.add_column("operation", no_wrap=True)
    for heading in ("number", "ms", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("of what")
    rest = parts[LONGEST:]
    others = TimedPart("others", "", sum(each.count for each in rest), sum(each.seconds for each in rest))
    for part in (*parts[:LONGEST], *([others] if rest else [])):
        share = f"{part.seconds / total:.1%}" if total else ""
        table.add_row(part.kind, str(part.count), f"{1000 * part.seconds:.2f}", share, part.shapes)
    return table
