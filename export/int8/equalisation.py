"""Evening out the channels of a convolutional graph before it is rounded to 8 bits; the function stays.

One range serves all channels of a tensor, so that a channel ten times smaller than the largest is left with
25 of the 256 steps. Where only sums, resizing, padding and convolutions with ReLU touch a tensor, dividing a
channel by a number and multiplying the weights that read it changes nothing but the ranges.

Source: Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1; here for whole groups of tensors joined by sums, with measured ranges.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.litert import graph_tools
from tf_relight.errors import RelightError
from tf_relight.rounding.ranges import Extremes, even_scales

_CHANNELWISE = ("PAD", "RESIZE_BILINEAR", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RELU")


def equalise(
    content: bytes, signature: str, extremes: Mapping[int, Extremes], strength: float = 0.5
) -> tuple[bytes, dict[int, Extremes]]:
    """Return a float32 file that computes the same with evener channels, and its tensors' extremes.

    Args:
        extremes: of the tensors of one signature's graph.
        strength: 0 leaves all as it is, 1 makes all ranges of a tensor equal.

    Raises:
        RelightError: the file's graphs differ in more than their sizes.
    """
    model = graph_tools.unpack(content)
    chosen = next(each for each in model.signatureDefs if graph_tools.name(each.signatureKey) == signature)
    plans = [_Plan(model, subgraph) for subgraph in model.subgraphs]
    # The measured graph first; the others follow it.
    plans.insert(0, plans.pop(chosen.subgraphIndex))
    if any(plan.shape != plans[0].shape for plan in plans):
        raise RelightError("The network is another one at another size, so its sizes cannot share one file.")
    scales = _scales(plans[0], extremes, strength)
    values = _Values(model, plans)
    for place, convolution in enumerate(plans[0].convolutions):
        before = scales.get(plans[0].group(convolution.source))
        after = scales.get(plans[0].group(convolution.result))
        # Kernels are (out, height, width, in), transposed ones too.
        kernel, offset = values.kernel(place), values.bias(place)
        if before is not None:
            kernel = kernel * before
        if after is not None:
            kernel, offset = kernel / after[:, None, None, None], offset / after
        values.change(place, kernel, offset)
    return graph_tools.pack(model), {
        tensor: each.divided(scales.get(plans[0].group(tensor))) for tensor, each in extremes.items()
    }


@dataclass(frozen=True)
class _Convolution:
    """One convolution: its operation, its tensors, and where weights and bias stand among its inputs."""

    operation: Any
    source: int
    result: int
    weights_input: int
    bias_input: int

    @property
    def weights(self) -> int:
        return int(self.operation.inputs[self.weights_input])

    @property
    def bias(self) -> int:
        return int(self.operation.inputs[self.bias_input])


class _Values:
    """The kernels and biases of all convolutions, by their place; the same in every graph of the file.

    Constants of equal values are one tensor or one buffer in the file. Those are separated where they change.
    """

    def __init__(self, model: Any, plans: list[_Plan]) -> None:
        self._model, self._plans = model, plans
        used = [
            plans[0].tensors[i].buffer for each in plans[0].convolutions for i in (each.weights, each.bias)
        ]
        self._shared = {buffer for buffer, count in Counter(used).items() if count > 1}

    def kernel(self, place: int) -> np.ndarray:
        """Return (out, height, width, in)."""
        return self._read(self._plans[0].convolutions[place].weights)

    def bias(self, place: int) -> np.ndarray:
        """Return (out,)."""
        return self._read(self._plans[0].convolutions[place].bias)

    def change(self, place: int, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Write both, in every graph."""
        first = self._plans[0].convolutions[place]
        for position, values in ((first.weights_input, kernel), (first.bias_input, bias)):
            tensor = self._plans[0].tensors[int(first.operation.inputs[position])]
            if tensor.buffer in self._shared:
                self._separate(place, position)
                tensor = self._plans[0].tensors[int(first.operation.inputs[position])]
            graph_tools.set_constant(self._model, tensor, values)

    def _separate(self, place: int, position: int) -> None:
        buffer = type(self._model.buffers[0])()
        self._model.buffers.append(buffer)
        for plan in self._plans:
            operation = plan.convolutions[place].operation
            tensor = copy.copy(plan.tensors[int(operation.inputs[position])])
            tensor.buffer = len(self._model.buffers) - 1
            tensor.name = f"{graph_tools.name(tensor.name)}/{place}".encode()
            plan.tensors.append(tensor)
            inputs = list(operation.inputs)
            inputs[position] = len(plan.tensors) - 1
            operation.inputs = inputs

    def _read(self, tensor: int) -> np.ndarray:
        values = graph_tools.constant(self._model, self._plans[0].tensors[tensor])
        assert values is not None
        return values


