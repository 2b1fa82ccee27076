"""MediaPipe's networks in a form that TensorFlow Lite 2.16.1 takes: built-in operations only."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from export.litert import graph_tools
from export.litert.runtimes import import_litert
from tf_relight.errors import RelightError

TRANSPOSED = "Convolution2DTransposeBias"
WITH_BIAS = 3
"""Version of the built-in transposed convolution from which on it takes a bias."""


def older_form(content: bytes) -> bytes:
    """Return the bytes of a .tflite file with MediaPipe's transposed convolution written as the built-in one.

    Raises:
        RelightError: the file needs another operation that is not built in.
    """
    model = graph_tools.unpack(content)
    changed = False
    for subgraph in model.subgraphs:
        for operation in subgraph.operators:
            code = model.operatorCodes[operation.opcodeIndex]
            if not code.customCode:
                continue
            name = graph_tools.name(code.customCode)
            if name != TRANSPOSED:
                raise RelightError(f"The network uses {name}, which no phone has built in.")
            _replace(model, subgraph, operation)
            changed = True
    return graph_tools.compact(graph_tools.pack(model)) if changed else content


def _replace(model: Any, subgraph: Any, operation: Any) -> None:
    schema = import_litert("schema_py_generated")
    # TfLiteTransposeConvParams: padding (1 same, 2 valid), strides across and down.
    padding, across, down = struct.unpack_from("<iii", bytes(operation.customOptions))
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME if padding == 1 else schema.Padding.VALID
    options.strideW, options.strideH = across, down
    picture, kernel, bias = (int(each) for each in operation.inputs)
    operation.opcodeIndex = _code(model, schema)
    operation.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
    operation.builtinOptions = options
    operation.customOptions = None
    shape = _shape(model, subgraph, schema, subgraph.tensors[int(operation.outputs[0])].shape)
    operation.inputs = [shape, kernel, picture, bias]


def _code(model: Any, schema: Any) -> int:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TRANSPOSE_CONV
    code.version = WITH_BIAS
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
