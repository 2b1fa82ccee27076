"""Any two folders of pictures with equal names: input and target."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_relight.data.options import DataConfig
from tf_relight.data.pictures import PICTURE_SUFFIXES, look, read_rgb
from tf_relight.data.source import Part, Split, files_fingerprint
from tf_relight.data.splits import choose_split
from tf_relight.data.vidit.layout import folder_meaning, walk
from tf_relight.errors import RelightError

_LOG = logging.getLogger("tf_relight.data")


class FolderPair(NamedTuple):
    """Two pictures of equal name."""

    name: str
    image: Path
    target: Path


class Options(DataConfig):
    """Options of two folders of pictures: none but those that all data have."""


FIELDS = ("image", "target")
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> FolderSource:
    """Open `root/{input,target}` or `root/{train,validation}/{input,target}`; endings may differ.

    Without a validation folder, `data_config.validation_scenes` names are held out by a hash of (seed, name).
    Names with only one of the two pictures are left out with one counted warning.

    Raises:
        RelightError: missing folder, no pair, too few pairs to hold out, pictures of unequal size without
            data.size.

    Example:
        >>> import tempfile, numpy as np
        >>> from tf_relight.photo.picture import Picture
        >>> from tf_relight.photo.writing import write_picture
        >>> root = Path(tempfile.mkdtemp())
        >>> for place in ("input", "target"):
        ...     (root / place).mkdir()
        ...     for name in "ab":
        ...         _ = write_picture(root / place / f"{name}.png", Picture(np.zeros((8, 8, 3), np.float32)))
        >>> source = open(Options(name="folder", root=root, size=8, validation_scenes=1), "train")
        >>> len(source), source.fields
        (1, ('image', 'target'))
    """
    if data_config.root is None:
        raise RelightError(
            "data.root is not set; add `--set data.root=FOLDER` with the folders 'input' and 'target'."
        )
    root = Path(data_config.root)
    pairs, single = find_pairs(root)
    if not any(pairs.values()):
        raise RelightError(
            f"{root} holds no pair of pictures with equal names in folders 'input' and 'target' "
            f"({single} pictures without a partner); rename the folders or check data.root."
        )
    if single:
        _LOG.warning("%s: %d pictures have no partner of the same name and are left out.", root, single)
    chosen = choose_split(pairs, split, root, data_config.validation_scenes, data_config.seed)
    return FolderSource(root, chosen, data_config.size)


def find_pairs(root: Path) -> tuple[dict[str | None, dict[str, FolderPair]], int]:
    """Pairs by split ("train", "validation", None) and name, and the number of pictures without a partner."""
    found: dict[tuple[str | None, str], dict[str, Path]] = {}
    for folder, names in walk(root):
        inside = folder.relative_to(root).parts
        meaning = folder_meaning(inside)
        place = next((n for n, part in enumerate(inside) if "role" in folder_meaning([part])), None)
        if place is None or meaning["role"] not in ("input", "target"):
            continue
        for name in sorted(names):
            path = folder / name
            if path.suffix.lower() in PICTURE_SUFFIXES and not name.startswith("."):
                key = "/".join([*inside[place + 1 :], path.stem])
                found.setdefault((meaning.get("split"), key), {}).setdefault(meaning["role"], path)
    pairs: dict[str | None, dict[str, FolderPair]] = {}
    for (split, key), roles in found.items():
        if len(roles) == 2:
            pairs.setdefault(split, {})[key] = FolderPair(key, roles["input"], roles["target"])
    return pairs, sum(len(roles) == 1 for roles in found.values())


class FolderSource:
    """Pairs of pictures; fields `image` and `target`."""

    fields = ("image", "target")

    def __init__(self, root: Path, pairs: list[FolderPair], size: int | None) -> None:
        self._root, self._size = root, size
        self._names = [pair.name for pair in pairs]
        self._paths = [path for pair in pairs for path in (pair.image, pair.target)]
        self.pools = {"picture": len(self._paths)}
        sizes = (
            {(glance.width, glance.height) for glance in map(look, self._paths)} if size is None else set()
        )
        if len(sizes) > 1:
            listed = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:5])
            raise RelightError(f"The pictures under {root} differ in size ({listed}); set data.size.")

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._names)

    def key(self, index: int) -> str:
        """The name both pictures share."""
        return self._names[index].replace("/", "_")

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Decode one pair."""
        return {"image": self.load("picture", 2 * index), "target": self.load("picture", 2 * index + 1)}

    def load(self, pool: str, number: int) -> np.ndarray:
        """Decode one picture, resized to `size`."""
        return read_rgb(self._paths[number], self._size)

    def origin(self, pool: str, number: int) -> str:
        """The file of an array."""
        return str(self._paths[number])

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """Where the two pictures lie."""
        return {"image": Part("picture", 2 * index), "target": Part("picture", 2 * index + 1)}

    def fingerprint(self) -> str:
        """Hash of names, sizes and times of the files, and of the size they are decoded to."""
        return files_fingerprint(self._root, self._paths, f"folder/{self._size}")
