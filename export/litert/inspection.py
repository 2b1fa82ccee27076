"""What is inside a .tflite file: its operations, those that phones refuse, and what XNNPACK takes of them.

The file itself is read, not what a tool says of it: TensorFlow's own analyser calls files compatible with a
phone's GPU that every GPU refuses.
"""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.litert.runtimes import InterpreterRuntime, import_litert
from tf_relight.errors import RelightError
from tf_relight.guarded.reading import foreign, read_bytes

MAX_RANK = 4
"""GPU delegates take tensors of up to four dimensions."""

FORBIDDEN: Mapping[str, str] = {
    "CUSTOM": "runs only where TensorFlow's own kernels are linked in",
    "BROADCAST_TO": "refused by GPUs and by XNNPACK",
    "TILE": "left to the slow built-in kernels on CPUs",
    "RESIZE_NEAREST_NEIGHBOR": "left to the slow built-in kernels on CPUs",
    "MIRROR_PAD": "left to the slow built-in kernels on CPUs",
    "L2_NORMALIZATION": "left to the slow built-in kernels on CPUs",
    "REVERSE_V2": "left to the slow built-in kernels on CPUs; --leave-mirroring leaves the mirrored pass out",
    "SHAPE": "makes sizes known only at run time, so that delegates give up",
    "PACK": "makes sizes known only at run time, so that delegates give up",
    "WHILE": "control flow is run by no delegate",
    "IF": "control flow is run by no delegate",
}
"""Operations that were refused, with what refuses them. Others are judged by what XNNPACK really takes."""

LARGEST_FILE = 2 << 30
"""Bytes: flatbuffers have no larger ones."""
IDENTIFIER = b"TFL3"


@dataclass(frozen=True)
class Graph:
    """One signature's graph.

    Attributes:
        signature: its name.
        operations: how many of each kind, the most frequent first; custom ones as "CUSTOM:name".
        widest: the largest number of dimensions of a tensor that an operation writes.
        forbidden: one sentence for each thing that keeps the graph off a delegate.
    """

    signature: str
    operations: Mapping[str, int]
    widest: int
    forbidden: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of operations."""
        return sum(self.operations.values())


@dataclass(frozen=True)
class Delegation:
    """What XNNPACK takes of one signature's graph.

    Attributes:
        total: operations in the graph. delegated: those XNNPACK runs.
        partitions: pieces it runs them in; between two pieces data is copied.
        left: kinds of operations that stay behind, with their number.
    """

    signature: str
    total: int
    delegated: int
    partitions: int
    left: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether everything is taken, in one piece."""
        return self.total > 0 and self.delegated == self.total and self.partitions == 1


def graphs(path: Path | str) -> dict[str, Graph]:
    """Read the graph of every signature; nothing is run.

    Raises:
        RelightError: not a .tflite file, a damaged one, or one without signatures.
    """
    model = _read(Path(path))
    found = {}
    for signature in model.signatureDefs or ():
        name = _text(signature.signatureKey)
        found[name] = _graph(name, model, model.subgraphs[signature.subgraphIndex])
    if not found:
        raise RelightError(f"{path} names no signatures. Export it again.")
    return found


def delegations(path: Path | str) -> dict[str, Delegation]:
    """Run each signature's graph through the interpreter's start-up and see what XNNPACK takes.

    Raises:
        RelightError: as `graphs`, or the interpreter cannot use the file.
    """
    path = Path(path)
    model = _read(path)
    signatures = list(model.signatureDefs or ())
    if len(signatures) == 1:
        name = _text(signatures[0].signatureKey)
        return {name: _delegation(name, InterpreterRuntime(path).operations())}
    found = {}
    with tempfile.TemporaryDirectory(prefix="export-inspect-") as folder:
        for signature in signatures:
            # The interpreter tells about its first graph only, so each graph becomes the first of a copy.
            name = _text(signature.signatureKey)
            copy = Path(folder) / "graph.tflite"
            copy.write_bytes(_alone(model, signature))
            found[name] = _delegation(name, InterpreterRuntime(copy).operations())
    return found


