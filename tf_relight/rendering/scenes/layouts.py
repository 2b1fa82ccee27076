"""Folder layouts in which scenes are written: VIDIT's own names, one-to-one pairs, TFRecord shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tf_relight.files import atomic_path
from tf_relight.light.vidit import ALL_LIGHTS, ViditLight
from tf_relight.rendering.scenes.scene import Scene

PNG_LEVEL = 1  # higher levels cost as much time as the rendering


@dataclass(frozen=True)
class Layout:
    """How the scenes of one split lie in its folder.

    Attributes:
        scenes_per_job: scenes that are written together and are complete or missing together.
        lights: which of the forty lights are written, given the wanted input and target light.
        paths: (folder, scene numbers, lights) -> the files of a job.
        write: (folder, scene numbers, lights, render) -> writes them; each appears whole or not at all.
    """

    scenes_per_job: int
    lights: Callable[[ViditLight, ViditLight], tuple[ViditLight, ...]]
    paths: Callable[[Path, Sequence[int], Sequence[ViditLight]], list[Path]]
    write: Callable[[Path, Sequence[int], Sequence[ViditLight], Callable[[int], Scene]], None]


def scene_name(number: int) -> str:
    """VIDIT's name of a scene: "Image007", with four digits from 1000 on."""
    return f"Image{number:03d}"


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an 8-bit RGB picture (H, W, 3).

    Raises:
        RelightError: the disk is full or the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, compress_level=PNG_LEVEL)


# VIDIT: all forty pictures of a scene in one folder, and its depth


def _vidit_name(number: int, light: ViditLight) -> str:
    return f"{scene_name(number)}_{light.temperature}_{light.direction}.png"


def _vidit_paths(folder: Path, numbers: Sequence[int], lights: Sequence[ViditLight]) -> list[Path]:
    pictures = [folder / _vidit_name(number, light) for number in numbers for light in lights]
    return pictures + [folder / f"{scene_name(number)}.npy" for number in numbers]


def _write_vidit(
    folder: Path, numbers: Sequence[int], lights: Sequence[ViditLight], render: Callable[[int], Scene]
) -> None:
    for number in numbers:
        scene = render(number)
        for light in lights:
            write_png(folder / _vidit_name(number, light), scene.image(light.direction, light.temperature))
        with atomic_path(folder / f"{scene_name(number)}.npy") as temporary:
            np.save(temporary, scene.layers.depth, allow_pickle=False)


# One-to-one: input and target under the same name


def _pair_paths(folder: Path, numbers: Sequence[int], lights: Sequence[ViditLight]) -> list[Path]:
    return [folder / part / f"{scene_name(number)}.png" for number in numbers for part in ("input", "target")]


def _write_pair(
    folder: Path, numbers: Sequence[int], lights: Sequence[ViditLight], render: Callable[[int], Scene]
) -> None:
    for number in numbers:
        scene = render(number)
        for path, light in zip(_pair_paths(folder, [number], lights), lights, strict=True):
            write_png(path, scene.image(light.direction, light.temperature))


# TFRecord: raw uint8 pictures of several scenes in one shard


def _shard_paths(folder: Path, numbers: Sequence[int], lights: Sequence[ViditLight]) -> list[Path]:
    return [folder / f"scenes-{numbers[0]:06d}.tfrecord"]


def _write_shard(
    folder: Path, numbers: Sequence[int], lights: Sequence[ViditLight], render: Callable[[int], Scene]
) -> None:
    from tf_relight.rendering.tfrecord import SceneRecord, write_shard

    def record(number: int) -> SceneRecord:
        scene = render(number)
        pictures = np.stack([scene.image(light.direction, light.temperature) for light in lights])
        indices = np.array([light.index for light in lights], np.int32)
        return SceneRecord(scene_name(number), indices, pictures, scene.layers.depth)

    write_shard(_shard_paths(folder, numbers, lights)[0], map(record, numbers))


LAYOUTS = {
    "vidit": Layout(1, lambda source, target: ALL_LIGHTS, _vidit_paths, _write_vidit),
    "one2one": Layout(1, lambda source, target: (source, target), _pair_paths, _write_pair),
    "tfrecord": Layout(8, lambda source, target: ALL_LIGHTS, _shard_paths, _write_shard),
}
"""Layout name to how it is written."""
