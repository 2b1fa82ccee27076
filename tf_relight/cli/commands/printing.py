"""What several commands print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def report_failures(failures: Iterable[str]) -> int:
    """Print failures to stderr; return the exit code."""
    listed = list(failures)
    for failure in listed:
        print(f"relight: error: {failure}", file=sys.stderr)
    return 2 if listed else 0


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object, in ASCII, so that any terminal and any reader takes it."""
    print(json.dumps(values, indent=1))


def print_aligned(rows: Sequence[Sequence[str]]) -> None:
    """Print a table without wrapping, so that it can be searched and piped."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
