"""YAML as a config needs it: repeated keys are mistakes, 1e-4 is a number, nothing is ever executed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tf_relight.errors import RelightError

LARGEST_BYTES = 1 << 20
"""No config is longer than this; a picture or a weights file given by mistake mostly is."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that notes repeated and non-text keys instead of keeping the last in silence."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = key_node.value
            if key_node.tag != "tag:yaml.org,2002:str":
                self.problems.append(f"line {line}: the key {key!r} should be a word (put it in quotes).")
            elif key in seen:
                self.problems.append(f"line {line}: the key '{key}' was already given in line {seen[key]}.")
            else:
                seen[key] = line
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML reads, wants "1.0e-4"; everybody writes "1e-4", and would get text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_mapping(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read a YAML file; return its content and a sentence per repeated or odd key.

    Raises:
        RelightError: the file cannot be read, is empty, is not YAML, or is not keys with values.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise RelightError(f"{path} is too large for a config: name the .yaml file of a run.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RelightError(f"Cannot read the config {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise RelightError(f"{path} is not text: name the .yaml file of a run.") from error
    try:
        values, problems = _parse(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RelightError(f"{path} is not YAML: {_where(error)}.") from error
    if values is None:
        raise RelightError(f"{path} is empty: it needs at least 'method' and 'train.steps'.")
    if not isinstance(values, dict):
        raise RelightError(f"{path} should hold lines of 'key: value', but it is a {type(values).__name__}.")
    # Odd keys are already reported; without them the other checks can go on.
    return {key: value for key, value in values.items() if isinstance(key, str)}, problems


def parse_value(text: str) -> tuple[Any, str | None]:
    """Read the value of a `--set`; return it and what is wrong with it, if anything."""
    try:
        value, problems = _parse(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return None, f"the value is not YAML: {_where(error)}."
    return value, " ".join(problems) or None


def _parse(text: str) -> tuple[Any, list[str]]:
    loader = _Loader(text)
    try:
        return loader.get_single_data(), loader.problems
    finally:
        loader.dispose()


def _where(error: Exception) -> str:
    """Return a YAML error as "line 3: what is wrong"."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)
