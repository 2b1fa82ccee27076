"""Why a request was not answered, with the status code of HTTP and of gRPC."""

from __future__ import annotations

import enum
import logging
import re
import time
import traceback
from pathlib import Path

from tf_relight.guarded.reading import reason_of
from tf_relight.terminal import shown

_ASSERTION = re.compile(r"assertion failed: (\[.*?\])\s*(?:\n|\[\[|$)", re.DOTALL)
_NODE = re.compile(r"\s*\[\[\{\{node.*", re.DOTALL)
_PICTURE = re.compile(r"\b(jpeg|png|webp)\b", re.IGNORECASE)
_LONGEST = 300


class Reason(enum.Enum):
    """A kind of refusal: (HTTP status, name of the gRPC status)."""

    INVALID = 400, "INVALID_ARGUMENT"
    NOT_FOUND = 404, "NOT_FOUND"
    SLOW = 408, "DEADLINE_EXCEEDED"
    # gRPC keeps RESOURCE_EXHAUSTED for "try again later", which does not help with a picture too large.
    TOO_LARGE = 413, "INVALID_ARGUMENT"
    MEDIA_TYPE = 415, "UNIMPLEMENTED"
    INTERNAL = 500, "INTERNAL"
    OVERLOADED = 503, "RESOURCE_EXHAUSTED"
    NOT_READY = 503, "UNAVAILABLE"

    @property
    def http(self) -> int:
        """The HTTP status code."""
        return self.value[0]

    @property
    def grpc(self) -> str:
        """The name of the gRPC status code."""
        return self.value[1]


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        reason: decides the status code.
        sentence: what is wrong and what to do, for the caller.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


class Seldom:
    """Writes of many equal troubles one short line now and then, so that callers cannot fill the log.

    Args:
        log: where to. seconds: between two lines.
    """

    def __init__(self, log: logging.Logger, seconds: float = 10.0) -> None:
        self._log, self._seconds = log, seconds
        self._next, self._left_out = 0.0, 0

    def tell(self, error: BaseException) -> None:
        """Write what a request failed with, and where; or count it."""
        now = time.monotonic()
        if now < self._next:
            self._left_out += 1
            return
        self._next = now + self._seconds
        frames = traceback.extract_tb(error.__traceback__)
        place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        more = f" ({self._left_out:,} more since the last line)" if self._left_out else ""
        self._left_out = 0
        said = shown(f"{type(error).__name__}: {reason_of(error)}")
        self._log.error("a request failed%s: %s%s", place, said, more)


def invalid(sentence: str) -> Refusal:
    """Return a refusal of an input."""
    return Refusal(Reason.INVALID, sentence)


def told_by_tensorflow(message: str) -> str:
    """Return the one sentence that matters in TensorFlow's message about a failed graph.

    Assertions of a graph read "assertion failed: [Picture] [0] [is damaged.]"; other operations end with the
    place in the graph, which says nothing to a caller.
    """
    found = _ASSERTION.search(message)
    if found:
        words = found[1].strip()[1:-1].split("] [")
        sentence = re.sub(r"\s+([.,:;])", r"\1", " ".join(" ".join(words).split()))
    else:
        lines = [line.strip() for line in _NODE.sub("", message).splitlines() if line.strip()]
        sentence = lines[-1] if lines else "The model could not use these inputs."
        if _PICTURE.search(sentence):
            sentence = f"A picture is damaged or cut off ({sentence.rstrip('.')})."
    sentence = sentence[:_LONGEST]
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
