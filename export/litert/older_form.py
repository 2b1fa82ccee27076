"""Networks in a form that TensorFlow Lite 2.16.1 takes: built-in operations, in versions that it knows.

It is the last on Maven Central. MediaPipe's transposed convolution becomes the built-in one. What came later
computes in float32, with weights stored as float16; it is small: fully connected layers whose int8 weights
have a scale for each row, and transposed convolutions of float32 numbers by int8 weights.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from export.litert import graph_tools
from export.litert.runtimes import import_litert
from export.litert.widening import with_half_weights
from tf_relight.errors import RelightError

TRANSPOSED = "Convolution2DTransposeBias"
NEWEST_CONNECTED = 11
"""Version of the fully connected layer that TensorFlow Lite 2.16.1 knows last."""
WITH_BIAS = 3
"""Version of the built-in transposed convolution from which on it takes a bias."""


def older_form(content: bytes) -> bytes:
    """Return the bytes of a .tflite file in the older form; a file that is in it stays as it is.

    Raises:
        RelightError: the file needs another operation that is not built in.
    """
    content = with_half_weights(content, _is_newer)
    model = graph_tools.unpack(content)
    connected = import_litert("schema_py_generated").BuiltinOperator.FULLY_CONNECTED
    changed = False
    for subgraph in model.subgraphs:
        for operation in subgraph.operators:
            code = model.operatorCodes[operation.opcodeIndex]
            if graph_tools.kind(model, operation) == "FULLY_CONNECTED" and code.version > NEWEST_CONNECTED:
                operation.builtinOptions.asymmetricQuantizeInputs = False
                operation.opcodeIndex = _code(model, connected, 1)
                changed = True
                continue
            if not code.customCode:
                continue
            name = graph_tools.name(code.customCode)
            if name != TRANSPOSED:
                raise RelightError(f"The network uses {name}, which no phone has built in.")
            _replace(model, subgraph, operation)
            changed = True
    if not changed:
        return content
    _drop_codes(model)
    return graph_tools.compact(graph_tools.pack(model))


def _is_newer(model: Any, subgraph: Any, operation: Any) -> bool:
    """Whether an operation came after the older runtime, or has weights that it does not know."""
    kind = graph_tools.kind(model, operation)
    if kind == "FULLY_CONNECTED":
        return bool(model.operatorCodes[operation.opcodeIndex].version > NEWEST_CONNECTED)
    picture = subgraph.tensors[int(operation.inputs[2])] if kind == "TRANSPOSE_CONV" else None
    return picture is not None and picture.type == import_litert("schema_py_generated").TensorType.FLOAT32


def _drop_codes(model: Any) -> None:
    """Take operations that are used no more out of the table; runtimes look up each of it."""
    operations = [each for subgraph in model.subgraphs for each in subgraph.operators]
    used = sorted({int(each.opcodeIndex) for each in operations})
    model.operatorCodes = [model.operatorCodes[number] for number in used]
    for each in operations:
        each.opcodeIndex = used.index(int(each.opcodeIndex))


def _replace(model: Any, subgraph: Any, operation: Any) -> None:
    schema = import_litert("schema_py_generated")
    # TfLiteTransposeConvParams: padding (1 same, 2 valid), strides across and down.
    padding, across, down = struct.unpack_from("<iii", bytes(operation.customOptions))
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME if padding == 1 else schema.Padding.VALID
    options.strideW, options.strideH = across, down
    picture, kernel, bias = (int(each) for each in operation.inputs)
    operation.opcodeIndex = _code(model, schema.BuiltinOperator.TRANSPOSE_CONV, WITH_BIAS)
    operation.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
    operation.builtinOptions = options
    operation.customOptions = None
    shape = _shape(model, subgraph, schema, subgraph.tensors[int(operation.outputs[0])].shape)
    operation.inputs = [shape, kernel, picture, bias]


def _code(model: Any, operator: int, version: int) -> int:
    for number, known in enumerate(model.operatorCodes):
        if not known.customCode and (known.builtinCode, known.version) == (operator, version):
            return number
    code = import_litert("schema_py_generated").OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _shape(model: Any, subgraph: Any, schema: Any, sides: Any) -> int:
    """Add a constant with the shape of the result, which the built-in operation wants; returns its number."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.asarray(sides, "<i4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.shape, tensor.type, tensor.name = [4], schema.TensorType.INT32, b"shape_of_transposed"
    tensor.buffer = len(model.buffers) - 1
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1
