"""How far long work is: a bar on a terminal, a plain line every half minute where there is none.

A log of a cluster or of a service is never a terminal; without a line nobody sees whether a run still lives.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, TypeVar

from tf_relight.terminal import console, shown

Item = TypeVar("Item")
EVERY_SECONDS = 30.0
"""Between two lines of a log."""


class Lines:
    """Lines on stderr for who reads a log, one every `EVERY_SECONDS`; work shorter than that has none.

    Args:
        total: how much there is to do, None if nobody knows. done: how much was done before.
        at_once: begin with the first news, for work that is known to be long.
    """

    def __init__(self, total: int | None, done: int = 0, *, at_once: bool = False) -> None:
        self._total, self._begun, self._done = total, done, done
        self._start = time.monotonic()
        self._next = self._start + (0.0 if at_once else EVERY_SECONDS)
        self._told: int | None = None

    def tell(self, description: str, done: int, details: str = "") -> None:
        """Say how far the work is, if it is time to."""
        self._done = done
        now = time.monotonic()
        if now >= self._next and done > self._begun:
            self._next = now + EVERY_SECONDS
            self._line(description, details)

    def end(self, description: str, details: str = "") -> None:
        """Say how far the work got, unless the last line said it."""
        if self._told not in (None, self._done):
            self._line(description, details)

    def _line(self, description: str, details: str) -> None:
        self._told = self._done
        parts = [f"{self._done:,}" if self._total is None else f"{self._done:,} of {self._total:,}"]
        parts += [details] if details else []
        done = self._done - self._begun
        if self._total is not None and self._done < self._total and done:
            left = (time.monotonic() - self._start) / done * (self._total - self._done)
            parts.append(f"{duration(left)} left")
        print(f"{shown(description)}: {', '.join(parts)}", file=sys.stderr, flush=True)


class Bars:
    """Bars of several tasks, or lines where there is no terminal; a context manager.

    Args:
        visible: False shows nothing.
        columns: of rich, for the terminal; None takes description, bar, count and time left.
        at_once: as of `Lines`.
    """

    def __init__(
        self, visible: bool = True, *, columns: Sequence[Any] | None = None, at_once: bool = False
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        usual = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        on = console(stderr=True)
        self._lines_wanted = visible and not on.is_terminal
        # On stderr and without catching prints, so that stdout holds results only.
        self._bars = Progress(
            *(columns or usual),
            console=on,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not visible or self._lines_wanted,
        )
        self._lines: dict[Any, Lines] = {}
        self._at_once = at_once
        self._done: dict[Any, int] = {}
        self._words: dict[Any, str] = {}
        self._details: dict[Any, str] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bars.stop()
        for task, lines in self._lines.items():
            lines.end(self._words[task], self._details.get(task, ""))

    def add_task(self, description: str, total: int | None = None, completed: int = 0, **fields: Any) -> Any:
        """Begin a task and return what names it."""
        from rich.markup import escape

        task = self._bars.add_task(escape(shown(description)), total=total, completed=completed, **fields)
        self._words[task], self._done[task] = description, completed
        if self._lines_wanted:
            self._lines[task] = Lines(total, completed, at_once=self._at_once)
        return task

    def describe(self, task: Any, description: str) -> None:
        """Show other words."""
        from rich.markup import escape

        self._words[task] = description
        self._bars.update(task, description=escape(shown(description)))

    def advance(self, task: Any, steps: int = 1) -> None:
        """Show that some more is done."""
        self.reach(task, self._done[task] + steps)

    def reach(self, task: Any, completed: int, *, tell: bool = True) -> None:
        """Show that so much is done; without `tell` a line waits for more."""
        self._done[task] = completed
        self._bars.update(task, completed=completed)
        if tell:
            self._tell(task, "")

    def fields(self, task: Any, details: str, **fields: Any) -> None:
        """Show other figures, as `details` in the lines and as `fields` in the columns."""
        self._bars.update(task, **fields)
        self._tell(task, details)

    def _tell(self, task: Any, details: str) -> None:
        if task in self._lines:
            self._details[task] = details or self._details.get(task, "")
            self._lines[task].tell(self._words[task], self._done[task], self._details[task])


def track(
    items: Iterable[Item],
    describe: str | Callable[[Item], str],
    *,
    total: int | None = None,
    show: bool = True,
) -> Iterator[Item]:
    """Yield the items behind a progress bar on stderr, or with a line now and then.

    Args:
        describe: the words in front of the bar, or what makes them from an item.
        total: how many items there are; None takes their length, if they have one.
        show: False shows nothing.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Bars(show) as bars:
        task = bars.add_task(describe if isinstance(describe, str) else "", total=total)
        for item in items:
            if not isinstance(describe, str):
                bars.describe(task, describe(item))
            yield item
            bars.advance(task)


def duration(seconds: float) -> str:
    """Return a time as "45 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
