"""Rounding the kernels of convolutions to int8 so that their errors cancel in what the network computes.

Neighbouring pixels are alike, and so are many channels. Rounding each weight to its nearest step lets such
errors add up; here each weight's error is passed on to the weights that come after it, as far as they see the
same. Size, scales and speed of the file stay as they are.

Source: Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ: Accurate Post-Training Quantization for Generative
Pre-trained Transformers", ICLR 2023, section 3; here for convolutions, transposed ones by their phases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from export.int8 import ranges
from export.litert import graph_tools
from export.litert.runtimes import import_litert

WINDOWS = 512
"""Places of one picture that are looked at for each convolution."""
DAMPING = 0.01
"""Share of the mean moment that is added to each: pictures that were not looked at differ a little."""

Moments = Sequence[np.ndarray]
"""Of one convolution: for each phase the mean product of any two numbers of an input window, (n, n)."""


def input_moments(
    content: bytes, signature: str, samples: Iterable[Mapping[str, np.ndarray]]
) -> list[Moments]:
    """Return the moments of the inputs of all convolutions of a signature's graph, in their order.

    Args:
        content: a float32 file.
    """
    model = graph_tools.unpack(content)
    chosen = next(each for each in model.signatureDefs if graph_tools.name(each.signatureKey) == signature)
    subgraph = model.subgraphs[chosen.subgraphIndex]
    operations = graph_tools.convolutions(model, subgraph)
    windows = [_window(model, subgraph, each) for each in operations]
    readers: dict[int, list[int]] = {}
    for place, operation in enumerate(operations):
        readers.setdefault(_source(model, operation), []).append(place)
    sums = [np.zeros((h * w * c, h * w * c)) for h, w, c in windows]
    counts = [0] * len(sums)

    def look(tensor: int, values: np.ndarray) -> None:
        for place in readers.get(tensor, ()):
            size = windows[place][:2]
            margin = _margin(model, operations[place], *size)
            seen = _windows_of(values[0], size, margin, seed=place + 1000 * counts[place])
            sums[place] += seen.T @ seen
            counts[place] += len(seen)

    ranges.watch(content, signature, samples, look)
    found: list[Moments] = []
    for place, operation in enumerate(operations):
        mean = sums[place] / max(counts[place], 1)
        found.append([mean] * (_step(model, operation) ** 2))
    return found


def mean_moments(seen: Sequence[Sequence[Moments]]) -> list[Moments]:
    """Return the mean of what `input_moments` found at several sizes of the same network."""
    return [
        [sum(phases) / len(seen) for phases in zip(*places, strict=True)]
        for places in zip(*seen, strict=True)
    ]


class Rounder:
    """Gives int8 kernels of a network other steps under the scales that they have."""

    def __init__(self, plain: bytes, moments: Sequence[Moments]) -> None:
        """Take the network in float32 and what `input_moments` says of it."""
        self._plain = plain
        model = graph_tools.unpack(plain)
        subgraph = model.subgraphs[0]
        self._kernels = [
            graph_tools.constant(model, subgraph.tensors[int(each.inputs[1])])
            for each in graph_tools.convolutions(model, subgraph)
        ]
        self._moments = moments
        self._made: dict[tuple[int, bytes], np.ndarray] = {}

    def improved(self, content: bytes) -> bytes:
        """Return a file of this network with all its int8 kernels rounded anew, in the steps they have."""
        return self._rounded(content, lambda scales, kernel: scales)

    def replaced(self, content: bytes) -> bytes:
        """Return a file with this network's weights: what is int8 stays so, in steps that fit the weights.

        Args:
            content: of a network with the same graphs and other weights.
        """
        model = graph_tools.unpack(content)
        tensors = model.subgraphs[0].tensors
        operations = graph_tools.convolutions(model, model.subgraphs[0])
        whole = [graph_tools.int8_scales(tensors[int(each.inputs[1])]) is None for each in operations]
        content = graph_tools.with_plain_kernels(
            content, self._plain, [place for place, each in enumerate(whole) if each]
        )
        return self._rounded(graph_tools.with_plain_biases(content, self._plain), _fitting)

    def _rounded(self, content: bytes, steps: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> bytes:
        model = graph_tools.unpack(content)
        for subgraph in model.subgraphs:
            for place, operation in enumerate(graph_tools.convolutions(model, subgraph)):
                tensor = subgraph.tensors[int(operation.inputs[1])]
                scales, kernel = graph_tools.int8_scales(tensor), self._kernels[place]
                if scales is None or kernel is None:
                    continue
                scales = steps(scales, kernel)
                key = (place, scales.tobytes())
                if key not in self._made:
                    each = np.broadcast_to(scales, (len(kernel),))
                    self._made[key] = rounded_kernel(kernel, each, self._moments[place])
                tensor.quantization.scale = scales.astype(np.float32)
                model.buffers[tensor.buffer].data = np.frombuffer(self._made[key].tobytes(), np.uint8)
        return graph_tools.pack(model)


def _fitting(scales: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return as many steps as there are: one for each output of the kernel, or one for all."""
    largest = np.abs(kernel).reshape(len(scales), -1).max(axis=1).astype(np.float64)
    return np.maximum(largest, 1e-12).astype(np.float32).astype(np.float64) / 127


