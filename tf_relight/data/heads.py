"""Embedded heads as a dataset: nothing to download, portraits formed under two random lights each.

A head is rendered once into maps of normals and albedo, 14 bytes a pixel; a picture of it under any light
then takes a fraction of a millisecond at 128 px, so that training sees new lights in every epoch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from tf_relight.contract.values import Interval, Whole
from tf_relight.data.options import DataConfig
from tf_relight.data.source import Split
from tf_relight.data.store import ItemStore
from tf_relight.errors import RelightError
from tf_relight.progress import Bars
from tf_relight.rendering.heads.head import (
    FORMAT_VERSION,
    ORIGINAL_LIGHT,
    RELIT_LIGHTS,
    Head,
    head_light,
    head_name,
)
from tf_relight.rendering.heads.maps import HeadMaps
from tf_relight.rendering.parallel import run

FIXED_PAIRS = tuple(combinations(RELIT_LIGHTS, 2))  # the ten pairs that DPR's lists have of a subject


class Options(DataConfig):
    """Options of the embedded heads.

    Attributes:
        scenes: how many heads to train on.
        light_pairs: pairs of lights of each training head; all are different.
        coloured_light: lights have 9 x 3 coefficients instead of 9.
        ground_truth: samples also have normal, albedo and mask; switched on where they are needed.
    """

    scenes: Interval = 300
    light_pairs: Annotated[Whole, Field(ge=1, le=10**6)] = 1000
    coloured_light: bool = False
    ground_truth: bool = False


FIELDS = ("image", "target", "original", "light", "target_light", "normal", "albedo", "mask")
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> HeadSource:
    """Open the rendered heads of a split; nothing is rendered before it is read.

    Train and validation heads have different numbers: head n is the one that `relight data render heads`
    writes as number n with the same seed, and validation shows the ten pairs that its lists name.

    Raises:
        RelightError: no size, or no validation heads where they are asked for.

    Example:
        >>> source = open(Options(name="heads", size=16, scenes=1, light_pairs=4), "train", needs=["normal"])
        >>> sorted(source.read(0))
        ['albedo', 'image', 'light', 'mask', 'normal', 'original', 'target', 'target_light']
    """
    if not {"normal", "albedo", "mask"}.isdisjoint(needs):
        data_config = data_config.model_copy(update={"ground_truth": True})
    if data_config.size is None:
        raise RelightError("data.size is not set; rendered heads have no size of their own, so give one.")
    first = 0 if split == "train" else data_config.scenes
    count = data_config.scenes if split == "train" else data_config.validation_scenes
    if count < 1:
        raise RelightError(f"There are no {split} heads; raise data.validation_scenes (now {count}).")
    return HeadSource(data_config, range(first, first + count), fixed=split == "validation")


class HeadSource:
    """Pairs of portraits of one head under two lights.

    Fields: `image`, `target` and `original` (the head under a third light, the same for all its pairs), uint8
    (H,W,3), stored albedo times shading; `light`, `target_light`, float32 (9,), or (9,3) where coloured, in
    frame "dpr". With `data.ground_truth` also `normal`, float32 (H,W,3), x right, y up, z toward the camera;
    `albedo`, uint8 (H,W,3); `mask`, float32 (H,W,1), 1 where the person is.

    A training head has `data.light_pairs` pairs, each with its own lights. Sample i is a pure function of the
    seed, the head and the pair.

    Attributes:
        on_the_fly: always true; `prepare` renders the heads, `read` forms the pictures.
    """

    on_the_fly = True

    def __init__(self, config: Options, numbers: range, fixed: bool) -> None:
        self._numbers, self._fixed = numbers, fixed
        self._coloured, self._truth = config.coloured_light, config.ground_truth
        self._pairs = len(FIXED_PAIRS) if fixed else config.light_pairs
        self._recipe = Recipe(config.seed, config.size or 0, config.cache)
        self._store = ItemStore(self._recipe.maps)
        self.fields: tuple[str, ...] = ("image", "target", "original", "light", "target_light")
        if self._truth:
            self.fields += ("normal", "albedo", "mask")

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._numbers) * self._pairs

    def key(self, index: int) -> str:
        """Head and lights, such as "imgHQ00012_01_04"."""
        number, first, second = self._place(index)
        return f"{head_name(number)}_{first:02d}_{second:02d}"

    def read(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one sample."""
        number, *pair = self._place(index)
        maps, seed = self._store.get(number), self._recipe.seed
        light, target_light, first_light = (
            head_light(seed, number, which, self._coloured) for which in (*pair, ORIGINAL_LIGHT)
        )
        sample = {
            "image": maps.image(light),
            "target": maps.image(target_light),
            "original": maps.image(first_light),
            "light": light,
            "target_light": target_light,
        }
        if self._truth:
            sample["normal"] = maps.normals()
            sample["albedo"] = np.ascontiguousarray(np.moveaxis(maps.albedo, 0, -1))
            sample["mask"] = (maps.parts > 0).astype(np.float32)[..., None]
        return sample

    def fingerprint(self) -> str:
        """Changes with whatever changes a picture."""
        settings = (self._recipe.name, self._numbers, self._pairs, self._fixed, self._coloured, self._truth)
        return hashlib.sha256(repr(settings).encode()).hexdigest()

    def prepare(self, workers: int | None = None, progress: bool = True) -> None:
        """Render all heads now, in several processes, and keep their maps in memory.

        With `data.cache` the maps are also written there, and read again in later runs.

        Args:
            workers: number of processes; None takes one for each core.
            progress: show a progress bar.

        Raises:
            RelightError: the disk is full, the cache folder cannot be written, or a process was killed.
        """
        jobs = [MapJob(self._recipe, number) for number in self._numbers if not self._store.keeps(number)]
        with Bars(progress and bool(jobs)) as bar:
            task = bar.add_task("Rendering heads", total=len(jobs))
            for number, maps in run(_render_maps, jobs, workers or os.cpu_count() or 1):
                self._store.keep(number, maps)
                bar.advance(task)

    def _place(self, index: int) -> tuple[int, int, int]:
        """Sample number to (head, light shown, target light)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        head, pair = divmod(index, self._pairs)
        number = self._numbers[head]
        if self._fixed:
            return number, *FIXED_PAIRS[pair]
        return number, 2 * pair + 1, 2 * pair + 2


@dataclass(frozen=True)
class Recipe:
    """How the maps of any head of a set are made, and where they are kept between runs."""

    seed: int
    size: int
    cache: Path | None

    @property
    def name(self) -> str:
        """A folder name that tells sets apart."""
        return f"heads_{self.size}px_seed{self.seed}_v{FORMAT_VERSION}"

    def maps(self, number: int) -> HeadMaps:
        """Read the maps from the cache folder, or render them and put them there."""
        path = None if self.cache is None else Path(self.cache) / self.name / f"{head_name(number)}.npz"
        if path is not None and path.is_file():
            return HeadMaps.load(path, self.size)
        maps = Head(number, self.seed, self.size).maps
        if path is not None:
            maps.save(path)
        return maps


@dataclass(frozen=True)
class MapJob:
    """One head for a process to render."""

    recipe: Recipe
    number: int


def _render_maps(job: MapJob) -> tuple[int, HeadMaps]:
    return job.number, job.recipe.maps(job.number)
