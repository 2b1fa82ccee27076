"""Plain photos without targets, for methods that teach themselves."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import numpy as np

from tf_relight.data.options import DataConfig
from tf_relight.data.pictures import PICTURE_SUFFIXES, read_rgb, resized
from tf_relight.data.source import Part, Split, files_fingerprint
from tf_relight.data.splits import choose_split
from tf_relight.errors import RelightError


class Options(DataConfig):
    """Options of plain photos.

    Attributes:
        fit: how photos become squares of `size`: "crop" takes their middle, "squeeze" all of them.
    """

    fit: Literal["crop", "squeeze"] = "crop"


FIELDS = ("image",)
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> PhotoSource:
    """Open all photos below `root`, or below `root/{train,validation}`.

    Without a validation folder, `data.validation_scenes` photos are held out by a hash of (seed, name).

    Raises:
        RelightError: no root or size, no photos, or too few to hold out.

    Example:
        >>> import tempfile, numpy as np
        >>> from pathlib import Path
        >>> from tf_relight.photo.picture import Picture
        >>> from tf_relight.photo.writing import write_picture
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in "abc":
        ...     _ = write_picture(folder / f"{name}.png", Picture(np.full((20, 30, 3), 0.5, np.float32)))
        >>> source = open(Options(name="photos", root=folder, size=16, validation_scenes=1), "train")
        >>> len(source), source.read(0)["image"].shape
        (2, (16, 16, 3))
    """
    if data_config.root is None:
        raise RelightError("data.root is not set; use the folder that holds the photos.")
    if data_config.size is None:
        raise RelightError("data.size is not set; photos have all kinds of sizes, so give one.")
    root = Path(data_config.root)
    if not root.is_dir():
        raise RelightError(f"There is no folder {root}; check data.root.")
    found: dict[str | None, dict[str, Path]] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix.lower() in PICTURE_SUFFIXES and not inside.name.startswith("."):
            place = inside.parts[0] if inside.parts[0] in ("train", "validation") else None
            found.setdefault(place, {})[inside.as_posix()] = path
    if not found:
        raise RelightError(f"{root} holds no photos ({' '.join(PICTURE_SUFFIXES)}); check data.root.")
    paths = choose_split(found, split, root, data_config.validation_scenes, data_config.seed)
    return PhotoSource(root, paths, data_config.size, data_config.fit)


class PhotoSource:
    """Photos as squares; field `image`."""

    fields = FIELDS

    def __init__(self, root: Path, paths: list[Path], size: int, fit: Literal["crop", "squeeze"]) -> None:
        self._root, self._paths, self._size, self._fit = root, paths, size, fit
        self.pools = {"picture": len(paths)}

    def __len__(self) -> int:
        """Number of photos."""
        return len(self._paths)

    def key(self, index: int) -> str:
        """Where the photo lies, with _ for /."""
        return self._paths[index].relative_to(self._root).as_posix().replace("/", "_")

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Decode one photo."""
        return {"image": self.load("picture", index)}

    def load(self, pool: str, number: int) -> np.ndarray:
        """Decode one photo, cut and resized."""
        pixels = read_rgb(self._paths[number])
        if self._fit == "crop":
            side = min(pixels.shape[:2])
            top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
            pixels = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        return resized(pixels, self._size)

    def origin(self, pool: str, number: int) -> str:
        """The file of an array."""
        return str(self._paths[number])

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """Where the photo lies in the pool."""
        return {"image": Part("picture", index)}

    def fingerprint(self) -> str:
        """Hash of names, sizes and times of the files, and of how they are decoded."""
        return files_fingerprint(self._root, self._paths, f"photos/{self._size}/{self._fit}")
