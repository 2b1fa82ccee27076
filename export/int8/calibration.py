"""Pictures on which int8 files learn the ranges of their layers.

A range that is too narrow cuts bright pixels off, one that is too wide wastes some of its 256 steps; so the
pictures should look like those of the app. Without any, rendered ones are taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.litert.manifest import CalibrationRecord
from export.signatures import IMAGE, LIGHT, light_tensor
from tf_relight.errors import RelightError
from tf_relight.rounding.ranges import brightened

if TYPE_CHECKING:
    from tf_relight.contract.card import MethodInfo

COUNT = 16
"""Rendered pictures."""
MOST = 64
"""Pictures taken of a folder, evenly spread over its names."""
SEED = 20_211
LARGEST_RENDERED = 512
"""Pixels per side; larger networks get enlarged pictures."""
_TURN = 137.508  # degrees; the golden angle spreads any number of directions evenly


@dataclass(frozen=True, eq=False)
class Calibration:
    """Pictures, and lights where the method takes one.

    Attributes:
        pictures: each (S, S, C) float32 0..1, as the network's input wants them.
        lights: as many (9,) float32, or None.
    """

    source: str
    pictures: tuple[np.ndarray, ...]
    lights: tuple[np.ndarray, ...] | None
    seed: int

    def samples(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the inputs of the signature for `size`: image (1, size, size, C), light (1, 1, 1, 9 C)."""
        from tf_relight.photo.picture import resize

        for index, picture in enumerate(self.pictures):
            sample = {IMAGE: resize(picture, (size, size))[None]}
            if self.lights is not None:
                sample[LIGHT] = self.lights[index].reshape(1, 1, 1, -1)
            yield sample

    def record(self, sides: tuple[int, ...]) -> CalibrationRecord:
        """Return what the manifest says of the pictures."""
        digest = hashlib.sha256()
        for array in (*self.pictures, *(self.lights or ())):
            digest.update(np.ascontiguousarray(array).tobytes())
        return CalibrationRecord.model_validate(
            {
                "source": self.source,
                "pictures": len(self.pictures),
                "seed": self.seed,
                "sha256": digest.hexdigest(),
                "sides": sides,
            }
        )


def rendered(info: MethodInfo, size: int, *, count: int = COUNT, seed: int = SEED) -> Calibration:
    """Render pictures: scenes, or heads for methods that take a light; the same arguments, the same pixels.

    Every second scene is brightened to the exposure of a usual photo: rendered scenes are as dark as those
    of VIDIT.

    Args:
        size: pixels per side.
    """
    from tf_relight.config.run import make_data_config
    from tf_relight.data import open_source

    portraits = info.takes_light
    values = {"size": min(size, LARGEST_RENDERED), "scenes": count, "validation_scenes": 0, "seed": seed}
    own = {"name": "heads", "light_pairs": 1} if portraits else {"name": "scenes"}
    config = make_data_config({**values, **own})
    source = open_source(config, "train")
    shown = [source.read(index) for index in range(count)]
    pictures = [np.asarray(sample["image"], np.float32) / np.float32(255) for sample in shown]
    if not portraits:
        changed = [brightened(picture) if i % 2 else picture for i, picture in enumerate(pictures)]
        return Calibration("embedded scenes", tuple(_input(info, each) for each in changed), None, seed)
    # Lights of the training, and between them those that users give by angles.
    around = _lights(info, count)
    mixed = [around[i] if i % 2 else shown[i]["target_light"] for i in range(count)]
    lights = _as_taken(info, mixed)
    return Calibration("embedded heads", tuple(_input(info, each) for each in pictures), lights, seed)


def from_folder(info: MethodInfo, folder: Path | str, size: int, *, most: int = MOST) -> Calibration:
    """Read the pictures of a folder; each is cut to its middle square.

    Args:
        size: pixels per side. most: how many are taken, evenly spread over the sorted names.

    Raises:
        RelightError: no such folder, no pictures in it, or one that cannot be read.
    """
    from tf_relight.data.pictures import PICTURE_SUFFIXES, read_rgb, resized

    folder = Path(folder)
    if not folder.is_dir():
        raise RelightError(f"There is no folder {folder}. Give a folder of pictures for the calibration.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        endings = " ".join(PICTURE_SUFFIXES)
        raise RelightError(f"{folder} holds no pictures ({endings}). Give a folder of pictures.")
    if len(paths) > most:
        paths = [paths[index * len(paths) // most] for index in range(most)]
    pictures = tuple(
        _input(info, resized(_middle(read_rgb(path)), size).astype(np.float32) / np.float32(255))
        for path in paths
    )
    lights = _as_taken(info, _lights(info, len(pictures)))
    return Calibration("folder", pictures, lights, SEED)


def _input(info: MethodInfo, picture: np.ndarray) -> np.ndarray:
    """(S, S, 3) sRGB 0..1 to what the network sees."""
    if info.picture.kind == "srgb":
        return picture
    from tf_relight.photo.lightness import lightness

    return lightness(picture)[..., None]


def _middle(picture: np.ndarray) -> np.ndarray:
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[top : top + side, left : left + side]


def _as_taken(info: MethodInfo, lights: Sequence[np.ndarray]) -> tuple[np.ndarray, ...] | None:
    """Return lights as the network's files take them; None where it takes none."""
    return None if info.light is None else tuple(light_tensor(info.light, light) for light in lights)


def _lights(info: MethodInfo, count: int) -> list[np.ndarray]:
    """Return lights from all around, (9,) float32 each, as the apps give them to the network."""
    if info.light is None:
        return []
    from tf_relight.light.light import Light
    from tf_relight.relighting.light_range import network_light

    heights = np.linspace(-60, 75, count) if count > 1 else np.zeros(1)
    lights = (Light.from_direction(_TURN * index % 360, float(heights[index])) for index in range(count))
    return [network_light(light, info.light.domain) for light in lights]
