"""Reading and changing the graph of a .tflite file with LiteRT's own schema."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from export.litert.runtimes import import_litert

IDENTIFIER = b"TFL3"
CONVOLUTIONS = ("CONV_2D", "TRANSPOSE_CONV")


def unpack(content: bytes) -> Any:
    """Return a .tflite file as the object tree of LiteRT's schema (a ModelT), with all constants inside."""
    schema = import_litert("schema_py_generated")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    for buffer in model.buffers:
        # Some writers put constants behind the tree; offsets 0 and 1 mean that they did not.
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """Return the bytes of an object tree."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def kind(model: Any, operation: Any) -> str:
    """Return what an operation is, such as "CONV_2D"."""
    names = _names()
    code = model.operatorCodes[operation.opcodeIndex]
    # Old files keep the code in a field of one byte, new ones use 127 there.
    return names[max(int(code.builtinCode), int(code.deprecatedBuiltinCode))]


def constant(model: Any, tensor: Any) -> np.ndarray | None:
    """Return the values of a float32 constant, None for any other tensor."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.type != 0:
        return None
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), np.float32).reshape(tensor.shape)


def int8_scales(tensor: Any) -> np.ndarray | None:
    """Return the step of each output channel of an int8 kernel, (out,); None for any other tensor."""
    schema = import_litert("schema_py_generated")
    if tensor.type != schema.TensorType.INT8 or tensor.quantization is None:
        return None
    return None if tensor.quantization.scale is None else np.asarray(tensor.quantization.scale, np.float64)


def set_constant(model: Any, tensor: Any, values: np.ndarray) -> None:
    """Give a float32 constant other values; all graphs that share it get them."""
    content = np.ascontiguousarray(values, np.float32).tobytes()
    model.buffers[tensor.buffer].data = np.frombuffer(content, np.uint8)


def name(value: Any) -> str:
    """Return a text of the schema, which keeps them as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value or "")


def outputs(subgraph: Any) -> Sequence[int]:
    """Return the tensors that operations write, each once, in the order of the operations."""
    return list(
        dict.fromkeys(int(t) for operation in subgraph.operators for t in operation.outputs if t >= 0)
    )


def _names() -> dict[int, str]:
    operators = import_litert("schema_py_generated").BuiltinOperator
    return {number: each for each, number in vars(operators).items() if not each.startswith("_")}


def convolutions(model: Any, subgraph: Any) -> list[Any]:
    """Return the convolutions of a graph in order; the input 1 of each is its kernel."""
    return [each for each in subgraph.operators if kind(model, each) in CONVOLUTIONS]


def bias_position(model: Any, operation: Any) -> int:
    """Return which input of a convolution is its bias; it may have none."""
    return 2 if kind(model, operation) == "CONV_2D" else 3


def only(content: bytes, signature: str) -> bytes:
    """Return a file with the graph of one signature, for work that asks for no other size."""
    model = unpack(content)
    chosen = next(each for each in model.signatureDefs if name(each.signatureKey) == signature)
    model.subgraphs = [model.subgraphs[chosen.subgraphIndex]]
    chosen.subgraphIndex = 0
    model.signatureDefs = [chosen]
    drop_empty_buffers(model)
    return pack(model)


def compact(content: bytes) -> bytes:
    """Return a file without what only its making needed, and with equal things written once.

    Every graph of a file repeats the long names of the converter for all its tensors, the scales of all
    kernels, and its operations, which are the same at every size: in small networks a sixth of the file.
    """
    model = unpack(content)
    drop_empty_buffers(model)
    written: dict[bytes, _Once] = {}

    def once(table: Any, key: bytes | None = None) -> _Once:
        return written.setdefault(key or _packed(table), _Once(table))

    for subgraph in model.subgraphs:
        named = {int(i) for i in (*subgraph.inputs, *subgraph.outputs)}
        for index, tensor in enumerate(subgraph.tensors):
            if index not in named:
                tensor.name = None
            # It says which sizes are known at run time only; here there are none.
            if tensor.shapeSignature is not None and -1 not in tensor.shapeSignature:
                tensor.shapeSignature = None
            key = _packed(tensor)
            if tensor.quantization is not None:
                tensor.quantization = once(tensor.quantization)
            subgraph.tensors[index] = once(tensor, key)
        subgraph.operators = [once(each) for each in subgraph.operators]
    return pack(model)


def drop_empty_buffers(model: Any) -> None:
    """Let all tensors that are no constants share the first buffer, which is empty in every file."""
    numbers = {0: 0}
    kept = [model.buffers[0]]
    owners = [
        *(tensor for subgraph in model.subgraphs for tensor in subgraph.tensors),
        *(model.metadata or ()),
    ]
    for owner in owners:
        data = model.buffers[owner.buffer].data
        if data is None or len(data) == 0:
            owner.buffer = 0
            continue
        if owner.buffer not in numbers:
            numbers[owner.buffer] = len(kept)
            kept.append(model.buffers[owner.buffer])
        owner.buffer = numbers[owner.buffer]
    model.buffers = kept


class _Once:
    """A table of the schema that several parents point to; it is packed for the first of them."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._offset: int | None = None

    def Pack(self, builder: Any) -> int:  # noqa: N802
        """Return where the table stands; the schema's own classes call this."""
        if self._offset is None:
            self._offset = self._table.Pack(builder)
        return self._offset


