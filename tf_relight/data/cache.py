"""Decode a dataset once: into memory, or into .npy files that later runs open at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from tf_relight.data.source import Part, PooledSource, Source, assemble
from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.guarded.arrays import map_npy
from tf_relight.guarded.structured import read_json
from tf_relight.progress import Bars

_FORMAT = "1"
_CHUNK = 32
_SPARE_BYTES = 64 * 2**20  # left free on the disk beside a cache


def cached(source: Source, directory: Path | None, progress: bool = True) -> Source:
    """Decode every array of `source` once and serve it from memory or from disk afterwards.

    With a directory, the arrays become one .npy file per pool in a sub-folder named by the fingerprint of
    file names, sizes, times and settings; a later run maps the files instead of decoding. A cache that was
    cut short is continued where it stopped. A source that shares pictures between samples (`PooledSource`)
    is stored by picture.

    Args:
        source: what to decode.
        directory: where the files go; None keeps uint8 arrays in memory.
        progress: show a bar on the terminal.

    Raises:
        RelightError: a file cannot be read (it is named), NaN in float data, arrays of unequal size, too
            little memory or disk, or a source without a fingerprint and a directory.
    """
    plan = _Plan(source)
    if directory is None:
        return _CachedSource(source, plan, _fill_memory(plan, progress))
    try:
        return _CachedSource(source, plan, _fill_directory(plan, Path(directory), progress))
    except OSError as error:
        raise RelightError(
            f"Cannot keep the data cache in {directory}: {error.strerror or error}. "
            "Set data.cache to another folder, or to null for memory."
        ) from error


class _Plan:
    """The arrays to store and the units of work that produce them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pools: dict[str, int]
        if isinstance(source, PooledSource):
            self.pools = dict(source.pools)
            self._units = [(pool, number) for pool, count in self.pools.items() for number in range(count)]
            first = {pool: source.load(pool, 0) for pool, count in self.pools.items() if count}
        else:
            self.pools = {field: len(source) for field in source.fields}
            self._units = []
            first = {name: np.asarray(array) for name, array in source.read(0).items()}
        self.shapes = {pool: (self.pools[pool], *array.shape) for pool, array in first.items()}
        self.dtypes = {pool: array.dtype for pool, array in first.items()}
        self.bytes = sum(math.prod(shape) * self.dtypes[pool].itemsize for pool, shape in self.shapes.items())

    def __len__(self) -> int:
        return len(self._units) if isinstance(self.source, PooledSource) else len(self.source)

    def produce(self, unit: int) -> list[tuple[str, int, np.ndarray]]:
        """Decode one unit: (pool, place, array) for each array it gives."""
        if isinstance(self.source, PooledSource):
            pool, number = self._units[unit]
            made = [(pool, number, self.source.load(pool, number))]
            origin = getattr(self.source, "origin", None)
            name = origin(pool, number) if origin else f"{pool} {number}"
        else:
            made = [(field, unit, np.asarray(array)) for field, array in self.source.read(unit).items()]
            name = self.source.key(unit)
        for pool, _, array in made:
            if array.shape != self.shapes[pool][1:] or array.dtype != self.dtypes[pool]:
                raise RelightError(
                    f"{name} is {array.dtype} {array.shape}, but the first of its kind is "
                    f"{self.dtypes[pool]} {self.shapes[pool][1:]}; set data.size to make all equal."
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise RelightError(f"{name} has NaN or infinite values; remove or mend it.")
        return made

    def parts(self, index: int) -> Mapping[str, Part | np.ndarray]:
        if isinstance(self.source, PooledSource):
            return self.source.parts(index)
        return {field: Part(field, index) for field in self.pools}

    def fingerprint(self) -> str:
        make = getattr(self.source, "fingerprint", None)
        if make is None:
            raise RelightError("This dataset cannot be cached on disk; set data.cache to null.")
        text = json.dumps(
            [_FORMAT, make(), {k: [list(v), str(self.dtypes[k])] for k, v in self.shapes.items()}]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class _CachedSource:
    """A source whose arrays are decoded already."""

    def __init__(self, source: Source, plan: _Plan, arrays: dict[str, np.ndarray]) -> None:
        self.fields = source.fields
        self._source, self._plan, self._arrays = source, plan, arrays

    def __len__(self) -> int:
        return len(self._source)

    def key(self, index: int) -> str:
        return self._source.key(index)

    def read(self, index: int) -> dict[str, np.ndarray]:
        return assemble(self._plan.parts(index), lambda pool, number: self._arrays[pool][number])


def _fill_memory(plan: _Plan, progress: bool) -> dict[str, np.ndarray]:
    available = _available_memory()
    if available is not None and plan.bytes > 0.9 * available:
        raise RelightError(
            f"The decoded data needs {plan.bytes / 2**30:.1f} GiB and this machine has "
            f"{available / 2**30:.1f} GiB free; set data.cache to a folder, or lower data.size."
        )
    arrays = {pool: np.empty(shape, plan.dtypes[pool]) for pool, shape in plan.shapes.items()}
    for _ in _fill(plan, arrays, 0, progress):
        pass
    return arrays


def _fill_directory(plan: _Plan, directory: Path, progress: bool) -> dict[str, np.ndarray]:
    folder = directory / plan.fingerprint()
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder / "lock"):
        if not (folder / "complete.json").exists():
            _write_files(plan, folder, progress)
    return {pool: _stored(folder, pool, plan) for pool in plan.shapes}


def _write_files(plan: _Plan, folder: Path, progress: bool) -> None:
    """Fill `<pool>.npy.part` files, noting after every chunk how far they are; rename them at the end."""
    begun, note = _begun(plan, folder), folder / "progress.json"
    if not begun:
        _require_disk(plan, folder)
    arrays = {}
    for pool, shape in plan.shapes.items():
        part = folder / f"{pool}.npy.part"
        if begun:
            arrays[pool] = np.lib.format.open_memmap(part, mode="r+")
        else:
            arrays[pool] = np.lib.format.open_memmap(part, mode="w+", dtype=plan.dtypes[pool], shape=shape)
            _allocate(part)
    for done in _fill(plan, arrays, begun, progress):
        for array in arrays.values():
            array.flush()
        write_text(note, json.dumps({"done": done}))
    for pool in plan.shapes:
        os.replace(folder / f"{pool}.npy.part", folder / f"{pool}.npy")
    write_text(folder / "complete.json", json.dumps({"arrays": plan.shapes}))
    note.unlink(missing_ok=True)


def _begun(plan: _Plan, folder: Path) -> int:
    """How many units an interrupted run has stored; 0 when its files do not fit."""
    with contextlib.suppress(OSError, RelightError, ValueError, KeyError, TypeError, OverflowError):
        note = read_json(folder / "progress.json", what="the progress", advice="delete it")
        done = max(0, int(note["done"]))
        for pool, shape in plan.shapes.items():
            part = map_npy(folder / f"{pool}.npy.part")
            if part.shape != shape or part.dtype != plan.dtypes[pool]:
                return 0
        return min(done, len(plan))
    return 0


def _stored(folder: Path, pool: str, plan: _Plan) -> np.ndarray:
    """Map the array of a finished pool."""
    array = map_npy(folder / f"{pool}.npy")
    if array.shape != plan.shapes[pool] or array.dtype != plan.dtypes[pool]:
        raise RelightError(f"{folder} holds other arrays than it should: delete it, and it is made again.")
    return array


def _fill(plan: _Plan, arrays: Mapping[str, np.ndarray], begun: int, progress: bool) -> Iterator[int]:
    """Decode with threads in chunks; yield the number of finished units after each chunk."""
    workers = min(8, os.cpu_count() or 1)
    with (
        _bar("Decoding", len(plan), begun, progress) as advance,
        concurrent.futures.ThreadPoolExecutor(workers) as pool,
    ):
        units = iter(range(begun, len(plan)))
        done = begun
        while chunk := list(itertools.islice(units, _CHUNK)):
            for made in pool.map(plan.produce, chunk):
                for name, place, array in made:
                    arrays[name][place] = array
                done += 1
                advance()
            yield done


@contextlib.contextmanager
def _bar(text: str, total: int, begun: int, show: bool) -> Iterator:
    with Bars(show) as bars:
        task = bars.add_task(text, total=total, completed=begun)
        yield lambda: bars.advance(task)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Let one process of this machine fill the cache while the others wait; freed even by `kill -9`."""
    try:
        import fcntl
    except ImportError:  # Windows: no such lock, and no multi-worker training either
        yield
        return
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _require_disk(plan: _Plan, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if plan.bytes + _SPARE_BYTES > free:
        raise RelightError(
            f"The data cache needs {plan.bytes / 2**30:.1f} GiB and {folder.parent} has "
            f"{free / 2**30:.1f} GiB free; set data.cache to a larger disk, or lower data.size."
        )


def _allocate(path: Path) -> None:
    """Reserve the blocks now: a full disk is an error here, and a killed process (SIGBUS) later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)


def _available_memory() -> int | None:
    """Bytes the machine can still give, or None where that cannot be asked."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines: Iterable[str] = Path("/proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
    return None
