"""Files of two folders that belong together because they have the same name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tf_relight.errors import RelightError


class FilePairs(NamedTuple):
    """Pictures of two folders.

    Attributes:
        pairs: name without ending to the two files. unmatched: names of files without a partner.
    """

    pairs: dict[str, tuple[Path, Path]]
    unmatched: tuple[str, ...]


def pair_files(first: Path, second: Path) -> FilePairs:
    """Pair the pictures of two folders whose names agree without the ending.

    Raises:
        RelightError: a folder is missing or empty, two of its files share a name, or no name is common.
    """
    ours, theirs = _by_stem(first), _by_stem(second)
    pairs = {stem: (path, theirs[stem]) for stem, path in ours.items() if stem in theirs}
    if not pairs:
        raise RelightError(
            f"{first} and {second} have no picture of equal name, for example "
            f"{next(iter(ours.values())).name} and {next(iter(theirs.values())).name}: rename one side."
        )
    lonely = [path.name for side in (ours, theirs) for stem, path in side.items() if stem not in pairs]
    return FilePairs(pairs, tuple(lonely))


def _by_stem(folder: Path) -> dict[str, Path]:
    from tf_relight.photo.listing import list_pictures

    if not folder.is_dir():
        raise RelightError(f"{folder} is not a folder: name two folders of pictures.")
    found: dict[str, Path] = {}
    for path in list_pictures([folder]):
        if path.stem in found:
            raise RelightError(f"{folder} holds {found[path.stem].name} and {path.name}: keep one of them.")
        found[path.stem] = path
    return found