def _packed(table: Any) -> bytes:
    """Return what tells a table from others: the kind of it and its bytes."""
    import flatbuffers

    builder = flatbuffers.Builder(256)
    builder.Finish(table.Pack(builder))
    return type(table).__name__.encode() + bytes(builder.Output())


def with_plain_kernels(content: bytes, plain: bytes, places: Collection[int]) -> bytes:
    """Return a file whose convolutions at `places` have the kernels of another, float32 one.

    Args:
        content: of weights stored as int8 or float16. plain: the same network in float32.
        places: numbers of convolutions in the order of the graph.
    """
    model = unpack(content)
    _take_inputs(model, unpack(plain), places, lambda operation: 1)
    drop_unused(model)
    return pack(model)


def with_plain_biases(content: bytes, plain: bytes) -> bytes:
    """Return a file whose convolutions have the biases of another, float32 one."""
    model, source = unpack(content), unpack(plain)
    places = range(len(convolutions(source, source.subgraphs[0])))
    _take_inputs(model, source, places, lambda operation: bias_position(source, operation))
    drop_unused(model)
    return pack(model)


def _take_inputs(model: Any, source: Any, places: Collection[int], position: Callable[[Any], int]) -> None:
    """Let convolutions read a constant of `source`, the one at `position` of their inputs if there is one."""
    added: dict[int, int] = {}
    for subgraph, other in zip(model.subgraphs, source.subgraphs, strict=True):
        pairs = zip(convolutions(model, subgraph), convolutions(source, other), strict=True)
        for place, (here, there) in enumerate(pairs):
            index = position(there)
            if place not in places or index >= len(there.inputs) or int(there.inputs[index]) < 0:
                continue
            tensor = copy.copy(other.tensors[int(there.inputs[index])])
            if place not in added:
                model.buffers.append(copy.copy(source.buffers[tensor.buffer]))
                added[place] = len(model.buffers) - 1
            tensor.buffer = added[place]
            subgraph.tensors.append(tensor)
            inputs = [int(i) for i in here.inputs]
            inputs[index] = len(subgraph.tensors) - 1
            here.inputs = inputs


def operation_code(model: Any, wanted: str, version: int) -> int:
    """Return the number of a kind of operation in the file's list; it is added when missing."""
    schema = import_litert("schema_py_generated")
    number = getattr(schema.BuiltinOperator, wanted)
    for index, code in enumerate(model.operatorCodes):
        if number in (int(code.builtinCode), int(code.deprecatedBuiltinCode)):
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = number
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def drop_unused(model: Any) -> None:
    """Remove operations that nobody reads, and the constants of tensors that nobody reads."""
    used_buffers = {0, *(each.buffer for each in model.metadata or ())}
    for subgraph in model.subgraphs:
        read = {int(i) for each in subgraph.operators for i in each.inputs} | {
            int(i) for i in subgraph.outputs
        }
        subgraph.operators = [
            each
            for each in subgraph.operators
            if kind(model, each) != "DEQUANTIZE" or read & {int(i) for i in each.outputs}
        ]
        read = {int(i) for each in subgraph.operators for i in each.inputs}
        written = {int(i) for each in subgraph.operators for i in each.outputs}
        for index in read | written | {int(i) for i in (*subgraph.inputs, *subgraph.outputs)}:
            if index >= 0:
                used_buffers.add(subgraph.tensors[index].buffer)
    for number, buffer in enumerate(model.buffers):
        if number not in used_buffers:
            buffer.data = None
