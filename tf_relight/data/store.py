"""Slowly made things by number: some kept for good, the most recent others for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")

RECENT_ITEMS = 8  # kept when not all are: enough for as many threads that read one after the other


class ItemStore(Generic[Item]):
    """Items by number, made when they are asked for. Safe with threads: none is made twice at a time."""

    def __init__(self, make: Callable[[int], Item]) -> None:
        self._make = make
        self._kept: dict[int, Item] = {}
        self._recent: OrderedDict[int, Future[Item]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, number: int, item: Item) -> None:
        """Keep an item for good."""
        self._kept[number] = item

    def keeps(self, number: int) -> bool:
        """Whether the item is kept for good."""
        return number in self._kept

    def get(self, number: int) -> Item:
        """The item of that number, made now if need be."""
        if number in self._kept:
            return self._kept[number]
        with self._lock:
            known = self._recent.get(number)
            result = known or Future()
            self._recent[number] = result
            self._recent.move_to_end(number)
            while len(self._recent) > RECENT_ITEMS:
                self._recent.popitem(last=False)
        if known is None:  # this thread makes it, others that want it wait for the result
            try:
                result.set_result(self._make(number))
            except BaseException as error:
                with self._lock:
                    self._recent.pop(number, None)
                result.set_exception(error)
        return result.result()
