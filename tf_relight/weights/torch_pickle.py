"""Walks through the pickle of a PyTorch checkpoint without executing it.

The names in the file select one of the cases below; they are never imported. `weights.torch_file` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tf_relight.guarded.pickles import BadPickle as BadFile
from tf_relight.guarded.pickles import Name, Walker, printable, set_items, whole

MAX_TENSORS = 100_000
MAX_RANK = 8
MAX_COPIED = 300_000
"""Entries that dicts may take from other containers; one list may be named a million times."""

_STORED_TYPES = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "BFloat16": "<u2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "|i1",
    "Byte": "|u1",
    "Bool": "|u1",
}
_REBUILD = frozenset({"torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"})
_PARAMETER = frozenset({"torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"})
_TENSOR_CLASSES = frozenset(
    {"torch Tensor"} | {f"{m} {n}Tensor" for m in ("torch", "torch.cuda") for n in _STORED_TYPES}
)
_STORAGE_CLASSES = {
    f"{module} {name}Storage": name for module in ("torch", "torch.cuda") for name in _STORED_TYPES
}
_KNOWN_NAMES = _REBUILD | _PARAMETER | _TENSOR_CLASSES | _STORAGE_CLASSES.keys() | {"collections OrderedDict"}


@dataclass
class Storage:
    """A flat run of numbers; `values` is allocated when it is first named and filled later."""

    kind: str
    count: int
    values: np.ndarray

    @property
    def stored_bytes(self) -> int:
        """How many bytes the numbers take in the file."""
        return self.count * np.dtype(_STORED_TYPES[self.kind]).itemsize

    def fill(self, raw: bytes) -> None:
        """Take the numbers as they stand in the file."""
        if len(raw) != self.stored_bytes:
            raise BadFile("it ends too early")
        numbers = np.frombuffer(raw, _STORED_TYPES[self.kind])
        if self.kind == "BFloat16":
            # A bfloat16 is the upper half of a float32.
            numbers = (numbers.astype("<u4") << 16).view("<f4")
        self.values[:] = numbers


@dataclass
class Tensor:
    """A tensor of the file. Old files name its class first and say what it holds afterwards."""

    array: np.ndarray | None = None


@dataclass
class Machine(Walker):
    """Walks through one pickle. `storages` collects what it names, by key, in the order of appearance."""

    file_bytes: int = 0
    storages: dict[str, Storage] = field(default_factory=dict)
    named_bytes: int = 0
    tensors: int = 0
    copied: int = 0

    def known(self, text: str) -> bool:
        """Whether it is one of the names that PyTorch writes."""
        return text in _KNOWN_NAMES

    def refusal(self, text: str) -> BadFile:
        """Say that a file asks for more than tensors."""
        asked = printable(text[:80].replace(" ", "."))
        return BadFile(f"it asks for '{asked}', which is not a plain tensor")

    def made(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return the container or tensor that a call makes."""
        if name == "collections OrderedDict":
            result: dict[Any, Any] = {}
            if arguments:
                self.copy_items(result, arguments[0])
            return result
        if name in _REBUILD:
            return Tensor(self.view(*arguments[:4]))
        if name in _PARAMETER:
            parameter = arguments[0] if arguments else Tensor()
            if not isinstance(parameter, Tensor):
                raise BadFile("a parameter is made of something that is no tensor")
            return parameter
        if name in _TENSOR_CLASSES and not arguments:
            return Tensor()
        raise BadFile(f"it calls '{name}'")

    def copy_items(self, target: dict[Any, Any], pairs: Any) -> None:
        """Fill a dict from a list of pairs, as the first PyTorch versions wrote it."""
        if not isinstance(pairs, list):
            raise BadFile("a dict is made of something that is no list")
        self.copied += len(pairs)
        if self.copied > MAX_COPIED:
            raise BadFile("it has too many entries")
        set_items(target, pairs)

    def built(self, target: Any, state: Any) -> None:
        """Finish an object: an empty tensor gets its numbers; other states hold nothing that is needed."""
        if isinstance(target, Tensor) and target.array is None:
            # A tensor's own state has 4 parts, that of a parameter of the first PyTorch versions has 5.
            if isinstance(state, tuple) and len(state) == 5 and isinstance(state[0], Tensor):
                target.array = state[0].array
            elif isinstance(state, tuple) and len(state) == 4:
                target.array = self.view(*state)
            else:
                raise BadFile("the state of a tensor is unknown")
        elif not isinstance(target, dict | Tensor):
            raise BadFile("its pickle builds something unknown")

    def persistent(self, reference: Any) -> np.ndarray:
        """Return the numbers of ('storage', class, key, device, count[, view])."""
        if not isinstance(reference, tuple) or not 5 <= len(reference) <= 6:
            raise BadFile("it refers to something that is no storage")
        label, kind_name, key, _device, count, *rest = reference
        if label != "storage" or not isinstance(kind_name, Name) or kind_name.text not in _STORAGE_CLASSES:
            raise BadFile("it refers to something that is no storage")
        kind, key, count = _STORAGE_CLASSES[kind_name.text], storage_key(key), whole(count)
        if key not in self.storages:
            stored = np.dtype(_STORED_TYPES[kind])
            self.named_bytes += count * stored.itemsize
            # The numbers must still come in the same file, so this bounds the memory before any is taken.
            if self.named_bytes > self.file_bytes:
                raise BadFile("it promises more numbers than it holds")
            memory = {"BFloat16": np.dtype("<f4"), "Bool": np.dtype(bool)}.get(kind, stored)
            self.storages[key] = Storage(kind, count, np.zeros(count, memory))
        storage = self.storages[key]
        if storage.kind != kind or storage.count != count:
            raise BadFile(f"storage {key} is described in two ways")
        values = storage.values
        if rest and rest[0] is not None:
            _, offset, length = rest[0]
            offset, length = whole(offset), whole(length)
            if offset + length > count:
                raise BadFile(f"a view leaves storage {key}")
            values = values[offset : offset + length]
        return values

    def view(self, values: Any, offset: Any, shape: Any, strides: Any) -> np.ndarray:
        """Return the tensor of a storage without copying, after checking that it stays inside."""
        self.tensors += 1
        if self.tensors > MAX_TENSORS:
            raise BadFile(f"it has more than {MAX_TENSORS} tensors")
        if (
            not isinstance(values, np.ndarray)
            or not isinstance(shape, tuple)
            or not isinstance(strides, tuple)
        ):
            raise BadFile("a tensor is described wrongly")
        if len(shape) != len(strides) or len(shape) > MAX_RANK:
            raise BadFile(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
        start, sizes, steps = whole(offset), [whole(s) for s in shape], [whole(s) for s in strides]
        count = 1
        for size in sizes:
            count *= size
        last = start + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
        if count == 0:
            empty = np.zeros(sizes, values.dtype)
            empty.flags.writeable = False
            return empty
        # A stride of 0 could make a small file unfold to any size in whoever copies the tensor.
        if last >= values.size or count > values.size:
            raise BadFile("a tensor leaves its storage")
        width = values.itemsize
        byte_strides = [step * width for step in steps]
        array = np.ndarray(sizes, values.dtype, values, start * width, byte_strides)
        array.flags.writeable = False
        return array


def storage_key(key: Any) -> str:
    """Return the key of a storage if it is digits only: in the archive it is part of an entry's name."""
    if not isinstance(key, str) or not key.isascii() or not key.isdigit() or len(key) > 32:
        raise BadFile("the key of a storage is not a number")
    return key
