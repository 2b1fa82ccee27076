"""What values the tensors of a graph take on calibration pictures, and which of them 8 bits shall hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from export.litert import graph_tools
from export.litert.runtimes import held_stderr, import_litert
from tf_relight.rounding.ranges import Extremes, Histogram


def watch(
    content: bytes,
    signature: str,
    samples: Iterable[Mapping[str, np.ndarray]],
    look: Callable[[int, np.ndarray], None],
) -> None:
    """Run a float32 file on samples and show every tensor that an operation writes.

    Args:
        look: called with the tensor's index in the signature's graph and its values; they are a view of the
            interpreter's memory.
    """
    model = graph_tools.unpack(content)
    chosen = next(each for each in model.signatureDefs if graph_tools.name(each.signatureKey) == signature)
    subgraph = model.subgraphs[chosen.subgraphIndex]
    inputs = {graph_tools.name(each.name): int(each.tensorIndex) for each in chosen.inputs}
    tensors = graph_tools.outputs(subgraph)
    # As outputs they can be read although a delegate runs the graph.
    subgraph.outputs = tensors
    model.subgraphs, model.signatureDefs = [subgraph], []
    with tempfile.TemporaryDirectory(prefix="export-ranges-") as folder:
        path = Path(folder) / "all.tflite"
        path.write_bytes(graph_tools.pack(model))
        with held_stderr():
            interpreter = import_litert("interpreter").Interpreter(str(path), num_threads=2)
            interpreter.allocate_tensors()
        for sample in samples:
            for each, values in sample.items():
                interpreter.set_tensor(inputs[each], values)
            interpreter.invoke()
            for tensor in tensors:
                look(tensor, _view(interpreter, tensor))
            for tensor in inputs.values():
                look(tensor, _view(interpreter, tensor))


def extremes(
    content: bytes, signature: str, samples: Iterable[Mapping[str, np.ndarray]]
) -> dict[int, Extremes]:
    """Return the extremes of every tensor of a signature's graph, by index."""
    found: dict[int, Extremes] = {}

    def look(tensor: int, values: np.ndarray) -> None:
        if values.dtype != np.float32:
            return
        seen = Extremes.of(values)
        found[tensor] = found[tensor].joined(seen) if tensor in found else seen

    watch(content, signature, samples, look)
    return found


def best_ranges(
    content: bytes,
    signature: str,
    samples: Iterable[Mapping[str, np.ndarray]],
    limits: Mapping[int, Extremes],
) -> dict[int, tuple[float, float]]:
    """Return for every tensor the range that 8 bits should hold; `limits` are the tensors' extremes."""
    counted = {tensor: Histogram.between(each) for tensor, each in limits.items()}

    def look(tensor: int, values: np.ndarray) -> None:
        if tensor in counted:
            counted[tensor].add(values)

    watch(content, signature, samples, look)
    return {tensor: histogram.best_range() for tensor, histogram in counted.items()}


def _view(interpreter: Any, tensor: int) -> np.ndarray:
    return interpreter.tensor(tensor)()
