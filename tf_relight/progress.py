"""How far long work is: a bar on a terminal and in a notebook, a plain line every half minute elsewhere.

A log of a cluster or of a service is never a terminal; without a line nobody sees whether a run still lives.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import Any, TextIO, TypeVar

from tf_relight.errors import RelightError
from tf_relight.terminal import console, shown

Item = TypeVar("Item")
EVERY_SECONDS = 30.0
"""Between two lines of a log."""
_NOTEBOOK_SECONDS = 0.25
"""Between two pictures of a bar in a notebook."""


_log: list[TextIO] = []


@contextlib.contextmanager
def logged(path: Path | str | None) -> Iterator[None]:
    """Add to a file, for machines, how far long work is: a JSON object a line (`--log-json`).

    Each has `time` (seconds since 1970), `task`, `done`, `total` (null if nobody knows), `seconds` of work so
    far, `left` (seconds, or null) and `figures`, such as loss and images/s. There is one when a task begins,
    one every `EVERY_SECONDS`, and one when it ends; all tasks are told, also those shorter than that.

    Args:
        path: None writes nothing.

    Raises:
        RelightError: the file cannot be written.
    """
    if path is None:
        yield
        return
    try:
        file = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115
    except OSError as error:
        raise RelightError(f"Cannot write the log {path}: {error.strerror}. Choose another name.") from error
    with contextlib.closing(file):
        _log.append(file)
        try:
            yield
        finally:
            _log.remove(file)


class _Record:
    """What one task tells the log of `logged`."""

    def __init__(self, total: int | None, done: int) -> None:
        self._total, self._begun, self._start = total, done, time.monotonic()
        self._next = 0.0

    def tell(self, words: str, done: int, figures: dict[str, Any], *, always: bool = False) -> None:
        now = time.monotonic()
        if not _log or (now < self._next and not always):
            return
        self._next = now + EVERY_SECONDS
        seconds, left = now - self._start, None
        if self._total is not None and done > self._begun:
            left = round(seconds / (done - self._begun) * (self._total - done), 1)
        values = {
            "time": round(time.time(), 3),
            "task": words,
            "done": done,
            "total": self._total,
            "seconds": round(seconds, 1),
            "left": left,
            "figures": figures,
        }
        for file in _log:
            print(json.dumps(values), file=file)


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


class _NotebookBars:
    """Bars of rich as an output of a notebook's cell, which later pictures replace; it needs no widgets."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._output: Any = None
        self._next = 0.0

    def draw(self, *, always: bool = False) -> None:
        """Show how far the tasks are, if it is time to."""
        now = time.monotonic()
        if not self._bars.tasks or (now < self._next and not always):
            return
        self._next = now + _NOTEBOOK_SECONDS
        table = self._bars.make_tasks_table(self._bars.tasks)
        if self._output is None:
            from IPython.display import display

            self._output = display(table, display_id=True)
        else:
            self._output.update(table)


class Bars:
    """Bars of several tasks, or lines where there is neither terminal nor notebook; a context manager.

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
        in_notebook = visible and on.is_jupyter
        self._lines_wanted = visible and not in_notebook and not on.is_terminal
        # On stderr and without catching prints, so that stdout holds results only.
        self._bars = Progress(
            *(columns or usual),
            console=on,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not visible or in_notebook or self._lines_wanted,
        )
        self._notebook = _NotebookBars(self._bars) if in_notebook else None
        self._lines: dict[Any, Lines] = {}
        self._at_once = at_once
        self._done: dict[Any, int] = {}
        self._words: dict[Any, str] = {}
        self._details: dict[Any, str] = {}
        self._records: dict[Any, _Record] = {}
        self._figures: dict[Any, dict[str, Any]] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bars.stop()
        self._draw(always=True)
        for task, lines in self._lines.items():
            lines.end(self._words[task], self._details.get(task, ""))
        for task in self._records:
            self._record(task, always=True)

    def add_task(self, description: str, total: int | None = None, completed: int = 0, **fields: Any) -> Any:
        """Begin a task and return what names it."""
        from rich.markup import escape

        task = self._bars.add_task(escape(shown(description)), total=total, completed=completed, **fields)
        self._words[task], self._done[task] = description, completed
        if self._lines_wanted:
            self._lines[task] = Lines(total, completed, at_once=self._at_once)
        self._records[task] = _Record(total, completed)
        self._record(task)
        self._draw()
        return task

    def describe(self, task: Any, description: str) -> None:
        """Show other words."""
        from rich.markup import escape

        self._words[task] = description
        self._bars.update(task, description=escape(shown(description)))
        self._draw()

    def advance(self, task: Any, steps: int = 1) -> None:
        """Show that some more is done."""
        self.reach(task, self._done[task] + steps)

    def reach(self, task: Any, completed: int, *, tell: bool = True) -> None:
        """Show that so much is done; without `tell` a line waits for more."""
        self._done[task] = completed
        self._bars.update(task, completed=completed)
        self._draw()
        if tell:
            self._tell(task, "")

    def fields(self, task: Any, details: str, **fields: Any) -> None:
        """Show other figures, as `details` in the lines and as `fields` in the columns and the log."""
        self._bars.update(task, **fields)
        self._figures[task] = {name: _number(value) for name, value in fields.items()}
        self._tell(task, details)

    def _draw(self, *, always: bool = False) -> None:
        if self._notebook is not None:
            self._notebook.draw(always=always)

    def _tell(self, task: Any, details: str) -> None:
        if task in self._lines:
            self._details[task] = details or self._details.get(task, "")
            self._lines[task].tell(self._words[task], self._done[task], self._details[task])
        self._record(task)

    def _record(self, task: Any, *, always: bool = False) -> None:
        figures = self._figures.get(task, {})
        self._records[task].tell(self._words[task], self._done[task], figures, always=always)


def _number(value: Any) -> Any:
    """Return a figure as a number if it is one that JSON can hold."""
    with contextlib.suppress(TypeError, ValueError):
        number = float(value)
        return number if math.isfinite(number) else str(value)
    return value


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
