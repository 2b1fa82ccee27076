"""The one error type that is shown to users, and the "did you mean" hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RelightError(Exception):
    """Bad input that the user can mend.

    The message is one sentence that says what is wrong and how to fix it. The command line prints it
    without a traceback and exits with `exit_code`.
    """

    exit_code = 2
    _keras_call_info_injected = True  # Keras then leaves the sentence as it is when a layer's call raises it.


def suggest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
