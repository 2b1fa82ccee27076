"""The YAML file of a run: its content, and a sentence per repeated or odd key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_relight.errors import RelightError
from tf_relight.guarded.yaml_text import parse_yaml, read_yaml_text


def read_mapping(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read a YAML file; return its content and a sentence per repeated or odd key.

    Raises:
        RelightError: the file cannot be read, is empty, is not YAML, or is not keys with values.
    """
    text = read_yaml_text(path, what="a config", advice="name the .yaml file of a run")
    try:
        values, problems = parse_yaml(text)
    except RelightError as error:
        raise RelightError(f"{path} is not YAML: {error}.") from error
    if values is None:
        raise RelightError(f"{path} is empty: it needs at least 'method' and 'train.steps'.")
    if not isinstance(values, dict):
        raise RelightError(f"{path} should hold lines of 'key: value', but it is a {type(values).__name__}.")
    # Odd keys are already reported; without them the other checks can go on.
    return {key: value for key, value in values.items() if isinstance(key, str)}, problems


def parse_value(text: str) -> tuple[Any, str | None]:
    """Read the value of a `--set`; return it and what is wrong with it, if anything."""
    try:
        value, problems = parse_yaml(text)
    except RelightError as error:
        return None, f"the value is not YAML: {error}."
    return value, " ".join(problems) or None
