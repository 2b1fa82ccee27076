"""The sha256 of files, by which weights are known."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from tf_relight.errors import RelightError

CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, read once as long as its size and time of change stay the same.

    Raises:
        RelightError: the file cannot be read.
    """
    try:
        status = path.stat()
        return _digest(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error


@functools.lru_cache(maxsize=32)
def _digest(path: Path, size: int, modified: int) -> str:
    """Return the sha256 of a file; size and time of change only serve as the key of the memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
