"""What tf_relight keeps on this machine between runs, and removing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tf_relight.errors import RelightError, suggest
from tf_relight.files import PREFIX, being_written
from tf_relight.weights.record import KNOWN, cache_folder


@dataclass(frozen=True)
class Kept:
    """One file of the cache.

    Attributes:
        name: its path below the cache folder.
        bytes: its size.
        what: what it is, in words.
    """

    name: str
    path: Path
    bytes: int
    what: str


def kept_files(folder: Path | None = None) -> list[Kept]:
    """Return the files of the cache folder, the largest first; none where there is no folder."""
    folder = cache_folder() if folder is None else folder
    known = {record.file: record.name for record in KNOWN.values() if not record.shipped}
    found = []
    for path in folder.rglob("*") if folder.is_dir() else ():
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or any(part.startswith(PREFIX) for part in path.relative_to(folder).parts):
            continue
        what = f"weights {known[name]}" if name in known else "made on this machine"
        found.append(Kept(name, path, path.stat().st_size, what))
    return sorted(found, key=lambda each: (-each.bytes, each.name))


def clear(names: Iterable[str] = (), folder: Path | None = None) -> list[Kept]:
    """Remove files of the cache and return them; those of authors can be fetched again.

    Args:
        names: of `kept_files`, or of weights; none means all.

    Raises:
        RelightError: an unknown name, another process is writing into the cache, or a file cannot be removed.
    """
    folder = cache_folder() if folder is None else folder
    files = {each.name: each for each in kept_files(folder)}
    weights = (each for each in files.values() if each.what.startswith("weights "))
    aliases = {each.what.removeprefix("weights "): each.name for each in weights}
    chosen = []
    for name in names:
        place = aliases.get(name, name)
        if place not in files:
            raise RelightError(
                f"The cache holds no '{name}'.{suggest(name, [*files, *aliases])} See `relight cache`."
            )
        chosen.append(files[place])
    busy = being_written(folder) if folder.is_dir() else []
    if busy:
        raise RelightError(
            f"Another process is writing {busy[0]}: nothing was removed; run this again when it is done."
        )
    removed = []
    for each in chosen or files.values():
        try:
            each.path.unlink(missing_ok=True)
        except OSError as error:
            raise RelightError(f"Cannot remove {each.path}: {error.strerror or error}.") from error
        removed.append(each)
    return removed
