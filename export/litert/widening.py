"""Weights that are stored narrow and widened to float32 when a .tflite file is loaded."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from export.litert import graph_tools
from export.litert.runtimes import import_litert


def with_half_kernels(content: bytes, kept: Collection[int] = ()) -> bytes:
    """Return a file whose float32 kernels are stored as float16 and widened when it is loaded.

    Args:
        kept: numbers of the convolutions that stay float32, in the order of the graph.
    """
    model = graph_tools.unpack(content)
    half_type = import_litert("schema_py_generated").TensorType.FLOAT16
    halves: dict[int, int] = {}

    def stored(place: int, kernel: Any) -> Any:
        values = None if place in kept else graph_tools.constant(model, kernel)
        if values is None:
            return None
        if kernel.buffer not in halves:
            halves[kernel.buffer] = _add_half(model, values)
        half = copy.copy(kernel)
        half.type, half.buffer = half_type, halves[kernel.buffer]
        return half

    _widen(model, lambda subgraph: graph_tools.convolutions(model, subgraph), stored)
    return graph_tools.pack(model)


def with_half_weights(content: bytes, chosen: Callable[[Any, Any, Any], bool]) -> bytes:
    """Return a file in which chosen operations compute in float32, with their int8 weights told in float16.

    Args:
        chosen: (model, subgraph, operation) -> whether it is one; the weights are its second input, with a
            step for all or for each of the first axis. A file without any stays as it is.
    """
    model = graph_tools.unpack(content)
    half_type = import_litert("schema_py_generated").TensorType.FLOAT16
    found = {
        id(operation)
        for subgraph in model.subgraphs
        for operation in subgraph.operators
        if chosen(model, subgraph, operation)
        and graph_tools.int8_scales(subgraph.tensors[int(operation.inputs[1])]) is not None
    }
    if not found:
        return content
    # Graphs of other sizes share the weights.
    halves: dict[int, int] = {}

    def stored(place: int, weights: Any) -> Any:
        if weights.buffer not in halves:
            scales = graph_tools.int8_scales(weights)
            assert scales is not None
            steps = np.asarray(model.buffers[weights.buffer].data, np.uint8).view(np.int8)
            values = steps.reshape(weights.shape) * scales.reshape(-1, *[1] * (len(weights.shape) - 1))
            halves[weights.buffer] = _add_half(model, values)
        half = copy.copy(weights)
        half.type, half.buffer, half.quantization = half_type, halves[weights.buffer], None
        return half

    _widen(model, lambda subgraph: [each for each in subgraph.operators if id(each) in found], stored)
    return graph_tools.compact(graph_tools.pack(model))


def with_widened_kernels(content: bytes, places: Collection[int]) -> bytes:
    """Return a file whose convolutions at `places` compute in float32 with the int8 kernels they have.

    GPU delegates widen kernels of one step only. Where each output has its own, the kernel is widened by one
    for all, and a multiplication behind the convolution makes up for it.
    """
    model = graph_tools.unpack(content)
    common = _make_up_for_steps(model, places)

    def stored(place: int, kernel: Any) -> Any:
        if place not in common:
            return None
        kernel = copy.copy(kernel)
        kernel.quantization = copy.copy(kernel.quantization)
        kernel.quantization.scale = np.array([common[place]], np.float32)
        kernel.quantization.zeroPoint, kernel.quantization.quantizedDimension = np.zeros(1, np.int64), 0
        return kernel

    _widen(model, lambda subgraph: graph_tools.convolutions(model, subgraph), stored)
    return graph_tools.pack(model)


def _make_up_for_steps(model: Any, places: Collection[int]) -> dict[int, float]:
    """Prepare convolutions at `places` for int8 kernels of one step; return that step of each."""
    schema = import_litert("schema_py_generated")
    activations = schema.ActivationFunctionType
    steps: dict[int, float] = {}
    buffers: dict[tuple[int, str], int] = {}
    for subgraph in model.subgraphs:
        behind = {}
        for place, operation in enumerate(graph_tools.convolutions(model, subgraph)):
            scales = graph_tools.int8_scales(subgraph.tensors[int(operation.inputs[1])])
            # Other activations than these do not let a factor through.
            fused = operation.builtinOptions.fusedActivationFunction
            if place not in places or scales is None or fused not in (activations.NONE, activations.RELU):
                continue
            steps[place] = float(np.exp(np.log(scales).mean()))
            factors = (scales / steps[place]).astype(np.float32)
            if len(factors) > 1:
                behind[id(operation)] = _scaled_output(model, subgraph, operation, factors, place, buffers)
        subgraph.operators = [
            each for operation in subgraph.operators for each in (operation, *behind.get(id(operation), ()))
        ]
    return steps


def _scaled_output(
    model: Any,
    subgraph: Any,
    operation: Any,
    factors: np.ndarray,
    place: int,
    buffers: dict[tuple[int, str], int],
) -> tuple[Any]:
    """Divide a convolution's bias by `factors`, one for each output, and return what multiplies its output.

    Args:
        buffers: of the constants, which the graphs of all sizes share; new ones are added.
    """
    schema = import_litert("schema_py_generated")

    def add(like: Any, suffix: str, values: np.ndarray | None = None) -> int:
        tensor = copy.copy(like)
        tensor.name = f"{graph_tools.name(like.name)}/{suffix}".encode()
        if values is not None:
            if (place, suffix) not in buffers:
                model.buffers.append(schema.BufferT())
                model.buffers[-1].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
                buffers[place, suffix] = len(model.buffers) - 1
            tensor.buffer = buffers[place, suffix]
            tensor.shape, tensor.shapeSignature = list(values.shape), None
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1

    inputs, position = [int(i) for i in operation.inputs], graph_tools.bias_position(model, operation)
    if position < len(inputs) and inputs[position] >= 0:
        bias = subgraph.tensors[inputs[position]]
        values = graph_tools.constant(model, bias)
        assert values is not None
        inputs[position] = add(bias, "divided", values / factors)
        operation.inputs = inputs
    output = int(operation.outputs[0])
    inner = add(subgraph.tensors[output], "unscaled")
    operation.outputs = [inner]
    scale = schema.OperatorT()
    scale.opcodeIndex = graph_tools.operation_code(model, "MUL", 1)
    scale.inputs = [inner, add(subgraph.tensors[output], "factors", factors.reshape(1, 1, 1, -1))]
    scale.outputs = [output]
    scale.builtinOptionsType, scale.builtinOptions = schema.BuiltinOptions.MulOptions, schema.MulOptionsT()
    return (scale,)


def _add_half(model: Any, values: np.ndarray) -> int:
    """Add a buffer of numbers as float16; returns its number."""
    buffer = type(model.buffers[0])()
    buffer.data = np.frombuffer(values.astype("<f2").tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _widen(model: Any, operations: Callable[[Any], Iterable[Any]], stored: Callable[[int, Any], Any]) -> None:
    """Let operations read the float32 values of what `stored` returns for place and weights, if any.

    Args:
        operations: those of a subgraph; their weights are the second input.
    """
    schema = import_litert("schema_py_generated")
    # The first that widens float16; int8 needs the second.
    code = graph_tools.operation_code(model, "DEQUANTIZE", 3)
    for subgraph in model.subgraphs:
        added = []
        for place, operation in enumerate(operations(subgraph)):
            kernel = subgraph.tensors[int(operation.inputs[1])]
            narrow = stored(place, kernel)
            if narrow is None:
                continue
            narrow, wide = copy.copy(narrow), copy.copy(kernel)
            wide.type, wide.buffer, wide.quantization = schema.TensorType.FLOAT32, 0, None
            for tensor, suffix in ((narrow, "stored"), (wide, "widened")):
                tensor.name = f"{graph_tools.name(tensor.name)}/{suffix}".encode()
            first = len(subgraph.tensors)
            subgraph.tensors += [narrow, wide]
            inputs = [int(i) for i in operation.inputs]
            inputs[1] = first + 1
            operation.inputs = inputs
            widen = schema.OperatorT()
            widen.opcodeIndex, widen.inputs, widen.outputs = code, [first], [first + 1]
            added.append(widen)
        subgraph.operators = [*added, *subgraph.operators]
    graph_tools.drop_unused(model)
