"""Mistakes in settings, in the words of somebody who writes YAML."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from tf_relight.data.options import DataConfig, owners
from tf_relight.errors import LONGEST_QUOTE, shortened, suggest

PLAIN_WORDS = {
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "int_type": "should be a whole number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "string_type": "should be text (put it in quotes)",
    "path_type": "should be a path (put it in quotes)",
    "list_type": "should be a list such as [a, b]",
}
"""Pydantic's error types in the words of somebody who writes YAML."""


def sentence(mistake: Any, prefix: tuple[str, ...], known: Mapping[str, type[BaseModel]]) -> str:
    """Return one pydantic error as "dotted.path = value: what is wrong"."""
    place = (*prefix, *(shortened(str(part), 60) for part in mistake["loc"]))
    path, kind, value = ".".join(place), mistake["type"], mistake["input"]
    if kind == "missing":
        return f"{path} is missing: it has no default."
    if kind == "extra_forbidden":
        return f"{path}: unknown key.{_suggest_key(place, known)}"
    if kind in ("model_type", "dict_type"):
        return f"{path} = {reprlib.repr(value)}: should be a section of keys and values."
    message = shortened(_message(mistake).rstrip("."), 2 * LONGEST_QUOTE)
    end = "" if message.endswith("?") else "."
    if not path:  # a rule over several sections names them itself
        return f"{message}{end}"
    shown = "" if isinstance(value, dict) else f" = {reprlib.repr(value)}"
    return f"{path}{shown}: {message}{end}"


def _message(mistake: Any) -> str:
    """Return what is wrong with a value, in plain words."""
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind in PLAIN_WORDS:
        return PLAIN_WORDS[kind]
    if isinstance(context.get("error"), Exception):
        return str(context["error"])
    message = mistake["msg"].removeprefix("Input ")
    if kind == "literal_error" and isinstance(mistake["input"], str):
        message += "." + suggest(mistake["input"], re.findall(r"'([^']*)'", context["expected"]))
    return message


def _suggest_key(place: tuple[str, ...], known: Mapping[str, type[BaseModel]]) -> str:
    """Return a hint for an unknown key: the nearest of its own section, or its twin in another one."""
    section, key = ".".join(place[:-1]), place[-1]
    others = owners(key) if section in known and issubclass(known[section], DataConfig) else []
    if others:
        name = known[section].__module__.removeprefix("tf_relight.data.").split(".")[0]
        return f" It is an option of the data {', '.join(others)}, not of '{name}'."
    fields = known[section].model_fields if section in known else {}
    start = f"{section}." if section else ""
    for other, model in known.items():
        if key in model.model_fields and other != section:
            return f" Did you mean '{other}.{key}'?" if other else f" Did you mean '{key}', at the top level?"
    hint = suggest(key, fields)
    if hint:
        return hint.replace("'", f"'{start}", 1)
    return f" Known: {', '.join(fields)}." if fields else ""
