"""Rendered scenes in TFRecord shards: what `relight data render scenes --layout tfrecord` writes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from tf_relight.data.pictures import resized
from tf_relight.data.source import Split, files_fingerprint
from tf_relight.data.splits import choose_split
from tf_relight.data.vidit.layout import ViditScene
from tf_relight.data.vidit.options import PairedOptions
from tf_relight.data.vidit.samples import ViditSource
from tf_relight.data.vidit.scenes import Completeness, needed_lights
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ViditLight
from tf_relight.rendering.tfrecord import StoredScene, stored_scenes

SPLITS = ("train", "validation")
SHARDS = "[!.]*.tfrecord"


class Options(PairedOptions):
    """Options of rendered scenes in TFRecord files: those of all data under VIDIT's lights."""


FIELDS = ("image", "target", "light", "target_light", "guide", "depth")
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> ShardSource:
    """Open `root/{train,validation}/*.tfrecord`.

    Without validation shards, `data_config.validation_scenes` scenes are held out by a hash of (seed, name).

    Raises:
        RelightError: no shards, a shard that is cut short or not ours, too few scenes to hold out, or lights
            or depth that the settings need are not stored.

    Example:
        >>> import tempfile
        >>> from tf_relight.rendering.scenes.write import render_scenes
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = render_scenes(root, scenes=2, validation_scenes=1, size=16, layout="tfrecord", progress=False)
        >>> source = open(Options(name="shards", root=root, size=16), "train")
        >>> len(source), source.fields
        (2, ('image', 'target', 'light', 'target_light'))
    """
    data_config = data_config.giving(needs)
    if data_config.root is None:
        raise RelightError("data.root is not set; use the folder that holds the shards.")
    root = Path(data_config.root)
    found: dict[str | None, dict[str, StoredScene]] = {folder: _scenes_of(root / folder) for folder in SPLITS}
    if not any(found.values()):
        raise RelightError(
            f"{root} holds no shards (train/*.tfrecord); check data.root, or write some with "
            "`relight data render scenes --layout tfrecord`."
        )
    scenes = choose_split(found, split, root, data_config.validation_scenes, data_config.seed)
    mirror = data_config.mirror and split == "train"
    source, target = ViditLight.parse(data_config.input_light), ViditLight.parse(data_config.target_light)
    lights = needed_lights(data_config.pairing, source, target, mirror)
    for scene in scenes:
        _require(scene, lights, data_config.depth)
    return ShardSource(root, scenes, data_config, mirror)


def _scenes_of(folder: Path) -> dict[str, StoredScene]:
    """The scenes of all shards of a folder by name."""
    scenes: dict[str, StoredScene] = {}
    for path in sorted(folder.glob(SHARDS)):
        for scene in stored_scenes(path):
            other = scenes.setdefault(scene.name, scene)
            if other is not scene:
                raise RelightError(f"{scene.name} is in {other.path} and in {path}; remove one of them.")
    return scenes


def _require(scene: StoredScene, lights: tuple[ViditLight, ...], depth: bool) -> None:
    missing = [light.name for light in lights if light not in scene.lights]
    if missing:
        raise RelightError(
            f"{scene.path}: {scene.name} lacks {len(missing)} of {len(lights)} lights (first: {missing[0]}); "
            "change data.pairing, data.mirror or the lights, or render the scenes again."
        )
    if depth and scene.depth_start is None:
        raise RelightError(f"{scene.path} has no depth of {scene.name}; set data.depth=false.")


class ShardSource(ViditSource):
    """Stored scenes as samples; fields and numbering are those of `ViditSource` with named lights."""

    def __init__(self, root: Path, scenes: list[StoredScene], config: Options, mirror: bool) -> None:
        self._stored = scenes
        found = Completeness("lights", len(scenes[0].lights), "lights")
        for scene in scenes:
            lights = dict.fromkeys(scene.lights, scene.path)
            found.complete.append(ViditScene(scene.name, scene.name, lights, depth={"input": scene.path}))
            found.sizes[scene.width, scene.height] = found.sizes.get((scene.width, scene.height), 0) + 1
        super().__init__(root, found, config, mirror)

    def load(self, pool: str, number: int) -> np.ndarray:
        """Read one picture or depth map, resized to `size`."""
        if pool == "depth":
            array = self._stored[number].depth()
        else:
            scene, slot = divmod(number, len(self._lights))
            array = self._stored[scene].picture(self._lights[slot])
        return array if self._size is None else resized(array, self._size)

    def fingerprint(self) -> str:
        """Hash of names, sizes and times of the shards, of the scenes and lights used, and of their size."""
        names = [[scene.name for scene in self._stored], [light.name for light in self._lights]]
        paths = sorted({scene.path for scene in self._stored})
        return files_fingerprint(self._root, paths, f"shards/{self._size}/{names}")
