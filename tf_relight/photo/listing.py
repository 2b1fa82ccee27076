"""Which picture files a user names: files as they are, folders by their endings; and what is left out."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tf_relight.errors import RelightError
from tf_relight.photo.writing import WRITTEN_SUFFIXES

READ_SUFFIXES = (
    *WRITTEN_SUFFIXES,
    *(".mpo", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif"),
)
"""Endings that count as pictures in folders; HEIC needs an extra, and says so."""
HIDDEN, SUBFOLDERS, OUTPUT = "hidden", "subfolders", "the output folder"
CLOSED = "folders that cannot be listed"
"""Kinds of what is left out, beside endings such as ".nef" and "no ending"."""


@dataclass(frozen=True)
class Found:
    """Picture files, and what was left out of the folders.

    Attributes:
        pictures: each file with where it lies in the folder that was named; of a named file, its name.
        left_out: how many there are of each kind, for example {".nef": 3, "hidden": 1}; the most come first.
    """

    pictures: Mapping[Path, Path]
    left_out: Mapping[str, int]

    @property
    def note(self) -> str:
        """One sentence about what was left out, or nothing."""
        return left_out_note(self.left_out)


def left_out_note(left_out: Mapping[str, int]) -> str:
    """Return one sentence about what was left out of folders, or nothing where all was taken."""
    if not left_out:
        return ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
    hint = " `relight image --recursive` goes into subfolders." if SUBFOLDERS in left_out else ""
    return f"Left out of the folders: {kinds}.{hint}"


def find_pictures(
    paths: Iterable[Path | str], *, recursive: bool = False, without: Path | None = None
) -> Found:
    """Return the picture files that `paths` name: files as they are, folders sorted.

    A file is taken whatever its ending, since the content decides; in folders the ending decides, and hidden
    files (also the "._" twins macOS writes) are left out. Nothing is listed twice.

    Args:
        recursive: go into subfolders, but not through links, which can go round in circles.
        without: a folder that is not gone into: that of the results.

    Raises:
        RelightError: a path does not exist, or a folder that was named cannot be listed or holds no picture.
    """
    found: dict[Path, Path] = {}
    left_out: Counter[str] = Counter()
    for path in map(Path, paths):
        if not path.exists():
            raise RelightError(f"There is no file or folder {path}. Check the name.")
        if not path.is_dir():
            found.setdefault(path, Path(path.name))
            continue
        in_folder: dict[Path, Path] = {}
        apart: Counter[str] = Counter()
        _walk(path, path, recursive, without, in_folder, apart)
        if not in_folder:
            seen = left_out_note(dict(apart.most_common()))
            raise RelightError(
                f"The folder {path} holds no pictures ({', '.join(READ_SUFFIXES)}). {seen}".rstrip()
            )
        left_out += apart
        for file, place in in_folder.items():
            found.setdefault(file, place)
    return Found(found, dict(left_out.most_common()))


def list_pictures(paths: Iterable[Path | str]) -> list[Path]:
    """Return the files of `find_pictures`, folders one level deep; what is left out is said as a warning."""
    paths = list(paths)
    found = find_pictures(paths)
    if found.note:
        logging.getLogger(__name__).warning("%s: %s", ", ".join(map(str, paths)), found.note)
    return list(found.pictures)


def _walk(
    root: Path,
    folder: Path,
    recursive: bool,
    without: Path | None,
    found: dict[Path, Path],
    left_out: Counter[str],
) -> None:
    """Add the pictures of a folder to `found`, and what is left out to `left_out`; files come first."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        if folder == root:
            raise RelightError(f"Cannot list the folder {folder}: {error.strerror}.") from error
        left_out[CLOSED] += 1
        return
    folders = []
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=recursive is False):
            folders.append(path)
        elif entry.name.startswith("."):
            left_out[HIDDEN] += 1
        elif path.suffix.lower() in READ_SUFFIXES and path.is_file():
            found[path] = path.relative_to(root)
        else:
            left_out[path.suffix.lower() or "no ending"] += 1
    for path in folders:
        if path.name.startswith("."):
            left_out[HIDDEN] += 1
        elif without is not None and path.resolve() == without:
            left_out[OUTPUT] += 1
        elif recursive:
            _walk(root, path, recursive, without, found, left_out)
        else:
            left_out[SUBFOLDERS] += 1
