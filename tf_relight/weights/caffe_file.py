"""Reads Caffe models (.caffemodel and .caffemodel.h5) without Caffe: numbers by layer, nothing is executed.

A .caffemodel is a protocol buffer; Google's own parser reads it by the few fields that matter here, and skips
all others.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.reading import foreign, open_file

LARGEST = 512 << 20
"""Bytes of a model file; SfSNet's has 14 million."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ADVICE = "name the .caffemodel of the authors' release"


def is_caffe(path: Path | str) -> bool:
    """Whether a file's name says that Caffe wrote it."""
    return Path(path).name.endswith((".caffemodel", ".caffemodel.h5"))


def read(path: Path | str) -> dict[str, np.ndarray]:
    """Return {"layer.0": array, "layer.1": array, ...}, float32, of every layer that holds numbers.

    Raises:
        RelightError: missing, too large, damaged, or no Caffe model.
    """
    path = Path(path)
    with open_file(path, what="the model", advice=_ADVICE) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise RelightError(f"{path} has more than {LARGEST >> 20} MiB, which no model here has: {_ADVICE}.")
    with foreign(f"{path} is damaged or not a Caffe model: {_ADVICE}."):
        found = _from_hdf5(path) if content.startswith(_HDF5) else _from_protobuf(content)
    if not found:
        raise RelightError(f"{path} holds no layer with numbers: {_ADVICE}.")
    return found


def _from_protobuf(content: bytes) -> dict[str, np.ndarray]:
    net = _message_class()()
    net.ParseFromString(content)
    found = {}
    for layer in (*net.layer, *net.layers):
        for number, blob in enumerate(layer.blobs):
            shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
            found[f"{layer.name}.{number}"] = _shaped(np.asarray(blob.data, np.float32), shape)
    return found


def _from_hdf5(path: Path) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}
    with h5py.File(path, "r") as file:
        for layer, group in file["data"].items():
            for number, blob in group.items():
                # A virtual or external dataset could read any file, or unfold to any size.
                if blob.is_virtual or blob.external or blob.nbytes > LARGEST:
                    raise ValueError("a layer's numbers lie outside the file")
                found[f"{layer}.{number}"] = np.asarray(blob, np.float32)
    return found


def _shaped(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise ValueError("a layer has another count of numbers than its shape says")
    return values.reshape(shape)


@functools.cache
def _message_class() -> Any:
    """Return the parser's class for a network, of Caffe's fields that are read."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tf_relight_caffe.proto", package="tf_relight.caffe", syntax="proto2"
    )

    def message(name: str, *fields: tuple[str, int, str]) -> None:
        made = file.message_type.add(name=name)
        for label, number, kind in fields:
            repeated = kind.endswith("*")
            kind = kind.removesuffix("*")
            field = made.field.add(name=label, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            plain = {"string": kinds.TYPE_STRING, "int": kinds.TYPE_INT32, "long": kinds.TYPE_INT64}
            plain["float"] = kinds.TYPE_FLOAT
            if kind in plain:
                field.type = plain[kind]
                field.options.packed = repeated and kind != "string"
            else:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".tf_relight.caffe.{kind}"

    message("Shape", ("dim", 1, "long*"))
    sizes = [(name, i + 1, "int") for i, name in enumerate(("num", "channels", "height", "width"))]
    message("Blob", *sizes, ("data", 5, "float*"), ("shape", 7, "Shape"))
    message("Layer", ("name", 1, "string"), ("blobs", 7, "Blob*"))
    message("OldLayer", ("name", 4, "string"), ("blobs", 6, "Blob*"))
    message("Net", ("name", 1, "string"), ("layers", 2, "OldLayer*"), ("layer", 100, "Layer*"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf_relight.caffe.Net"))
