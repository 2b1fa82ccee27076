"""Walks through a pickle without executing it.

Python's own unpickler calls whatever functions a pickle names, and its memory can be made to fill with a few
bytes. This machine knows the few instructions that plain data need; a name in the pickle is a word that
selects one of the cases of a subclass, and is never imported.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

MAX_INSTRUCTIONS = 4_000_000
MAX_KEY_LENGTH = 256


class BadPickle(Exception):
    """Why a pickle is refused."""


@dataclass(frozen=True)
class Name:
    """A function or class named in the pickle: a word, nothing that could be called."""

    text: str


@dataclass
class Walker:
    """Walks through one pickle of plain containers, texts and numbers; subclasses know more."""

    stack: list[Any] = field(default_factory=list)
    outer: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, stream: BinaryIO) -> Any:
        """Return the object of the pickle at the stream's position and leave the stream behind it.

        Raises:
            BadPickle: an instruction or a name that plain data do not need.
            Exception: damaged pickles fail in many ways; use it within `reading.foreign`.
        """
        for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MAX_INSTRUCTIONS:
                raise BadPickle("its table of tensors is too long")
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
                raise BadPickle(f"its pickle uses the instruction {name}")
        raise BadPickle("its pickle has no end")

    # -- what a subclass knows -------------------------------------------------------------------------------

    def known(self, text: str) -> bool:
        """Whether "module name" is one of those that this kind of file needs."""
        return False

    def refusal(self, text: str) -> BadPickle:
        """Return why a name that is not `known` is refused."""
        return BadPickle(f"it asks for '{printable(text[:80].replace(' ', '.'))}'")

    def made(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return what stands for the result of calling a known name."""
        raise BadPickle(f"it calls '{name}'")

    def built(self, target: Any, state: Any) -> None:
        """Finish an object with its state."""
        raise BadPickle("its pickle builds something unknown")

    def persistent(self, reference: Any) -> Any:
        """Return what a persistent id stands for."""
        raise BadPickle("it refers to something outside")

    # -- the instructions ------------------------------------------------------------------------------------

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
            raise BadPickle("its pickle takes more than it has")
        del self.stack[-count:]
        self.stack.append(items)

    def append(self, items: list[Any]) -> None:
        """Append to the list on top."""
        if not isinstance(self.stack[-1], list):
            raise BadPickle("its pickle appends to something that is no list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Set keys and values of the dict on top."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise BadPickle("its pickle sets items of something that is no dict")
        set_items(target, list(zip(items[::2], items[1::2], strict=True)))

    def name(self, text: Any) -> None:
        """Take a name, if it is a known one."""
        if not self.known(text):
            raise self.refusal(text)
        self.stack.append(Name(text))

    def stack_name(self, _: Any) -> None:
        """Take a name from the two texts on top."""
        name, module = self.stack.pop(), self.stack.pop()
        # Tuples of tuples of the same tuple would become a text without end.
        if not isinstance(name, str) or not isinstance(module, str):
            raise BadPickle("it asks for something that has no name")
        self.name(f"{module} {name}")

    def reduce(self, _: Any) -> None:
        """Make what the pickle would make by a call."""
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise BadPickle("its pickle calls something unknown")
        self.stack.append(self.made(name.text, arguments))

    def build(self, _: Any) -> None:
        """Finish an object with the state on top."""
        state, target = self.stack.pop(), self.stack[-1]
        self.built(target, state)

    def reference(self, _: Any) -> None:
        """Answer a persistent id."""
        self.stack.append(self.persistent(self.stack.pop()))


_PUSH = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
    | {"BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BYTEARRAY8"}
)
_PUSH_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_STEPS: dict[str, Callable[[Walker, Any], None]] = {
    "MARK": Walker.mark,
    "BINPUT": Walker.put,
    "LONG_BINPUT": Walker.put,
    "MEMOIZE": Walker.memoize,
    "BINGET": Walker.get,
    "LONG_BINGET": Walker.get,
    "TUPLE": Walker.tuple_of_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "GLOBAL": Walker.name,
    "STACK_GLOBAL": Walker.stack_name,
    "REDUCE": Walker.reduce,
    "NEWOBJ": Walker.reduce,
    "BUILD": Walker.build,
    "BINPERSID": Walker.reference,
}


def whole(value: Any) -> int:
    """Return a size, offset or stride of the pickle, if it is one that a file can have."""
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise BadPickle("a size, offset or stride is not a sensible number")
    return value


def printable(text: str) -> str:
    """Return text of the file for a message; control characters could break the line or steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def set_items(target: dict[Any, Any], pairs: Any) -> None:
    """Set the items of a dict whose keys are short printable texts or numbers."""
    for key, value in pairs:
        # Keys become names of tensors, which messages show: no control characters.
        fits = len(key) <= MAX_KEY_LENGTH and key.isprintable() if isinstance(key, str) else type(key) is int
        if not fits:
            raise BadPickle("the key of a dict is neither a short text nor a number")
        target[key] = value