def _delegation(signature: str, operations: Sequence[Mapping[str, Any]]) -> Delegation:
    """Walk back from what each DELEGATE writes to what it reads; the operations on the way are inside."""
    own = [each for each in operations if each["op_name"] != "DELEGATE"]
    delegates = [each for each in operations if each["op_name"] == "DELEGATE"]
    producer = {int(tensor): each for each in own for tensor in each["outputs"]}
    inside: set[int] = set()
    for delegate in delegates:
        border = {int(tensor) for tensor in delegate["inputs"]}
        waiting = [int(tensor) for tensor in delegate["outputs"]]
        while waiting:
            tensor = waiting.pop()
            made_by = producer.get(tensor)
            if tensor in border or made_by is None or made_by["index"] in inside:
                continue
            inside.add(made_by["index"])
            waiting += [int(each) for each in made_by["inputs"]]
    left = Counter(each["op_name"] for each in own if each["index"] not in inside)
    return Delegation(signature, len(own), len(inside), len(delegates), dict(left.most_common()))


def _graph(name: str, model: Any, subgraph: Any) -> Graph:
    operations: Counter[str] = Counter()
    widest, strided = 0, 0
    for operation in subgraph.operators:
        kind = _kind(model.operatorCodes[operation.opcodeIndex])
        operations[kind] += 1
        ranks = [len(_shape(subgraph.tensors[tensor])) for tensor in operation.outputs if tensor >= 0]
        widest = max([widest, *ranks])
        strided += kind == "STRIDED_SLICE" and not _unit_strides(model, subgraph, operation)
    forbidden = [f"{kind}: {reason}" for kind in operations for reason in _reason(kind)]
    if widest > MAX_RANK:
        forbidden.append(f"a tensor of {widest} dimensions: GPUs take {MAX_RANK}")
    if strided:
        forbidden.append("STRIDED_SLICE with a stride: left to the slow built-in kernels on CPUs")
    if any(-1 in _signature_shape(tensor) for tensor in subgraph.tensors):
        forbidden.append("a size known only at run time: delegates give up")
    return Graph(name, dict(operations.most_common()), widest, tuple(forbidden))


def _reason(kind: str) -> Iterable[str]:
    known = FORBIDDEN.get(kind.partition(":")[0])
    return () if known is None else (known,)


def _unit_strides(model: Any, subgraph: Any, operation: Any) -> bool:
    """Whether a STRIDED_SLICE takes every element of its range; an unknown stride counts as not."""
    import numpy as np

    data = model.buffers[subgraph.tensors[operation.inputs[3]].buffer].data
    if data is None:
        return False
    return bool((np.frombuffer(bytes(bytearray(data)), np.int32) == 1).all())


def _read(path: Path) -> Any:
    """Return the file as the object tree of LiteRT's schema."""
    if not path.exists():
        raise RelightError(f"There is no file {path}. Check the name.")
    content = read_bytes(path, LARGEST_FILE, what="the .tflite file", advice="name a .tflite file")
    if content[4:8] != IDENTIFIER:
        raise RelightError(f"{path} is not a .tflite file, or it is damaged. Export it again.")
    schema = import_litert("schema_py_generated")
    # The generated reader checks nothing: offsets out of range raise anything.
    with foreign(f"{path} is damaged and cannot be read ({{reason}}). Export it again."):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
        # Whatever a damaged file lacks shows here and not in the middle of the work.
        for subgraph in model.subgraphs:
            for operation in subgraph.operators:
                _kind(model.operatorCodes[operation.opcodeIndex])
                [subgraph.tensors[tensor] for tensor in (*operation.inputs, *operation.outputs)]
        return model


def _alone(model: Any, signature: Any) -> bytes:
    """Return the file with one signature's graph as its first and the others removed."""
    import flatbuffers

    subgraphs, signatures = model.subgraphs, model.signatureDefs
    index = signature.subgraphIndex
    try:
        model.subgraphs, model.signatureDefs = [subgraphs[index]], [signature]
        signature.subgraphIndex = 0
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())
    finally:
        model.subgraphs, model.signatureDefs, signature.subgraphIndex = subgraphs, signatures, index


def _kind(code: Any) -> str:
    # Old files keep the code in a field of one byte, new ones use 127 there.
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    name = _operation_names()[number]
    return f"CUSTOM:{_text(code.customCode)}" if name == "CUSTOM" else name


@functools.cache
def _operation_names() -> dict[int, str]:
    operators = import_litert("schema_py_generated").BuiltinOperator
    return {number: name for name, number in vars(operators).items() if not name.startswith("_")}


def _shape(tensor: Any) -> Sequence[int]:
    return () if tensor.shape is None else tensor.shape


def _signature_shape(tensor: Any) -> Sequence[int]:
    return () if tensor.shapeSignature is None else tensor.shapeSignature


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
