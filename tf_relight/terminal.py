"""What a user reads on the terminal: texts of others are shown, and neither steer the terminal nor break it.

Names of files may hold bytes that are no text, line breaks and commands for the terminal; streams may know no
other letters than ASCII. Both are shown with a mark such as `\\x1b` or `\\u65e5`, and never raise.
"""

from __future__ import annotations

import logging
import sys
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_JOINERS = "\u200c\u200d"
"""Invisible, but part of words in several scripts, and of emoji."""


def shown(text: Any) -> str:
    """Return a text of one line with marks for what would break the line or steer a terminal.

    A byte that is no text, as in a Latin-1 file name, is shown as `\\xe9`.
    """
    words = str(text)
    return words if words.isprintable() else "".join(map(_mark, words))


def say(*parts: Any) -> None:
    """Print one line of results on stdout."""
    print(" ".join(map(shown, parts)))


def say_lines(text: str | Iterable[Any]) -> None:
    """Print several lines on stdout: a text of our own with line breaks, or one line for each part."""
    for line in text.splitlines() if isinstance(text, str) else text:
        say(line)


def note(text: Any, *, program: str = "relight") -> None:
    """Print one line for the user on stderr, such as "relight: the photo has no colour profile"."""
    print(f"{program}: {shown(text)}", file=sys.stderr, flush=True)


def complain(error: Any, *, program: str = "relight") -> None:
    """Print what is wrong on stderr: "relight: error: ..."; only our own errors have further lines."""
    first, *more = str(error).split("\n  ")
    print(f"{program}: error: {shown(first)}", file=sys.stderr)
    for line in more:
        print(f"  {shown(line)}", file=sys.stderr)


def console(*, stderr: bool = False, **options: Any) -> Console:
    """Return a rich console for tables and bars; what is given to it should be `shown` and escaped."""
    from rich.console import Console

    steady_streams()
    return Console(stderr=stderr, **options)


def steady_streams() -> None:
    """Let stdout and stderr show what their encoding does not know as `\\xe9`, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        _steady(stream)


class LineFormatter(logging.Formatter):
    """Formats warnings as one line each, whatever is quoted in them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"relight: {shown(record.getMessage())}"


def _steady(stream: TextIO | None) -> None:
    change = getattr(stream, "reconfigure", None)
    if change is not None:
        change(errors="backslashreplace")


def _mark(letter: str) -> str:
    if letter.isprintable() or letter in _JOINERS:
        return letter
    code, kind = ord(letter), unicodedata.category(letter)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    if kind in ("Zs", "Co", "Cn"):  # wide spaces; letters younger than this Python
        return letter
    return letter.encode("unicode_escape").decode("ascii")
