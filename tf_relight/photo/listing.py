"""Which picture files a user names: files as they are, folders by their endings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tf_relight.errors import RelightError
from tf_relight.photo.writing import WRITTEN_SUFFIXES

READ_SUFFIXES = (
    *WRITTEN_SUFFIXES,
    *(".mpo", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif"),
)
"""Endings that count as pictures in folders; HEIC needs an extra, and says so."""


def list_pictures(paths: Iterable[Path | str]) -> list[Path]:
    """Return the picture files that `paths` name: files as they are, folders one level deep, sorted.

    A file is taken whatever its ending, since the content decides; in folders the ending decides, and hidden
    files (also the "._" twins macOS writes) are left out. Nothing is listed twice.

    Raises:
        RelightError: a path does not exist, or a folder holds no picture.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise RelightError(f"There is no file or folder {path}. Check the name.")
        if not path.is_dir():
            found[path] = None
            continue
        try:
            entries = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in READ_SUFFIXES)
        except OSError as error:
            raise RelightError(f"Cannot list the folder {path}: {error.strerror}.") from error
        pictures = [entry for entry in entries if not entry.name.startswith(".") and entry.is_file()]
        if not pictures:
            raise RelightError(f"The folder {path} holds no pictures ({', '.join(READ_SUFFIXES)}).")
        found.update(dict.fromkeys(pictures))
    return list(found)
