"""The one error type that is shown to users, and the "did you mean" hint."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST_QUOTE = 200
"""Characters of somebody else's text that a message may repeat."""
_GRAPH_PLACES = re.compile(r"\s*(\{\{[^{}]*\}\}|\[\[.*?\]\]|\[Op:[^\]]*\])")
_SAYS_NOTHING = re.compile(r"Graph execution error|Detected at node|<stack traces|File \"|\d+ root error")


class RelightError(Exception):
    """Bad input that the user can mend.

    The message is one sentence that says what is wrong and how to fix it. The command line prints it
    without a traceback and exits with `exit_code`.
    """

    exit_code = 2
    _keras_call_info_injected = True  # Keras then leaves the sentence as it is when a layer's call raises it.


def suggest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or an empty string."""
    if len(word) > LONGEST_QUOTE:  # no word, and comparing takes the square of its length
        return ""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def shortened(text: str, longest: int = LONGEST_QUOTE) -> str:
    """Return text for a message: whole, or its beginning and how long it is."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def graph_reason(error: BaseException) -> str:
    """Return what an error of TensorFlow says, without the places in its graph, which say nothing to a user.

    "{{function_node __wrapped__SaveV2 ...}} disk full [Op:SaveV2]" becomes "disk full".
    """
    message = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    lines = [_GRAPH_PLACES.sub("", line).strip() for line in str(message).splitlines()]
    found = next((line for line in lines if line and not _SAYS_NOTHING.match(line)), type(error).__name__)
    return shortened(found.rstrip("."))


def many(first: str, problems: Iterable[str], most: int = 40) -> RelightError:
    """Return one error for several mistakes, a line each; of very many the first, and their number."""
    listed = [shortened(each, 2 * LONGEST_QUOTE) for each in problems]
    left = len(listed) - most
    shown = [*listed[:most], *([f"... and {left:,} more"] if left > 0 else [])]
    return RelightError("\n  ".join([first, *shown]))
