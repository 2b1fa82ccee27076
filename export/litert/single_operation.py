"""The operations of a .tflite file as files of their own, so that each can be timed alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from export.litert import graph_tools
from export.litert.runtimes import import_litert


@dataclass(frozen=True)
class Alone:
    """Operations of a graph that do the same work.

    Attributes:
        kind: such as "CONV_2D". shapes: what goes in and comes out, in words.
        count: how many there are.
        content: a file with one of them, without signatures.
    """

    kind: str
    shapes: str
    count: int
    content: bytes


def operations_alone(content: bytes, signature: str) -> list[Alone]:
    """Return what a signature's graph computes, like operations taken together, in the order of the graph.

    Operations on constants alone, such as widened kernels, are done when a file is loaded: they go with those
    that read them.
    """
    model = graph_tools.unpack(graph_tools.only(content, signature))
    (subgraph,) = model.subgraphs
    writer = {int(tensor): each for each in subgraph.operators for tensor in each.outputs}
    found: dict[tuple[Any, ...], list[Any]] = {}
    for operation in subgraph.operators:
        if not _reads_constants_only(model, subgraph, operation):
            found.setdefault(_work(model, subgraph, operation), []).append(operation)
    return [
        Alone(
            kind=graph_tools.kind(model, same[0]),
            shapes=_shapes(model, subgraph, same[0]),
            count=len(same),
            content=_file_of(model, subgraph, writer, same[0]),
        )
        for same in found.values()
    ]


def _reads_constants_only(model: Any, subgraph: Any, operation: Any) -> bool:
    return all(_is_constant(model, subgraph.tensors[each]) for each in _inputs(operation))


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _inputs(operation: Any) -> Iterator[int]:
    return (int(each) for each in operation.inputs if each >= 0)


def _work(model: Any, subgraph: Any, operation: Any) -> tuple[Any, ...]:
    """Return what decides how long an operation takes; the numbers of the tensors do not."""
    options = operation.builtinOptions
    tensors = [subgraph.tensors[int(each)] for each in (*_inputs(operation), *operation.outputs)]
    shapes = [(each.type, *map(int, each.shape), _is_constant(model, each)) for each in tensors]
    return (graph_tools.kind(model, operation), str(options and sorted(vars(options).items())), *shapes)


def _shapes(model: Any, subgraph: Any, operation: Any) -> str:
    types = {
        number: name.lower()
        for name, number in vars(import_litert("schema_py_generated").TensorType).items()
        if not name.startswith("_")
    }

    def word(index: int) -> str:
        tensor = subgraph.tensors[index]
        return f"{types[tensor.type]} {'x'.join(str(int(side)) for side in tensor.shape)}"

    # Constants are told by what they make of the picture, but for kernels, whose number format matters.
    kernels = 2 if graph_tools.kind(model, operation) in graph_tools.CONVOLUTIONS else 0
    read = [
        index
        for place, index in enumerate(_inputs(operation))
        if not _is_constant(model, subgraph.tensors[index]) or place == kernels - 1
    ]
    return f"{', '.join(map(word, read))} -> {', '.join(word(int(each)) for each in operation.outputs)}"


def _file_of(model: Any, subgraph: Any, writer: dict[int, Any], operation: Any) -> bytes:
    """Return a file with one operation and those that make its constants."""
    makers = [
        writer[each]
        for each in _inputs(operation)
        if each in writer and _reads_constants_only(model, subgraph, writer[each])
    ]
    chosen = [copy.copy(each) for each in (*makers, operation)]
    made = {int(tensor) for each in makers for tensor in each.outputs}
    used = list(
        dict.fromkeys(int(t) for each in chosen for t in (*each.inputs, *each.outputs) if int(t) >= 0)
    )
    given = [
        each
        for each in dict.fromkeys(_inputs(operation))
        if each not in made and not _is_constant(model, subgraph.tensors[each])
    ]
    places = {tensor: place for place, tensor in enumerate(used)}
    for each in chosen:
        each.inputs = [places.get(int(tensor), -1) for tensor in each.inputs]
        each.outputs = [places[int(tensor)] for tensor in each.outputs]
    graph = copy.copy(subgraph)
    graph.operators, graph.tensors = chosen, [copy.copy(subgraph.tensors[each]) for each in used]
    graph.inputs, graph.outputs = [places[each] for each in given], chosen[-1].outputs
    alone = copy.copy(model)
    alone.subgraphs, alone.signatureDefs, alone.metadata = [graph], [], []
    alone.buffers = list(model.buffers)
    graph_tools.drop_empty_buffers(alone)
    return graph_tools.pack(alone)
