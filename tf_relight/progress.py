"""The progress bar of long work on pictures: what is done, how far, how long it takes still."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")


def track(
    items: Iterable[Item],
    describe: str | Callable[[Item], str],
    *,
    total: int | None = None,
    show: bool = True,
) -> Iterator[Item]:
    """Yield the items behind a progress bar on stderr.

    Args:
        describe: the words in front of the bar, or what makes them from an item.
        total: how many items there are; None takes their length, if they have one.
        show: False shows nothing.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if total is None and isinstance(items, Sized):
        total = len(items)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # On stderr and without catching prints, so that stdout holds results only.
    bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, disable=not show)
    with bar:
        task = bar.add_task(describe if isinstance(describe, str) else "", total=total)
        for item in items:
            if not isinstance(describe, str):
                bar.update(task, description=escape(describe(item)))
            yield item
            bar.advance(task)
