"""Recognising VIDIT files by their names, whatever the folders around them are called.

The same pictures come under many folder names: `track1_train/input`, `validation_gt`, `Track1/val_target`.
Every folder name between the root and a file is cut into words, and `WORDS` says what a word means. File
names give the scene and, where they can, the light.

AIM 2020 track 1, NTIRE 2021 track 1:
    `train/{input,target}/Image000.png`, one name in both folders.
Their validation sets:
    `validation/{input,gt}/Image300.png`, or `val/Image300.png` with `val_target/Image300.png`.
AIM 2020 tracks 2 and 3, NTIRE 2021 track 2:
    `train/Image000_6500_N.png`, 40 pictures a scene.
Their validation sets:
    `{input,guide,target}/Pair000.png`.
EPFL project tree:
    `train/<location>/<temperature>/<direction>/image0000.png`.
Depth (NTIRE 2021):
    `Image000.npy` beside the picture, or in `depth/`.
Shadow-free pictures, `relight data fuse`:
    `shadow_free/train/Image000.png`, at the top of the root; `shadow_free/Image000.png` without splits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tf_relight.data.pictures import PICTURE_SUFFIXES
from tf_relight.errors import RelightError
from tf_relight.light.vidit import DIRECTIONS, TEMPERATURES, ViditLight

WORDS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("train", "training"), ("split", "train")),
    **dict.fromkeys(("validation", "valid", "val"), ("split", "validation")),
    **dict.fromkeys(("test", "testing"), ("split", "test")),
    **dict.fromkeys(("input", "inputs", "source"), ("role", "input")),
    **dict.fromkeys(("target", "targets", "gt", "truth", "groundtruth"), ("role", "target")),
    **dict.fromkeys(("guide", "guides", "guidance"), ("role", "guide")),
    **dict.fromkeys(("depth", "depths"), ("role", "depth")),
    **dict.fromkeys(("aim", "eccv"), ("challenge", "aim")),
    **dict.fromkeys(("ntire", "cvpr"), ("challenge", "ntire")),
}
"""Word in a folder name to (property, value). A folder nearer to the root wins over one further in."""

SHADOW_FREE = "shadow_free"
"""The folder of shadow-free pictures, and their role."""

_MAX_DEPTH = 8
_LIGHT = re.compile(
    rf"^(?P<scene>.+?)_(?:(?P<t1>{'|'.join(map(str, TEMPERATURES))})_(?P<d1>{'|'.join(DIRECTIONS)})"
    rf"|(?P<d2>{'|'.join(DIRECTIONS)})_(?P<t2>{'|'.join(map(str, TEMPERATURES))}))$",
    re.IGNORECASE,
)
_SCENE = re.compile(r"^(image|pair|scene|img)?[_-]?\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class FoundFile:
    """One recognised file and what its name says."""

    path: Path
    scene: str
    group: str
    """Scenes of one group share a place and are held out together."""
    light: ViditLight | None = None
    split: str | None = None
    role: str | None = None
    challenge: str | None = None
    track: int | None = None


@dataclass
class ViditScene:
    """The files of one scene within one split."""

    name: str
    group: str
    lights: dict[ViditLight, Path] = field(default_factory=dict)
    roles: dict[str, Path] = field(default_factory=dict)
    """Pictures whose name gives no light: "input", "target", "guide", "shadow_free"."""
    depth: dict[str, Path] = field(default_factory=dict)
    """Depth files by the role of the picture they lie beside; "input" is the scene's own."""

    @property
    def paired(self) -> bool:
        """Whether it has an input and a target picture under one name."""
        return "input" in self.roles and "target" in self.roles


def walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders under `root` with the names in them, in order; hidden folders are left out.

    Raises:
        RelightError: `root` is missing or no folder, or a folder cannot be listed.
    """
    if not root.is_dir():
        raise RelightError(f"{root} is no folder; set data.root to the folder that holds the pictures.")

    def complain(error: OSError) -> None:
        raise RelightError(f"Cannot list {error.filename}: {error.strerror}.") from error

    for folder, folders, names in os.walk(root, onerror=complain, followlinks=True):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and depth < _MAX_DEPTH)
        yield Path(folder), names


def find_files(root: Path) -> Iterator[FoundFile]:
    """Walk `root` and yield the files that look like VIDIT, in the order of their names.

    Raises:
        RelightError: `root` is missing, is no folder, or cannot be listed.
    """
    for folder, names in walk(root):
        inside = folder.relative_to(root).parts
        for name in sorted(names):
            found = _recognise(folder / name, inside)
            if found is not None:
                yield found


def folder_meaning(parts: Iterable[str]) -> dict[str, str]:
    """What the words of some folder names say, such as {"split": "train", "track": "1"}."""
    meaning: dict[str, str] = {}
    for part in parts:
        words = re.findall(r"[a-z]+|\d+", part.lower())
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word in WORDS:
                meaning.setdefault(*WORDS[word])
            elif word == "track" and following.isdigit():
                meaning.setdefault("track", following)
    return meaning


def collect(files: Iterable[FoundFile]) -> dict[str | None, dict[str, ViditScene]]:
    """Gather files into scenes: split ("train", "validation", "test" or None) to name to scene.

    The first file wins where two claim the same place.
    """
    splits: dict[str | None, dict[str, ViditScene]] = {}
    for found in files:
        scene = splits.setdefault(found.split, {}).setdefault(
            found.scene, ViditScene(found.scene, found.group)
        )
        if found.path.suffix.lower() == ".npy":
            scene.depth.setdefault("guide" if found.role == "guide" else "input", found.path)
        elif found.light is not None:
            scene.lights.setdefault(found.light, found.path)
        else:
            scene.roles.setdefault(found.role or "input", found.path)
    return splits


def _recognise(path: Path, inside: tuple[str, ...]) -> FoundFile | None:
    suffix = path.suffix.lower()
    if path.name.startswith(".") or (suffix not in PICTURE_SUFFIXES and suffix != ".npy"):
        return None
    if inside and inside[0] == SHADOW_FREE:
        return _shadow_free(path, inside[1:]) if suffix != ".npy" else None
    light, stem, group = None, path.stem, ""
    if found := _LIGHT.match(stem):
        stem = found["scene"]
        light = ViditLight((found["d1"] or found["d2"]).upper(), int(found["t1"] or found["t2"]))
    elif (light := _tree_light(inside)) is not None:
        # location folders: everything before the light that is no split or role
        inside = inside[:-2]
        group = "/".join(part for part in inside if not folder_meaning([part]))
        stem = f"{group}/{stem}" if group else stem
    elif not _SCENE.match(stem):
        return None
    meaning = folder_meaning(inside)
    if meaning.get("role") == "depth" and suffix != ".npy":
        return None
    track = meaning.get("track")
    return FoundFile(
        path,
        stem,
        group or stem,
        None if suffix == ".npy" else light,
        meaning.get("split"),
        meaning.get("role"),
        meaning.get("challenge"),
        int(track) if track else None,
    )


def shadow_free_path(root: Path, split: str | None, scene: str) -> Path:
    """Where the shadow-free picture of a scene lies."""
    return Path(root, SHADOW_FREE, *([split] if split else []), f"{scene}.png")


def _shadow_free(path: Path, inside: tuple[str, ...]) -> FoundFile:
    """The reverse of `shadow_free_path`: a scene's name may have folders in it."""
    split = inside[0] if inside and inside[0] in ("train", "validation") else None
    stem = "/".join([*inside[1 if split else 0 :], path.stem])
    return FoundFile(path, stem, stem, split=split, role=SHADOW_FREE)


def _tree_light(inside: tuple[str, ...]) -> ViditLight | None:
    """The light of `.../<temperature>/<direction>/`, either one first."""
    if len(inside) < 2:
        return None
    first, second = (part.upper().removesuffix("K") for part in inside[-2:])
    for direction, temperature in ((second, first), (first, second)):
        if direction in DIRECTIONS and temperature.isdigit() and int(temperature) in TEMPERATURES:
            return ViditLight(direction, int(temperature))
    return None
