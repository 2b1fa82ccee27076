"""Keeping the words of C libraries about damaged files off the terminal; the one sentence says it all."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_state = {"inside": 0, "before": -1}


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what is written to the file of stderr nowhere; several threads may be inside at once."""
    with _LOCK:
        _state["inside"] += 1
        if _state["inside"] == 1:
            if sys.stderr is not None:
                sys.stderr.flush()
            _state["before"] = _redirect()
    try:
        yield
    finally:
        with _LOCK:
            _state["inside"] -= 1
            if _state["inside"] == 0 and _state["before"] >= 0:
                os.dup2(_state["before"], 2)
                os.close(_state["before"])


def _redirect() -> int:
    """Return a copy of stderr's file, which now leads nowhere; -1 where it is closed."""
    try:
        before = os.dup(2)
    except OSError:
        return -1
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return before
