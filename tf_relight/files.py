"""Writing files so that nothing half-written ever stands under its final name, and nothing is left behind.

A process that is killed cannot clean up. Whatever is being written has a name that begins with `.relight-`
and is locked by its writer; the next run that writes into the folder removes those that nobody holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tf_relight.errors import RelightError, graph_reason

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".relight-"
"""How the name of everything begins that is not finished."""
_OURS = re.compile(r"\.relight-[a-z0-9_]{8}-.")
_OLD_SECONDS = 24 * 3600.0
"""After which a leftover is taken for dead where files cannot be locked."""
_YOUNG_SECONDS, _UNLOCKED_SECONDS = 1.0, 60.0
_LOCK = ".lock"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_swept: set[str] = set()


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` on success.

    The temporary name keeps the suffix of `path`, because image writers choose the format by it.
    On any failure the temporary file is removed and an older file at `path` stays as it was.

    Raises:
        RelightError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        ending = f"-{path.stem[:40] or 'file'}{path.suffix}"
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=ending, dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "rb") as held:
            _hold(held)
            yield temporary
            # mkstemp makes files private; give them the mode an ordinary open() would.
            temporary.chmod(0o666 & ~_mask())
            os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise cannot_write(path, error) from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise RelightError(f"{str(path)!r} cannot be a file's name: choose another.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a UTF-8 file, whole or not at all.

    Names of files may hold bytes that are no text; they are written as `\\udce9`.

    Raises:
        RelightError: as `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", errors="backslashreplace"))


def cannot_write(path: Path | str, error: BaseException) -> RelightError:
    """Return the one sentence about a file or folder that cannot be written."""
    reason = graph_reason(error)
    return RelightError(
        f"Cannot write {path}: {reason}. Choose another place or free some space, then run again."
    )


def scratch_folder(name: str, parent: Path | None = None) -> Path:
    """Make and return a folder for work in progress; those of dead processes beside it are removed.

    Args:
        name: short, for whoever finds it. parent: None takes the system's folder for temporary files.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    sweep(parent, again=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=f"-{name}", dir=parent))
    held = (folder / _LOCK).open("wb")
    _hold(held)
    _held.append(held)
    return folder


def unlock(folder: Path) -> None:
    """Make a scratch folder ready for its final name: without its lock, and as open as any new folder."""
    (folder / _LOCK).unlink(missing_ok=True)
    folder.chmod(0o777 & ~_mask())


def sweep(folder: Path, *, again: bool = False) -> None:
    """Remove what dead processes left in a folder; once for each folder and process, or `again`."""
    key = os.path.abspath(folder)
    if key in _swept and not again:
        return
    _swept.add(key)
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if not _OURS.match(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if _is_dead(Path(entry.path) / _LOCK, Path(entry.path)):
                    shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.is_file(follow_symlinks=False) and _is_dead(Path(entry.path), Path(entry.path)):
                Path(entry.path).unlink(missing_ok=True)


def being_written(folder: Path) -> list[Path]:
    """Return what another process, or this one, is writing into a folder and those below it just now."""
    found = []
    for entry in sorted(folder.rglob(f"{PREFIX}*")):
        if _OURS.match(entry.name) and not _is_dead(entry / _LOCK if entry.is_dir() else entry, entry):
            found.append(entry)
    return found


def replace_folder(new: Path, old: Path) -> None:
    """Put the folder `new` in the place of `old`, which need not exist, and remove what was there.

    On Linux both change names in one step, so that at no time there is no folder. Elsewhere, and where the
    file system cannot, `old` is moved aside first.

    Raises:
        OSError: it cannot be done; `old` is as it was.
    """
    unlock(new)
    if not old.exists():
        os.rename(new, old)
        return
    if _exchange(new, old):
        shutil.rmtree(new, ignore_errors=True)
        return
    aside = Path(tempfile.mkdtemp(prefix=PREFIX, suffix="-old", dir=old.parent))
    aside.rmdir()
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


_held: list[Any] = []
"""Open locks of this process's scratch folders."""


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _hold(file: IO[bytes]) -> None:
    """Lock an open file for as long as it is open; some network drives cannot."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_dead(lock: Path, entry: Path) -> bool:
    """Whether the process that was writing `entry` is gone: nobody holds its lock."""
    try:
        age = time.time() - entry.stat().st_mtime
        # Between the making of a file and its lock lies a moment.
        if fcntl is None or not _YOUNG_SECONDS < age < _OLD_SECONDS:
            return age >= _OLD_SECONDS
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except FileNotFoundError:  # a folder between the removal of its lock and its new name
        return entry.is_dir() and age > _UNLOCKED_SECONDS
    except OSError:
        return False


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    return rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0
