"""YAML files of runs, tables and lights: their content, and a sentence per repeated or odd key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_relight.errors import RelightError
from tf_relight.guarded.yaml_text import parse_yaml, read_yaml_text


def read_mapping(
    path: Path, *, what: str = "a config", needs: str = "'method' and 'train.steps'"
) -> tuple[dict[str, Any], list[str]]:
    """Read a YAML file; return its content and a sentence per repeated or odd key.

    Args:
        what: the file in a message. needs: what one that is empty lacks.

    Raises:
        RelightError: the file cannot be read, is empty, is not YAML, or is not keys with values.
    """
    text = read_yaml_text(path, what=what, advice="name a .yaml file")
    try:
        values, problems = parse_yaml(text)
    except RelightError as error:
        raise RelightError(f"{path} is not YAML: {error}.") from error
    if values is None:
        raise RelightError(f"{path} is empty: it needs at least {needs}.")
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
