"""Portraits in the layout of the DPR dataset: one folder per subject with relit pictures and their lights.

    root/imgHQ00000/imgHQ00000_00.png        a relit portrait
    root/imgHQ00000/imgHQ00000_light_00.txt  its light: 9 numbers, frame "dpr"
    root/imgHQ00000/imgHQ00000.png           the photo they were made from (or in root/original/)
    root/train.lst, root/val.lst             pairs, one a line: imgHQ00002 imgHQ00002_00.png imgHQ00002_02.png

`relight data render heads --layout dpr` and `relight data render ratio-images` write it. Without lists, every
pair of a subject's pictures is used once, and whole subjects are held out for validation.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tf_relight.data.options import DataConfig
from tf_relight.data.pictures import PICTURE_SUFFIXES, look, read_rgb
from tf_relight.data.source import Part, Split, files_fingerprint
from tf_relight.data.splits import held_out_groups
from tf_relight.errors import RelightError, shortened
from tf_relight.guarded.reading import read_text
from tf_relight.light.files import read_light
from tf_relight.light.spherical_harmonics import image_map

LARGEST_LIST = 64 << 20
"""Bytes; the DPR dataset's list of training pairs has 12 million."""
LISTS = {"train": ("train.lst",), "validation": ("val.lst", "validation.lst", "test.lst")}
ORIGINALS = ("original", "originals")
"""Folders of the photos before they were relit, beside those of the subjects."""
_RELIT = re.compile(r"(?P<subject>.+)_(?P<number>\d{2,3})")


class Portrait(NamedTuple):
    """One relit picture and its light file."""

    subject: str
    picture: Path
    light: Path


class PortraitPair(NamedTuple):
    """Two pictures of one subject."""

    image: Portrait
    target: Portrait


class Options(DataConfig):
    """Options of portraits in the layout of the DPR dataset.

    Attributes:
        mirror: adds pictures flipped left to right, with their lights flipped too.
    """

    mirror: bool = False


FIELDS = ("image", "target", "original", "light", "target_light")
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> PortraitSource:
    """Open the pairs of a split.

    `data.validation_scenes` subjects are held out where there is no list for validation. `data.mirror` adds
    every training pair flipped left to right, with its lights flipped too.

    Raises:
        RelightError: no folder, no subjects, a list that names missing pictures, a missing or wrong light
            file, a missing original, or pictures of unequal size without data.size.

    Example:
        >>> import tempfile
        >>> from tf_relight.rendering.heads.write import render_heads
        >>> root = tempfile.mkdtemp()
        >>> _ = render_heads(root, heads=1, validation_heads=1, size=16, layout="dpr", progress=False)
        >>> source = open(Options(name="portraits", root=root, size=16), "train")
        >>> sorted(source.read(0))
        ['image', 'light', 'original', 'target', 'target_light']
    """
    if data_config.root is None:
        raise RelightError("data.root is not set; add `--set data.root=FOLDER` with a folder per subject.")
    root = Path(data_config.root)
    subjects = find_subjects(root)
    if not subjects:
        raise RelightError(
            f"{root} holds no portraits; wanted are folders with NAME_00.png and NAME_light_00.txt."
        )
    pairs = choose_pairs(root, subjects, split, data_config.validation_scenes, data_config.seed)
    mirror = data_config.mirror and split == "train"
    return PortraitSource(root, pairs, data_config.size, mirror=mirror)


def find_subjects(root: Path) -> dict[str, dict[str, Portrait]]:
    """Return the relit pictures under `root`, {subject: {file name: portrait}}.

    Raises:
        RelightError: no such folder.
    """
    if not root.is_dir():
        raise RelightError(f"{root} is not a folder; set data.root to the folder of the portraits.")
    found: dict[str, dict[str, Portrait]] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(folder.iterdir()):
            match = _RELIT.fullmatch(path.stem)
            if match and path.suffix.lower() in PICTURE_SUFFIXES and match["subject"] == folder.name:
                light = folder / f"{folder.name}_light_{match['number']}.txt"
                found.setdefault(folder.name, {})[path.name] = Portrait(folder.name, path, light)
    return found


def choose_pairs(
    root: Path,
    subjects: dict[str, dict[str, Portrait]],
    split: Literal["train", "validation"],
    held_out: int,
    seed: int,
) -> list[PortraitPair]:
    """Return the pairs of a split: those of its list, or all pairs of its subjects.

    Raises:
        RelightError: a list names what is not there, or holding out leaves a side empty.
    """
    lists = {s: next((root / n for n in names if (root / n).is_file()), None) for s, names in LISTS.items()}
    path = lists[split]
    if path is not None:
        return read_pairs(path, subjects)
    other = lists["validation" if split == "train" else "train"]
    names = set(subjects)
    if other is not None:
        names -= {pair.image.subject for pair in read_pairs(other, subjects)}
    elif split == "train":
        names -= held_out_groups(list(subjects), held_out, seed)
    else:
        names &= held_out_groups(list(subjects), held_out, seed)
    if not names:
        raise RelightError(
            f"{root} has {len(subjects)} subjects and none is left for {split}; set data.validation_scenes "
            f"(now {held_out}) to the number of subjects to hold out, at least 1 and fewer than all."
        )
    pairs = [PortraitPair(*two) for name in sorted(names) for two in combinations(subjects[name].values(), 2)]
    if not pairs:
        raise RelightError(f"{root} has no subject with two relit pictures for {split}.")
    return pairs


