"""What several commands print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from tf_relight.terminal import complain, say, say_lines

SHOWN_OF_A_KIND = 5
_PLACES = re.compile(r"\S*[/\\.]\S*")


def report_failures(failures: Iterable[str]) -> int:
    """Print failures to stderr; return the exit code.

    Of sentences that differ in the names of files only, the first few are printed and the rest is counted:
    a full disk is one reason, however many photos it hits.
    """
    kinds: dict[str, list[str]] = {}
    for failure in failures:
        kinds.setdefault(_PLACES.sub("*", failure), []).append(failure)
    for alike in kinds.values():
        for failure in alike[:SHOWN_OF_A_KIND]:
            complain(failure)
        left = len(alike) - SHOWN_OF_A_KIND
        if left > 0:
            complain(f"... and the same for {left:,} more.")
    return 2 if kinds else 0


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object, in ASCII, so that any terminal and any reader takes it."""
    say_lines(json.dumps(values, indent=1))


def print_aligned(rows: Sequence[Sequence[str]]) -> None:
    """Print a table without wrapping, so that it can be searched and piped."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