class _Plan:
    """Which tensors of a graph must be scaled alike, and which not at all."""

    def __init__(self, model: Any, subgraph: Any) -> None:
        self.tensors = subgraph.tensors
        self.convolutions: list[_Convolution] = []
        self.shape: list[tuple[str, int]] = []
        self._parent = list(range(len(subgraph.tensors)))
        self.fixed = {int(tensor) for tensor in (*subgraph.inputs, *subgraph.outputs)}
        for operation in subgraph.operators:
            self._add(model, operation)
        self.fixed = {self.group(tensor) for tensor in self.fixed}

    def group(self, tensor: int) -> int:
        """Return the number of the group that a tensor belongs to."""
        while self._parent[tensor] != tensor:
            self._parent[tensor] = self._parent[self._parent[tensor]]
            tensor = self._parent[tensor]
        return tensor

    def _add(self, model: Any, operation: Any) -> None:
        kind = graph_tools.kind(model, operation)
        inputs, outputs = [int(i) for i in operation.inputs], [int(i) for i in operation.outputs]
        # Graphs of one network share their kernels, by the number of the buffer.
        self.shape.append((kind, self.tensors[inputs[1]].buffer if kind in graph_tools.CONVOLUTIONS else 0))
        if kind in graph_tools.CONVOLUTIONS and self._scalable(model, operation, kind):
            # A transposed one has the shape of its result first.
            first = 0 if kind == "CONV_2D" else 2
            bias = 2 if kind == "CONV_2D" else 3
            self.convolutions.append(_Convolution(operation, inputs[first], outputs[0], 1, bias))
        elif kind in _CHANNELWISE:
            self._join(inputs[0], outputs[0])
        elif kind == "ADD" and not any(self._constant(model, i) for i in inputs) and self._alike(inputs):
            self._join(inputs[0], outputs[0])
            self._join(inputs[1], outputs[0])
            if _activation(operation) not in (0, 1):
                self.fixed |= {outputs[0]}
        else:
            self.fixed |= {*inputs, *outputs} & set(range(len(self.tensors)))

    def _scalable(self, model: Any, operation: Any, kind: str) -> bool:
        biased = len(operation.inputs) == (3 if kind == "CONV_2D" else 4)
        known = biased and all(
            graph_tools.constant(model, self.tensors[i]) is not None
            for i in (operation.inputs[1], operation.inputs[-1])
        )
        return bool(known) and _activation(operation) in (0, 1)

    def _constant(self, model: Any, tensor: int) -> bool:
        data = model.buffers[self.tensors[tensor].buffer].data
        return tensor >= 0 and data is not None and len(data) > 0

    def _alike(self, tensors: list[int]) -> bool:
        return len({tuple(self.tensors[tensor].shape) for tensor in tensors}) == 1

    def _join(self, first: int, second: int) -> None:
        self._parent[self.group(first)] = self.group(second)


def _scales(plan: _Plan, extremes: Mapping[int, Extremes], strength: float) -> dict[int, np.ndarray]:
    """Return {group: what its channels are divided by}, for the groups that may be scaled."""
    largest: dict[int, list[np.ndarray]] = defaultdict(list)
    for tensor, each in extremes.items():
        largest[plan.group(tensor)].append(each.largest)
    scales = {}
    for group, ranges in largest.items():
        if group in plan.fixed:
            continue
        widest = np.max(ranges, axis=0)
        if widest.max() > 0:
            scales[group] = even_scales(widest, strength)
    return scales


def _activation(operation: Any) -> int:
    return int(getattr(operation.builtinOptions, "fusedActivationFunction", 0))