class PortraitSource:
    """Pairs of portraits; fields `image`, `target`, `original`, `light` and `target_light`."""

    fields = ("image", "target", "original", "light", "target_light")

    def __init__(self, root: Path, pairs: list[PortraitPair], size: int | None, *, mirror: bool) -> None:
        self._root, self._pairs, self._size, self._mirror = root, pairs, size, mirror
        portraits = {p.picture: p for pair in pairs for p in pair}
        originals = {p.subject: find_original(root, p) for p in portraits.values()}
        self._lights = {path: read_portrait_light(p.light) for path, p in portraits.items()}
        self._paths = [*portraits, *originals.values()]
        self._number = {path: number for number, path in enumerate(self._paths)}
        self._original = {subject: self._number[path] for subject, path in originals.items()}
        self._files = [*self._paths, *(p.light for p in portraits.values())]
        self.pools = {"picture": len(self._paths)}
        sizes = {(g.width, g.height) for g in map(look, self._paths)} if size is None else set()
        if len(sizes) > 1:
            listed = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:5])
            raise RelightError(f"The pictures under {root} differ in size ({listed}); set data.size.")

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._pairs) * (2 if self._mirror else 1)

    def key(self, index: int) -> str:
        """The two pictures, such as "imgHQ00002_00_02"; flipped ones end in "_mirrored"."""
        pair, mirrored = self._place(index)
        second = pair.target.picture.stem.removeprefix(pair.image.subject)
        return pair.image.picture.stem + second + ("_mirrored" if mirrored else "")

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Decode one sample."""
        from tf_relight.data.source import assemble

        return assemble(self.parts(index), self.load)

    def load(self, pool: str, number: int) -> np.ndarray:
        """Decode one picture, resized to `data.size`."""
        return read_rgb(self._paths[number], self._size)

    def origin(self, pool: str, number: int) -> str:
        """The file of an array."""
        return str(self._paths[number])

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """Where the pictures lie, and the lights themselves."""
        pair, mirrored = self._place(index)
        lights = {"light": pair.image, "target_light": pair.target}
        turned = image_map("hflip") if mirrored else np.eye(9)
        return {
            "image": Part("picture", self._number[pair.image.picture], mirrored),
            "target": Part("picture", self._number[pair.target.picture], mirrored),
            "original": Part("picture", self._original[pair.image.subject], mirrored),
            **{name: (turned @ self._lights[p.picture]).astype(np.float32) for name, p in lights.items()},
        }

    def fingerprint(self) -> str:
        """Hash of names, sizes and times of the files, and of the settings."""
        return files_fingerprint(self._root, self._files, f"portraits/{self._size}/{self._mirror}")

    def _place(self, index: int) -> tuple[PortraitPair, bool]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        mirrored, number = divmod(index, len(self._pairs))
        return self._pairs[number], bool(mirrored)


def find_original(root: Path, portrait: Portrait) -> Path:
    """Return the photo that a subject's pictures were made from.

    Raises:
        RelightError: there is none; the sentence names the places.
    """
    places = [portrait.picture.parent, *(root / name for name in ORIGINALS)]
    for place in places:
        for suffix in PICTURE_SUFFIXES:
            path = place / f"{portrait.subject}{suffix}"
            if path.is_file():
                return path
    raise RelightError(
        f"The original photo of {portrait.subject} is missing: put {portrait.subject}.png beside its relit "
        f"pictures, or into {root / ORIGINALS[0]}."
    )


def read_portrait_light(path: Path) -> np.ndarray:
    """Return the light (9,) of a relit picture, frame "dpr".

    Raises:
        RelightError: no such file, or not 9 finite numbers in it.
    """
    if not path.is_file():
        raise RelightError(f"The light file {path} is missing: every relit picture needs one.")
    values, _ = read_light(path, "dpr")
    if values.shape != (9,):
        raise RelightError(f"The light file {path} holds 27 numbers: a relit picture needs 9, its luminance.")
    return values


def read_pairs(path: Path, subjects: dict[str, dict[str, Portrait]]) -> list[PortraitPair]:
    """Read pairs; blank lines are skipped.

    Raises:
        RelightError: a line of another form, or one that names what is not there, with its number.
    """
    pairs = []
    text = read_text(path, LARGEST_LIST, what="the list", advice="write a subject and two pictures a line")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3:
            raise RelightError(
                f"{path}, line {number}: wanted are a subject and two pictures, found "
                f"'{shortened(line, 80)}'."
            )
        known = subjects.get(words[0], {})
        missing = [name for name in words[1:] if name not in known]
        if missing:
            raise RelightError(
                f"{path}, line {number}: {words[0]}/{missing[0]} is not there; restore it or delete the line."
            )
        pairs.append(PortraitPair(known[words[1]], known[words[2]]))
    if not pairs:
        raise RelightError(f"The list {path} names no pairs.")
    return pairs
