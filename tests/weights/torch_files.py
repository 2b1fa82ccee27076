"""PyTorch checkpoints written by hand: a small assembler for the pickle instructions that PyTorch writes."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

PROTO = b"\x80\x02"
STOP = b"."
NONE = b"N"
FALSE = b"\x89"
BUILD = b"b"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def list_of(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def dict_of(items: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def name(module: str, word: str) -> bytes:
    return f"c{module}\n{word}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def ordered_dict(items: dict[str, bytes]) -> bytes:
    content = b"".join(text(key) + value for key, value in items.items())
    return call(name("collections", "OrderedDict")) + b"(" + content + b"u"


def storage(key: str, count: int, kind: str = "Float", view: bytes = b"") -> bytes:
    word = name("torch", f"{kind}Storage")
    return tuple_of(text("storage"), word, text(key), text("cpu"), number(count), view) + b"Q"


def tensor(source: bytes, shape=(2, 3), strides=(3, 1), offset: int = 0) -> bytes:
    sizes, steps = (tuple_of(*(number(n) for n in numbers)) for numbers in (shape, strides))
    hooks = call(name("collections", "OrderedDict"))
    function = name("torch._utils", "_rebuild_tensor_v2")
    return call(function, source, number(offset), sizes, steps, FALSE, hooks)


def write_zip(path: Path, content: bytes, storages: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    entries = {"model/data.pkl": PROTO + content + STOP, "model/byteorder": b"little"}
    entries |= {f"model/data/{key}": raw for key, raw in storages.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, raw in {**entries, "model/version": b"3\n"}.items():
            archive.writestr(zip_entry(entry, compression), raw)
    return path


def zip_entry(entry: str, compression: int) -> zipfile.ZipInfo:
    """Describe an archive's entry without the time of day, so that equal content gives equal files."""
    info = zipfile.ZipInfo(entry)
    info.compress_type = compression
    return info


def write_legacy(path: Path, content: bytes, storages: dict[str, np.ndarray]) -> Path:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [PROTO + content + STOP, pickle.dumps(list(storages), 2)]
    parts += [struct.pack("<q", values.size) + values.tobytes() for values in storages.values()]
    path.write_bytes(b"".join(parts))
    return path


VALUES = np.arange(6, dtype="<f4") - 2.5
GOOD = ordered_dict(
    {"conv.weight": tensor(storage("0", 6)), "conv.bias": tensor(storage("1", 2), (2,), (1,))}
)


def write_checkpoint(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Write a legacy checkpoint of float32 tensors; those that are the same object share their storage."""
    unique = {id(array): array for array in tensors.values()}
    keys = {identity: str(number) for number, identity in enumerate(unique)}
    entries = {}
    for entry, array in tensors.items():
        strides = tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))
        entries[entry] = tensor(storage(keys[id(array)], array.size), array.shape, strides)
    values = {keys[identity]: np.ascontiguousarray(array, "<f4") for identity, array in unique.items()}
    return write_legacy(path, ordered_dict(entries), values)
