"""Work on a large picture in strips of rows, on all cores: only the result is as large as the picture."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tf_relight.litert import cores

STRIP_PIXELS = 1 << 17
"""Few enough that the arrays of a strip stay in the cache of a core."""


def by_strips(shape: tuple[int, ...], work: Callable[[slice], None], pixels: int = STRIP_PIXELS) -> None:
    """Call `work` for the rows of a picture (H, W, ...), some at a time, from several threads.

    Args:
        pixels: about how many a strip has; it has one row at least.
    """
    rows = max(1, pixels // max(1, shape[1]))
    strips = [slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows)]
    if len(strips) == 1:
        work(strips[0])
        return
    with ThreadPoolExecutor(max_workers=threads()) as pool:
        list(pool.map(work, strips))


class SharedRoom:
    """A number of pixels that threads share, so that large pictures do not stand in memory side by side."""

    def __init__(self, pixels: int) -> None:
        self._all, self._free = pixels, pixels
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait for room and keep it; more than there is takes all of it."""
        wanted = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


def threads() -> int:
    """How many threads share the work on a picture."""
    return min(8, cores())
