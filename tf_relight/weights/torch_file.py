"""Reads PyTorch checkpoints (.pth, .pt, .t7) with numpy only and never executes what is in them.

A checkpoint is a pickle plus raw numbers. Python's own unpickler calls whatever functions a pickle names,
so a checkpoint from a stranger can run any command. Here `tf_relight.weights.torch_pickle` walks through the
pickle instead, and refuses everything that is not a plain tensor in plain containers.

Both formats are read: the zip archive (since PyTorch 1.6) and the older stream of pickles.
"""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.reading import foreign, open_file
from tf_relight.weights.torch_pickle import MAX_TENSORS, BadFile, Machine, Tensor, storage_key

MAX_PICKLE_BYTES = 16 << 20
MAX_ENTRIES = 3 * MAX_TENSORS
MAX_DEPTH = 16
MAX_NAME_LENGTH = 512

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001


def read(path: Path | str) -> dict[str, np.ndarray]:
    """Return {name: array} of every tensor in a PyTorch checkpoint.

    Names of nested dicts and lists are joined with dots, so {"state_dict": {"conv.weight": ...}} gives
    "state_dict.conv.weight". Everything that is not a tensor is left out. The arrays keep the shape and the
    type of the file (bfloat16 becomes float32), may share memory as the tensors did, and are read-only.

    Raises:
        RelightError: missing, truncated or damaged, not a PyTorch checkpoint, or it names anything but
            plain tensors in plain containers.
    """
    path = Path(path)
    advice = "name the .pth file of a checkpoint"
    with (
        open_file(path, what="the checkpoint", advice=advice) as file,
        # A damaged file trips the parsers in many ways.
        foreign(f"{path} is damaged or not a PyTorch checkpoint: get the file again."),
    ):
        try:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            content = _read_zip(file, size) if is_zip else _read_legacy(file, size)
            return _named_tensors(content)
        except BadFile as error:
            raise RelightError(f"{path} is not a checkpoint that can be read safely: {error}.") from error


def _read_zip(file: BinaryIO, size: int) -> Any:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise BadFile("an entry stands in the archive twice")
        pickles = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise BadFile("the archive has no data.pkl of its own")
        root = pickles[0].removesuffix("data.pkl")

        def entry_bytes(name: str, expected: int | None = None) -> bytes:
            entry = entries.get(root + name)
            if entry is None:
                raise BadFile(f"the archive lacks {name}")
            # PyTorch never compresses; a compressed entry could unfold to any size.
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise BadFile(f"{name} is compressed")
            if entry.file_size > size or (expected is not None and entry.file_size != expected):
                raise BadFile(f"{name} has {entry.file_size} bytes instead of {expected}")
            return archive.read(entry)

        if root + "byteorder" in entries and entry_bytes("byteorder").strip() != b"little":
            raise BadFile("its numbers are not little-endian")
        if entries[root + "data.pkl"].file_size > MAX_PICKLE_BYTES:
            raise BadFile("its table of tensors is too large")
        machine = Machine(file_bytes=size)
        content = machine.run(io.BytesIO(entry_bytes("data.pkl")))
        for key, storage in machine.storages.items():
            storage.fill(entry_bytes(f"data/{key}", storage.stored_bytes))
    return content


def _read_legacy(file: BinaryIO, size: int) -> Any:
    head = io.BytesIO(file.read(min(size, MAX_PICKLE_BYTES)))
    try:
        is_checkpoint = Machine(file_bytes=size).run(head) == _LEGACY_MAGIC
    except (BadFile, ValueError, IndexError):
        is_checkpoint = False
    if not is_checkpoint:
        raise BadFile("it is not a PyTorch file")
    if Machine(file_bytes=size).run(head) != _LEGACY_VERSION:
        raise BadFile("its format version is unknown")
    system = Machine(file_bytes=size).run(head)
    if system.get("little_endian") is not True:
        raise BadFile("its numbers are not little-endian")
    machine = Machine(file_bytes=size)
    content = machine.run(head)
    order = Machine(file_bytes=size).run(head)
    if not isinstance(order, list) or len(order) != len(machine.storages):
        raise BadFile("its list of storages does not fit")
    file.seek(head.tell())
    remaining = dict(machine.storages)
    for key in order:
        storage = remaining.pop(storage_key(key))
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise BadFile(f"storage {key} has {count} numbers instead of {storage.count}")
        storage.fill(file.read(storage.stored_bytes))
    return content


def _named_tensors(content: Any) -> dict[str, np.ndarray]:
    """Return the tensors of nested containers by their dotted names."""
    found: dict[str, np.ndarray] = {}
    visited = 0
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    while pending:
        prefix, value, depth = pending.pop()
        visited += 1
        # Containers may contain each other, or one container a million times.
        if depth > MAX_DEPTH or len(prefix) > MAX_NAME_LENGTH:
            raise BadFile("its containers are nested too deeply")
        if isinstance(value, Tensor) and value.array is not None:
            if prefix in found:
                raise BadFile(f"two tensors are called '{prefix}'")
            found[prefix] = value.array
        elif isinstance(value, dict | list | tuple):
            items = list(value.items() if isinstance(value, dict) else enumerate(value))
            if visited + len(pending) + len(items) > MAX_ENTRIES:
                raise BadFile("it has too many entries")
            join = f"{prefix}." if prefix else ""
            pending += [(f"{join}{key}", item, depth + 1) for key, item in reversed(items)]
    if not found:
        raise BadFile("it holds no tensor")
    return found
