"""JSON and CSV of strangers: bounded in size and depth, and wrong in one sentence."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_relight.errors import RelightError
from tf_relight.guarded.reading import read_text, reason_of

MOST_DEPTH = 64
LARGEST_JSON = 16 << 20
"""Bytes; our longest, a manifest, has some hundred thousand."""
LARGEST_CSV = 256 << 20
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def parse_json(text: str | bytes, *, source: str, depth: int | None = MOST_DEPTH) -> Any:
    """Return what a JSON text says.

    Args:
        source: what the text is, such as a file's name; the sentence begins with it.
        depth: how deep lists and objects may be nested; None leaves it at what Python can read.

    Raises:
        RelightError: not JSON, nested too deeply, or text with half a character, which nobody can write.
    """
    try:
        words = text if isinstance(text, str) else text.decode("utf-8-sig")
        content = json.loads(words)
    except RecursionError:
        raise RelightError(f"{source} is not JSON that can be read: it is nested too deeply.") from None
    except (ValueError, MemoryError) as error:
        raise RelightError(f"{source} is not JSON ({reason_of(error)}).") from None
    if depth is not None and _depth(content, depth) > depth:
        raise RelightError(f"{source} is nested deeper than {depth} levels.")
    if _SURROGATE.search(words) and any(_SURROGATE.search(each) for each in _texts(content)):
        raise RelightError(f"{source} holds half of a character (a lone surrogate).")
    return content


def read_json(path: Path | str, *, what: str, advice: str, limit: int = LARGEST_JSON) -> Any:
    """Return what a JSON file says.

    Raises:
        NoSuchFile, RelightError: as `reading.read_text` and `parse_json`.
    """
    text = read_text(path, limit, what=what, advice=advice)
    try:
        return parse_json(text, source=str(path))
    except RelightError as error:
        raise RelightError(f"{str(error).removesuffix('.')}: {advice}.") from error


def read_csv(
    path: Path | str, *, what: str, advice: str, limit: int = LARGEST_CSV, delimiter: str = ","
) -> tuple[list[str], list[dict[str, str]]]:
    """Return the names in the first line of a CSV file, and its rows by name; short rows end with "".

    Raises:
        NoSuchFile, RelightError: as `reading.read_text`, or it is no table.
    """
    text = read_text(path, limit, what=what, advice=advice)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="", strict=True, delimiter=delimiter)
        rows = list(reader)
        names = list(reader.fieldnames or ())
    except (csv.Error, ValueError) as error:
        raise RelightError(f"{path} is not a table ({reason_of(error)}): {advice}.") from error
    if any(None in row for row in rows):
        raise RelightError(f"{path} is not a table (a row is longer than the first line): {advice}.")
    return names, rows


def _depth(content: Any, enough: int) -> int:
    """How deep containers are nested, counted no further than just above `enough`."""
    level, found = [content], 0
    while found <= enough:
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            break
        found += 1
        inner: list[Any] = []
        for each in level:
            inner.extend(
                part
                for part in (each.values() if isinstance(each, dict) else each)
                if isinstance(part, dict | list)
            )
        level = inner
    return found


def _texts(content: Any) -> Iterator[str]:
    pending = [content]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            pending += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            pending += each
