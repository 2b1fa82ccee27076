"""What values the tensors of a graph take on calibration pictures, and which of them 8 bits shall hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from export import graph_tools
from export.runtimes import held_stderr, import_litert

BINS = 4096
MOST_VALUES = 1 << 16
"""Counted of one tensor and picture, evenly spread; counting all takes longer than the network."""
_SHARES = np.concatenate([np.arange(0.15, 0.5, 0.05), np.arange(0.5, 1.001, 0.025)])


@dataclass
class Extremes:
    """Smallest and largest value of each channel, (C,)."""

    low: np.ndarray
    high: np.ndarray

    @property
    def largest(self) -> np.ndarray:
        """Largest absolute value of each channel, (C,)."""
        return np.maximum(-self.low, self.high)


@dataclass
class Histogram:
    """How often values fall into equal bins from `low` to `high`."""

    low: float
    high: float
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS))

    def add(self, values: np.ndarray) -> None:
        """Count values; those outside belong to the first or the last bin."""
        pixels = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
        # An odd step meets all columns of a picture whose width is even.
        values = pixels[:: values.size // MOST_VALUES | 1]
        if self.high > self.low:
            bins = ((values - self.low) * (BINS / (self.high - self.low))).astype(np.int32)
            self.counts += np.bincount(np.clip(bins, 0, BINS - 1).ravel(), minlength=BINS)

    def best_range(self) -> tuple[float, float]:
        """Return the range whose 256 steps give the smallest mean squared error; 0 is always inside."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        if self.counts.sum() == 0 or high <= low:
            return low, high
        centres = self.low + (np.arange(BINS) + 0.5) * (self.high - self.low) / BINS
        lows = low * _SHARES if low < 0 else np.zeros(1)
        highs = high * _SHARES if high > 0 else np.zeros(1)
        total = self.counts.sum()
        cut_low = np.array([(self.counts * np.minimum(centres - each, 0) ** 2).sum() for each in lows])
        cut_high = np.array([(self.counts * np.maximum(centres - each, 0) ** 2).sum() for each in highs])
        step = (highs[None] - lows[:, None]) / 255
        error = cut_low[:, None] + cut_high[None] + total * step**2 / 12
        row, column = np.unravel_index(int(error.argmin()), error.shape)
        return float(lows[row]), float(highs[column])


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
        rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
        low, high = rows.min(axis=0), rows.max(axis=0)
        if tensor in found:
            low, high = np.minimum(found[tensor].low, low), np.maximum(found[tensor].high, high)
        found[tensor] = Extremes(low, high)

    watch(content, signature, samples, look)
    return found


def best_ranges(
    content: bytes,
    signature: str,
    samples: Iterable[Mapping[str, np.ndarray]],
    limits: Mapping[int, Extremes],
) -> dict[int, tuple[float, float]]:
    """Return for every tensor the range that 8 bits should hold; `limits` are the tensors' extremes."""
    counted = {
        tensor: Histogram(float(each.low.min()), float(each.high.max())) for tensor, each in limits.items()
    }

    def look(tensor: int, values: np.ndarray) -> None:
        if tensor in counted:
            counted[tensor].add(values)

    watch(content, signature, samples, look)
    return {tensor: histogram.best_range() for tensor, histogram in counted.items()}


def _view(interpreter: Any, tensor: int) -> np.ndarray:
    return interpreter.tensor(tensor)()
