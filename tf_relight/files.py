"""Writing files so that nothing half-written ever stands under its final name."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tf_relight.errors import RelightError


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
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes files private; give them the mode an ordinary open() would.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RelightError(
            f"Cannot write {path}: {reason}. Choose another place or free some space, then run again."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
