"""YAML as settings need it: bounded, repeated keys are mistakes, 1e-4 is a number, nothing is executed.

YAML can name a part again and again (aliases, merge keys), so that a text of a few hundred bytes stands for
millions of entries. What a text stands for is counted while its tree is built, before any of it unfolds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tf_relight.errors import RelightError, shortened
from tf_relight.guarded.reading import read_text, reason_of

LARGEST_YAML = 256 << 10
"""Bytes. No settings are longer; a picture or a weights file given by mistake mostly is."""
MOST_ENTRIES = 20_000
MOST_UNFOLDED = 100_000
MOST_DEPTH = 40
LONGEST_NUMBER = 100


class Loader(yaml.SafeLoader):
    """SafeLoader with limits, which notes repeated and non-text keys instead of keeping the last in silence.

    Attributes:
        problems: a sentence per odd key.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[str] = []
        self._entries = 0
        self._depth = 0
        self._sizes: dict[int, int] = {}
        self._open: set[str] = set()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Build a part of the tree; refuses what is too much, too deep, or contains itself."""
        event = self.peek_event()
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent) and anchor in self._open:
            raise _Refused("a part contains itself", event.start_mark)
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise _Refused(f"it has more than {MOST_ENTRIES:,} entries", event.start_mark)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _Refused("it is nested too deeply", event.start_mark)
        new = None if isinstance(event, yaml.AliasEvent) else anchor
        if new is not None:
            self._open.add(new)
        node = super().compose_node(parent, index)
        if new is not None:
            self._open.discard(new)
        self._depth -= 1
        self._count(node, event)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, noting keys that stand twice or are no words."""
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = key_node.value
            if key_node.tag != "tag:yaml.org,2002:str" or not isinstance(key, str):
                shown = shortened(repr(key) if isinstance(key, str) else "of several parts", 60)
                self.problems.append(f"line {line}: the key {shown} should be a word (put it in quotes).")
            elif key in seen:
                shown = shortened(key, 60)
                self.problems.append(f"line {line}: the key '{shown}' was already given in line {seen[key]}.")
            else:
                seen[key] = line
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Return a number; PyYAML takes 1:1:1:... and thousands of digits, which no message could show."""
        if len(node.value) > LONGEST_NUMBER:
            raise _Refused(f"a number has more than {LONGEST_NUMBER} characters", node.start_mark)
        try:
            is_int = node.tag.endswith(":int")
            return self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        except (ValueError, IndexError, OverflowError) as error:
            raise _Refused(f"'{shortened(node.value, 40)}' is not a number", node.start_mark) from error

    def _count(self, node: Any, event: Any) -> None:
        if id(node) not in self._sizes:
            inner: list[yaml.Node] = []
            if isinstance(node, yaml.MappingNode):
                inner = [each for pair in node.value for each in pair]
            elif isinstance(node, yaml.SequenceNode):
                inner = node.value
            self._sizes[id(node)] = 1 + sum(self._sizes[id(each)] for each in inner)
        if self._sizes[id(node)] > MOST_UNFOLDED:
            raise _Refused(f"it unfolds to more than {MOST_UNFOLDED:,} entries", event.start_mark)


class _Refused(yaml.MarkedYAMLError):
    """What a limit refuses, with its line."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


for _kind in ("int", "float"):
    Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", Loader.construct_number)
# YAML 1.1, which PyYAML reads, wants "1.0e-4"; everybody writes "1e-4", and would get text.
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml_text(path: Path | str, *, what: str, advice: str) -> str:
    """Return the text of a YAML file, bounded; raises as `reading.read_text`."""
    return read_text(path, LARGEST_YAML, what=what, advice=advice)


def parse_yaml(text: str) -> tuple[Any, list[str]]:
    """Return what a YAML text says, and a sentence per repeated or odd key.

    Raises:
        RelightError: it is not YAML, or too much; the sentence is "line 3: what is wrong", without an end.
    """
    with loading(text) as loader:
        return loader.get_single_data(), loader.problems


@contextmanager
def loading(text: str) -> Iterator[Loader]:
    """Yield a loader of `text`; whatever it raises becomes a RelightError "line 3: what is wrong"."""
    loader: Loader | None = None
    try:
        # The text's odd characters are found here, not later.
        loader = Loader(text)
        yield loader
    except RelightError:
        raise
    except Exception as error:  # constructors of odd values fail in many ways
        raise RelightError(_where(error)) from error
    finally:
        if loader is not None:
            loader.dispose()


def _where(error: Exception) -> str:
    """Return an error of YAML as "line 3: what is wrong"."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    if not problem:
        problem = reason_of(error) if isinstance(error, RecursionError | yaml.YAMLError) else "an odd value"
    problem = shortened(str(problem))
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem
