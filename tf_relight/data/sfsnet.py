"""Faces with albedo, normals and light in the layout of SfSNet: its own, rendered heads, or pseudo-labels.

    root/{train,test}/0003/000041_face_1_3.png      and albedo, normal, mask, depth; 000041_light_1_3.txt
    root/0_12_face.png                              and albedo, normal, shading, recon; 0_12_light.txt

The second form is that of predictions (`relight predict --layout sfsnet`). It has no mask: all pixels count.

Source: Sengupta et al., "SfSNet: Learning Shape, Reflectance and Illuminance of Faces in the Wild", 2018, and
the readers of those who trained it again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tf_relight.data.options import DataConfig
from tf_relight.data.pictures import read_rgb, resized
from tf_relight.data.source import Split, files_fingerprint
from tf_relight.data.splits import choose_split
from tf_relight.errors import RelightError
from tf_relight.light.files import read_light
from tf_relight.light.spherical_harmonics import convert

_LOG = logging.getLogger("tf_relight.data")
LABELLED: tuple[str, ...] = ("face", "albedo", "normal", "mask", "depth", "light")
"""Kinds of files of a labelled face; a face that lacks one is left out."""
PREDICTED: tuple[str, ...] = ("face", "albedo", "normal", "light")
"""Kinds of files of a predicted face."""
_LABELLED_NAME = re.compile(r"(\d+)_(face|albedo|normal|mask|depth|light)_(\w+?)_(\w+?)\.(png|txt)")
_PREDICTED_NAME = re.compile(r"(\w+?)_(face|albedo|normal|light)\.(png|txt)")
_SPLITS = {"train": "train", "test": "validation", "validation": "validation"}


class Options(DataConfig):
    """Options of SfSNet's layout: none but those that all data have."""


FIELDS = ("image", "albedo", "normal", "mask", "light")
"""What its samples can hold."""


@dataclass(frozen=True)
class LabelledFace:
    """The files of one face by kind; a predicted one has no mask."""

    name: str
    files: dict[str, Path]


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> FaceSource:
    """Open the faces of a split: folder train, folder test, or without folders a share held out.

    Faces that lack a kind of file are left out with one counted warning.

    Raises:
        RelightError: no root or size, no whole face (with the kind that is missing), or too few to hold out.

    Example:
        >>> import tempfile
        >>> from tf_relight.rendering.heads.write import render_heads
        >>> folder = tempfile.mkdtemp()
        >>> _ = render_heads(folder, heads=1, validation_heads=1, size=32, layout="sfsnet", progress=False)
        >>> source = open(Options(name="sfsnet", root=folder, size=32), "train")
        >>> sample = source.read(0)
        >>> sample["normal"].shape, sample["light"].shape
        ((32, 32, 3), (9, 3))
    """
    if data_config.root is None:
        raise RelightError(
            "data.root is not set; use the folder that holds train/ and test/ of SfSNet's layout."
        )
    if data_config.size is None:
        raise RelightError("data.size is not set; SfSNet's own is 128.")
    root = Path(data_config.root)
    if not root.is_dir():
        raise RelightError(f"There is no folder {root}; check data.root.")
    faces, missing = find_faces(root)
    if not any(faces.values()):
        what = f"; of {sum(missing.values())} faces the kind '{_most(missing)}' is missing" if missing else ""
        raise RelightError(
            f"{root} holds no whole face in SfSNet's layout, such as train/0003/000041_face_1_3.png with "
            f"albedo, normal, mask, depth and light{what}."
        )
    if missing:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in missing.items())
        _LOG.warning("%s: %d faces lack files and are left out: %s.", root, sum(missing.values()), kinds)
    chosen = choose_split(faces, split, root, data_config.validation_scenes, data_config.seed)
    return FaceSource(root, chosen, data_config.size)


def find_faces(root: Path) -> tuple[dict[str | None, dict[str, LabelledFace]], dict[str, int]]:
    """Return the whole faces below a folder by split and name, and how many lack which kind first."""
    found: dict[tuple[str | None, str], tuple[tuple[str, ...], dict[str, Path]]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix not in (".png", ".txt"):
            continue
        inside = path.relative_to(root)
        split = _SPLITS.get(inside.parts[0]) if len(inside.parts) > 1 else None
        folder = inside.parent.as_posix()
        labelled = _LABELLED_NAME.fullmatch(path.name)
        predicted = None if labelled else _PREDICTED_NAME.fullmatch(path.name)
        if labelled:
            name, kind, kinds = f"{folder}/{labelled[1]}_{labelled[3]}_{labelled[4]}", labelled[2], LABELLED
        elif predicted:
            name, kind, kinds = f"{folder}/{predicted[1]}", predicted[2], PREDICTED
        else:
            continue
        found.setdefault((split, name), (kinds, {}))[1][kind] = path
    faces: dict[str | None, dict[str, LabelledFace]] = {}
    missing: dict[str, int] = {}
    for (split, name), (kinds, files) in found.items():
        lacking = next((kind for kind in kinds if kind not in files), None)
        if lacking is None:
            faces.setdefault(split, {})[name] = LabelledFace(name, files)
        else:
            missing[lacking] = missing.get(lacking, 0) + 1
    return faces, missing


def _most(missing: dict[str, int]) -> str:
    return max(missing, key=lambda kind: missing[kind])


class FaceSource:
    """Faces with what they are made of.

    Fields: `image` and `albedo`, uint8 (H, W, 3); `normal`, float32 (H, W, 3), x right, y up, z toward the
    camera, of length 1 or 0 where there is none; `mask`, float32 (H, W, 1); `light`, float32 (9, 3), frame
    "dpr".
    """

    fields = FIELDS

    def __init__(self, root: Path, faces: list[LabelledFace], size: int) -> None:
        self._root, self._faces, self._size = root, faces, size

    def __len__(self) -> int:
        """Number of faces."""
        return len(self._faces)

    def key(self, index: int) -> str:
        """Folder and name of the face, with _ for /."""
        return self._faces[index].name.replace("/", "_")

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Decode one face.

        Raises:
            RelightError: a file is missing, broken, or a light that is not 27 numbers, or no normals at all.
        """
        files = self._faces[index].files
        normal = decoded_normals(read_rgb(files["normal"]))
        if not np.any(normal):
            raise RelightError(f"{files['normal']} holds no normals: all of it is 128. Take it out.")
        mask = np.ones((self._size, self._size, 1), np.float32)
        if "mask" in files:
            mask = resized(read_rgb(files["mask"])[..., :1], self._size).astype(np.float32) / np.float32(255)
        return {
            "image": read_rgb(files["face"], self._size),
            "albedo": read_rgb(files["albedo"], self._size),
            "normal": _unit(cv2.resize(normal, (self._size, self._size), interpolation=cv2.INTER_AREA)),
            "mask": mask,
            "light": light_of(files["light"]),
        }

    def fingerprint(self) -> str:
        """Hash of names, sizes and times of the files, and of the size they are decoded to."""
        paths = [path for face in self._faces for path in face.files.values()]
        return files_fingerprint(self._root, paths, f"sfsnet/{self._size}")


def decoded_normals(picture: np.ndarray) -> np.ndarray:
    """Return normals (H, W, 3) float32, x right, y up, z toward the camera, of SfSNet's uint8 RGB picture.

    It stores (v - 128) / 128: x down, y right, z toward the camera; 128 is zero.
    """
    down, right, toward = np.moveaxis((picture.astype(np.float32) - 128) / 128, -1, 0)
    return np.stack([right, -down, toward], axis=-1)


def light_of(path: Path) -> np.ndarray:
    """Return the light (9, 3) float32, frame "dpr", of a file of 27 numbers: nine of red, green, then blue.

    Raises:
        RelightError: the file is missing or has another count of numbers.
    """
    light, _ = read_light(path, "sfsnet")
    light = np.asarray(light)
    if light.shape != (9, 3):
        raise RelightError(f"{path} holds {light.size} numbers; a light of SfSNet's layout has 27.")
    return convert(light, "sfsnet", "dpr").astype(np.float32)


def _unit(normals: np.ndarray) -> np.ndarray:
    """Normals of length 1, but for those that are hardly there."""
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.where(length > 0.1, normals / np.maximum(length, 1e-6), 0).astype(np.float32)
