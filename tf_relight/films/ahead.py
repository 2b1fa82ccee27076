"""Doing the parts of a pipeline at the same time: one thread reads ahead while another works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")
_WAIT = 0.1  # seconds after which a thread looks whether it is still wanted


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def ahead(items: Iterable[Item], most: int = 2) -> Iterator[Item]:
    """Yield items that a thread of their own makes, at most so many before they are taken.

    What the thread raises is raised here. When the iterator is closed, the thread ends with the item that it
    is at.
    """
    made: queue.Queue[Any] = queue.Queue(most)
    unwanted = threading.Event()

    def put(item: Any) -> bool:
        while not unwanted.is_set():
            try:
                made.put(item, timeout=_WAIT)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_End())
        except BaseException as error:  # raised where the items are taken
            put(_End(error))

    thread = threading.Thread(target=work, daemon=True, name="ahead")
    thread.start()
    try:
        while True:
            item = made.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        unwanted.set()
        thread.join()
