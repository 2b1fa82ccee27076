"""Walks through the pickle of a PyTorch checkpoint without executing it.

Python's own unpickler calls whatever functions a pickle names. This machine knows the few instructions
that PyTorch writes, and the names in the file select one of the cases below; they are never imported.
`tf_relight.weights.torch_file` uses it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

MAX_INSTRUCTIONS = 4_000_000
MAX_TENSORS = 100_000
MAX_RANK = 8
MAX_KEY_LENGTH = 256
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


class BadFile(Exception):
    """Why the file is refused; `torch_file` turns it into a RelightError that names the file."""


@dataclass(frozen=True)
class Name:
    """A function or class named in the pickle: a word, nothing that could be called."""

    text: str


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
class Machine:
    """Walks through one pickle. `storages` collects what it names, by key, in the order of appearance."""

    file_bytes: int
    storages: dict[str, Storage] = field(default_factory=dict)
    stack: list[Any] = field(default_factory=list)
    outer: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    named_bytes: int = 0
    tensors: int = 0
    copied: int = 0

    def run(self, stream: BinaryIO) -> Any:
        """Return the object of the pickle at the stream's position and leave the stream behind it."""
        for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MAX_INSTRUCTIONS:
                raise BadFile("its table of tensors is too long")
            name = instruction.name
            if name == "STOP":
                return self.stack.pop()
            if name in _PUSH:
                self.stack.append(argument)
            elif name in _PUSH_NEW:
                self.stack.append(_PUSH_NEW[name]())
            elif name in _STEPS:
                _STEPS[name](self, argument)
            elif name not in ("PROTO", "FRAME"):
                raise BadFile(f"its pickle uses the instruction {name}")
        raise BadFile("its pickle has no end")

    def mark(self, _: Any) -> None:
        """Begin a group of items."""
        self.outer.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """End the group begun last and return it."""
        items, self.stack = self.stack, self.outer.pop()
        return items

    def put(self, index: Any) -> None:
        """Remember the object on top under a number."""
        self.memo[index] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        """Remember the object on top under the next number."""
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: Any) -> None:
        """Put a remembered object on top."""
        self.stack.append(self.memo[index])

    def tuple_of_mark(self, _: Any) -> None:
        """Make a tuple of the group."""
        items = self.pop_mark()
        self.stack.append(tuple(items))

    def tuple_of(self, count: int) -> None:
        """Make a tuple of the objects on top."""
        items = tuple(self.stack[-count:])
        if len(items) != count:
            raise BadFile("its pickle takes more than it has")
        del self.stack[-count:]
        self.stack.append(items)

    def append(self, items: list[Any]) -> None:
        """Append to the list on top."""
        if not isinstance(self.stack[-1], list):
            raise BadFile("its pickle appends to something that is no list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Set keys and values of the dict on top."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise BadFile("its pickle sets items of something that is no dict")
        _set_items(target, list(zip(items[::2], items[1::2], strict=True)))

    def name(self, text: Any) -> None:
        """Take a name, if it is one of those PyTorch writes."""
        if text not in _KNOWN_NAMES:
            raise BadFile(
                f"it asks for '{_printable(text[:80].replace(' ', '.'))}', which is not a plain tensor"
            )
        self.stack.append(Name(text))

    def stack_name(self, _: Any) -> None:
        """Take a name from the two texts on top."""
        name, module = self.stack.pop(), self.stack.pop()
        # Tuples of tuples of the same tuple would become a text without end.
        if not isinstance(name, str) or not isinstance(module, str):
            raise BadFile("it asks for something that has no name")
        self.name(f"{module} {name}")

    def reduce(self, _: Any) -> None:
        """Make what the pickle would make by a call."""
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise BadFile("its pickle calls something unknown")
        if name.text == "collections OrderedDict":
            result: Any = {}
            if arguments:
                self.copy_items(result, arguments[0])
        elif name.text in _REBUILD:
            result = Tensor(self.view(*arguments[:4]))
        elif name.text in _PARAMETER:
            result = arguments[0] if arguments else Tensor()
            if not isinstance(result, Tensor):
                raise BadFile("a parameter is made of something that is no tensor")
        elif name.text in _TENSOR_CLASSES and not arguments:
            result = Tensor()
        else:
            raise BadFile(f"it calls '{name.text}'")
        self.stack.append(result)

    def copy_items(self, target: dict[Any, Any], pairs: Any) -> None:
        """Fill a dict from a list of pairs, as the first PyTorch versions wrote it."""
        if not isinstance(pairs, list):
            raise BadFile("a dict is made of something that is no list")
        self.copied += len(pairs)
        if self.copied > MAX_COPIED:
            raise BadFile("it has too many entries")
        _set_items(target, pairs)

    def build(self, _: Any) -> None:
        """Finish an object: an empty tensor gets its numbers; other states hold nothing that is needed."""
        state, target = self.stack.pop(), self.stack[-1]
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

    def storage(self, _: Any) -> None:
        """Answer a persistent id: ('storage', class, key, device, count[, view])."""
        reference = self.stack.pop()
        if not isinstance(reference, tuple) or not 5 <= len(reference) <= 6:
            raise BadFile("it refers to something that is no storage")
        label, kind_name, key, _device, count, *rest = reference
        if label != "storage" or not isinstance(kind_name, Name) or kind_name.text not in _STORAGE_CLASSES:
            raise BadFile("it refers to something that is no storage")
        kind, key, count = _STORAGE_CLASSES[kind_name.text], storage_key(key), _whole(count)
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
            offset, length = _whole(offset), _whole(length)
            if offset + length > count:
                raise BadFile(f"a view leaves storage {key}")
            values = values[offset : offset + length]
        self.stack.append(values)

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
        start, sizes, steps = _whole(offset), [_whole(s) for s in shape], [_whole(s) for s in strides]
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


_PUSH = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
    | {"BINSTRING", "SHORT_BINSTRING"}
)
_PUSH_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    "MARK": Machine.mark,
    "BINPUT": Machine.put,
    "LONG_BINPUT": Machine.put,
    "MEMOIZE": Machine.memoize,
    "BINGET": Machine.get,
    "LONG_BINGET": Machine.get,
    "TUPLE": Machine.tuple_of_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "GLOBAL": Machine.name,
    "STACK_GLOBAL": Machine.stack_name,
    "REDUCE": Machine.reduce,
    "NEWOBJ": Machine.reduce,
    "BUILD": Machine.build,
    "BINPERSID": Machine.storage,
}


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise BadFile("a size, offset or stride is not a sensible number")
    return value


def storage_key(key: Any) -> str:
    """Return the key of a storage if it is digits only: in the archive it is part of an entry's name."""
    if not isinstance(key, str) or not key.isascii() or not key.isdigit() or len(key) > 32:
        raise BadFile("the key of a storage is not a number")
    return key


def _printable(text: str) -> str:
    """Return text of the file for a message; control characters could break the line or steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _set_items(target: dict[Any, Any], pairs: Any) -> None:
    for key, value in pairs:
        # Keys become names of tensors, which messages show: no control characters.
        fits = len(key) <= MAX_KEY_LENGTH and key.isprintable() if isinstance(key, str) else type(key) is int
        if not fits:
            raise BadFile("the key of a dict is neither a short text nor a number")
        target[key] = value