def rounded_kernel(kernel: np.ndarray, scales: np.ndarray, moments: Moments) -> np.ndarray:
    """Return a kernel (out, height, width, in) in steps of `scales`, one for each output: int8, -127..127.

    Args:
        moments: one for a convolution; s x s of a transposed one with stride s, each for every s-th weight.
    """
    step = round(len(moments) ** 0.5)
    result = np.empty(kernel.shape, np.int8)
    for phase, mean in enumerate(moments):
        rows, columns = slice(phase // step, None, step), slice(phase % step, None, step)
        part = kernel[:, rows, columns, :]
        if step > 1:
            # The later a weight of a transposed convolution, the earlier the pixel that it meets.
            part = part[:, ::-1, ::-1]
        flat = part.reshape(part.shape[0], -1).astype(np.float64) / scales[:, None]
        steps = _with_passed_errors(flat, mean).reshape(part.shape)
        result[:, rows, columns, :] = steps[:, ::-1, ::-1] if step > 1 else steps
    return result


def _with_passed_errors(weights: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Round (out, n) to whole numbers; the errors of each column are made up for by those behind it."""
    damped = mean + np.eye(len(mean)) * max(DAMPING * float(np.trace(mean)) / len(mean), 1e-12)
    order = np.argsort(-np.diag(damped))  # what counts most is rounded while most can make up for it
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left = weights[:, order]
    rounded = np.empty(left.shape)
    for column in range(left.shape[1]):
        rounded[:, column] = np.clip(np.rint(left[:, column]), -127, 127)
        error = (left[:, column] - rounded[:, column]) / upper[column, column]
        left[:, column + 1 :] -= error[:, None] * upper[column, column + 1 :]
    result = np.empty(left.shape)
    result[:, order] = rounded
    return result


def _source(model: Any, operation: Any) -> int:
    # A transposed convolution has the shape of its result first.
    return int(operation.inputs[0 if graph_tools.kind(model, operation) == "CONV_2D" else 2])


def _step(model: Any, operation: Any) -> int:
    """Return in how many phases, along each side, the weights of a convolution meet the pixels."""
    return 1 if graph_tools.kind(model, operation) == "CONV_2D" else int(operation.builtinOptions.strideH)


def _window(model: Any, subgraph: Any, operation: Any) -> tuple[int, int, int]:
    """Return height, width and channels of what one output number depends on."""
    _, height, width, channels = (int(side) for side in subgraph.tensors[int(operation.inputs[1])].shape)
    step = _step(model, operation)
    return height // step, width // step, channels


def _margin(model: Any, operation: Any, height: int, width: int) -> tuple[int, int]:
    """Return how many rows and columns of zeros a convolution sees at each border of its input."""
    same = int(operation.builtinOptions.padding) == import_litert("schema_py_generated").Padding.SAME
    if graph_tools.kind(model, operation) == "CONV_2D" and not same:
        return 0, 0
    # Half of the kernel; windows of transposed ones reach one pixel over.
    return height // 2, width // 2


def _windows_of(picture: np.ndarray, size: tuple[int, int], margin: tuple[int, int], seed: int) -> np.ndarray:
    """Return some windows of a picture (H, W, C) as (count, height width C) float32."""
    (height, width), (above, left) = size, margin
    picture = np.pad(np.asarray(picture, np.float32), [(above, above), (left, left), (0, 0)])
    rows, columns = picture.shape[0] - height + 1, picture.shape[1] - width + 1
    places = np.random.default_rng(seed).permutation(rows * columns)[:WINDOWS]
    y, x = np.divmod(places, columns)
    down, right = np.mgrid[:height, :width]
    return picture[y[:, None, None] + down, x[:, None, None] + right].reshape(len(places), -1)
