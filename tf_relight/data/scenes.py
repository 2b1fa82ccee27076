"""Embedded scenes as a dataset: nothing to download, pictures formed when they are asked for.

A scene is rendered once into linear light layers (`SceneLayers`); from these the picture under any of the
forty lights takes two milliseconds at 256 px, where the layers are 3.8 MB and forty pictures 7.9 MB.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from tf_relight.contract.values import Interval, Whole
from tf_relight.data.source import Part, Split, assemble
from tf_relight.data.store import ItemStore
from tf_relight.data.vidit.options import PairedOptions
from tf_relight.data.vidit.scenes import needed_lights
from tf_relight.errors import RelightError
from tf_relight.light.vidit import DIRECTIONS, LIGHT_COUNT, TEMPERATURES, ViditLight
from tf_relight.progress import Bars
from tf_relight.rendering.parallel import run
from tf_relight.rendering.scenes.layers import SceneLayers
from tf_relight.rendering.scenes.layouts import scene_name
from tf_relight.rendering.scenes.scene import Scene
from tf_relight.rendering.scenes.write import FORMAT_VERSION, scene_seed

_PAIRS = {"one_to_one": 1, "any_to_one": LIGHT_COUNT, "any_to_any": LIGHT_COUNT**2}


class Options(PairedOptions):
    """Options of the embedded scenes.

    Attributes:
        shadow_free: also gives each scene without its shadows.
        scenes: how many to train on.
        antialias: rays per pixel side.
    """

    shadow_free: bool = False
    scenes: Interval = 300
    antialias: Annotated[Whole, Field(ge=1, le=8)] = 1


FIELDS = ("image", "target", "light", "target_light", "guide", "depth", "shadow_free")
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> SceneSource:
    """Open the rendered scenes of a split; nothing is rendered before it is read.

    Train and validation scenes have different numbers and so different seeds: scene n is the one that
    `relight data render scenes` writes as number n with the same seed.

    Raises:
        RelightError: no size, or no validation scenes where they are asked for.

    Example:
        >>> source = open(Options(name="scenes", size=16, scenes=2), "train", needs=["shadow_free"])
        >>> len(source), source.key(0), source.read(0)["shadow_free"].shape
        (2, 'Image000', (16, 16, 3))
    """
    data_config = data_config.giving(needs)
    if data_config.size is None:
        raise RelightError("data.size is not set; rendered scenes have no size of their own, so give one.")
    first = 0 if split == "train" else data_config.scenes
    count = data_config.scenes if split == "train" else data_config.validation_scenes
    if count < 1:
        raise RelightError(f"There are no {split} scenes; raise data.validation_scenes (now {count}).")
    return SceneSource(data_config, range(first, first + count), data_config.mirror and split == "train")


class SceneSource:
    """Rendered scenes as samples, numbered like those of `ViditSource`.

    Fields: `image`, `target`, `light`, `target_light`; for any-to-any `guide`, another scene under the target
    light; `depth` and `shadow_free` when asked. Without `prepare`, scenes are rendered as they are read and
    the last few are kept, which suits readers that go through once, in order. With it, all layers are kept,
    and samples may be read in any order.

    `shadow_free` is the renderer's own, `SceneLayers.shadow_free`: all eight lamps at an eighth of their
    power, in the colour of the target's lamp and with the scene's one exposure, so that it differs from the
    target in where the light comes from, and in nothing else.

    Attributes:
        on_the_fly: keeping the layers needs less memory than keeping all pictures; call `prepare`.
    """

    def __init__(self, config: Options, numbers: range, mirror: bool) -> None:
        self._numbers, self._mirror, self._pairing = numbers, mirror, config.pairing
        self._depth = config.depth
        self._light = ViditLight.parse(config.input_light)
        self._target = ViditLight.parse(config.target_light)
        self._lights = needed_lights(config.pairing, self._light, self._target, mirror)
        self._slot = {light: slot for slot, light in enumerate(self._lights)}
        self._pairs = _PAIRS[config.pairing]
        # One shadow-free picture for each colour that a target's lamp can have.
        self._colours = TEMPERATURES if config.pairing == "any_to_any" else (self._target.temperature,)
        self._shadow_free = config.shadow_free
        self._formed: dict[int, np.ndarray] = {}
        wanted = set(DIRECTIONS) if config.shadow_free else {light.direction for light in self._lights}
        self._recipe = Recipe(
            seed=config.seed,
            size=config.size or 0,
            antialias=config.antialias,
            directions=tuple(name for name in DIRECTIONS if name in wanted),
            cache=config.cache,
        )
        self._store = ItemStore(self._recipe.layers)
        self.on_the_fly = config.pairing != "one_to_one"
        self.pools = {"picture": len(numbers) * len(self._lights)}
        if self._depth:
            self.pools["depth"] = len(numbers)
        if self._shadow_free:
            self.pools["shadow_free"] = len(numbers) * len(self._colours)
        self.fields = tuple(self.parts(0))

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._numbers) * self._pairs * (2 if self._mirror else 1)

    def key(self, index: int) -> str:
        """Scene, then what tells its samples apart, such as "Image012_6500_N-4500_E_mirrored"."""
        mirrored, scene, light, target = self._place(index)
        name = scene_name(self._numbers[scene])
        if self._pairing != "one_to_one":
            name += f"_{light.temperature}_{light.direction}"
        if self._pairing == "any_to_any":
            name += f"-{target.temperature}_{target.direction}"
        return name + ("_mirrored" if mirrored else "")

    def read(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one sample."""
        return assemble(self.parts(index), self.load)

    def load(self, pool: str, number: int) -> np.ndarray:
        """Form one picture (H, W, 3) uint8, or take one depth map (H, W, 1) float32."""
        if pool == "depth":
            return self._store.get(self._numbers[number]).depth[..., None]
        if pool == "shadow_free":
            return self._shadow_free_picture(number)
        scene, slot = divmod(number, len(self._lights))
        light = self._lights[slot]
        return self._store.get(self._numbers[scene]).image(light.direction, light.temperature)

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """Where the fields of one sample lie."""
        mirrored, scene, light, target = self._place(index)
        parts: dict[str, Part | np.ndarray] = {
            "image": self._lit(scene, light, mirrored),
            "target": self._lit(scene, target, mirrored),
            "light": np.asarray(light.index, np.int32),
            "target_light": np.asarray(target.index, np.int32),
        }
        if self._pairing == "any_to_any":
            # A multiplicative hash walks the other scenes evenly and is the same in every run.
            others = max(1, len(self._numbers) - 1)
            step = 1 + (index * 2654435761 % 2**32 >> 7) % others
            parts["guide"] = self._lit((scene + step) % len(self._numbers), target, mirrored)
        if self._depth:
            parts["depth"] = Part("depth", scene, mirrored)
        if self._shadow_free:
            number = scene * len(self._colours) + self._colours.index(target.temperature)
            parts["shadow_free"] = Part("shadow_free", number, mirrored)
        return parts

    def fingerprint(self) -> str:
        """Changes with whatever changes a picture."""
        text = f"{self._recipe.name}/{self._numbers}/{[light.name for light in self._lights]}"
        if self._shadow_free:
            text += f"/shadow_free {self._colours}"
        return hashlib.sha256(text.encode()).hexdigest()

    def prepare(self, workers: int | None = None, progress: bool = True) -> None:
        """Render all scenes now, in several processes, and keep their layers in memory or in `data.cache`.

        Args:
            workers: number of processes; None takes one for each core.
            progress: show a progress bar.

        Raises:
            RelightError: the disk is full, the cache folder cannot be written, or a process was killed.
        """
        missing = [n for n in self._numbers if not (self._recipe.has(n) or self._store.keeps(n))]
        jobs = [LayerJob(self._recipe, number) for number in missing]
        with Bars(progress and bool(jobs)) as bar:
            task = bar.add_task("Rendering scenes", total=len(jobs))
            for number, layers in run(_render_layers, jobs, workers or os.cpu_count() or 1):
                if layers is not None:
                    self._store.keep(number, layers)
                bar.advance(task)

    def _shadow_free_picture(self, number: int) -> np.ndarray:
        """Form one shadow-free picture; keep it where the layers, twenty times as large, are kept too."""
        if number in self._formed:
            return self._formed[number]
        place, colour = divmod(number, len(self._colours))
        scene = self._numbers[place]
        picture = self._store.get(scene).shadow_free(self._colours[colour])
        if self._store.keeps(scene):
            self._formed[number] = picture
        return picture

    def _lit(self, scene: int, light: ViditLight, mirrored: bool) -> Part:
        """The picture that shows `light`: its own, or the flipped one of the mirrored light."""
        taken = light.mirrored() if mirrored else light
        return Part("picture", scene * len(self._lights) + self._slot[taken], mirrored)

    def _place(self, index: int) -> tuple[bool, int, ViditLight, ViditLight]:
        """Sample number to (mirrored, scene, light shown, target light)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        side, rest = divmod(index, len(self._numbers) * self._pairs)
        scene, pair = divmod(rest, self._pairs)
        if self._pairing == "one_to_one":
            return bool(side), scene, self._light, self._target
        if self._pairing == "any_to_one":
            return bool(side), scene, ViditLight.from_index(pair), self._target
        first, second = divmod(pair, LIGHT_COUNT)
        return bool(side), scene, ViditLight.from_index(first), ViditLight.from_index(second)


@dataclass(frozen=True)
class Recipe:
    """How the layers of any scene of a set are made, and where they are kept between runs."""

    seed: int
    size: int
    antialias: int
    directions: tuple[str, ...]
    cache: Path | None

    @property
    def name(self) -> str:
        """A folder name that tells sets apart."""
        lights = "all" if self.directions == DIRECTIONS else "-".join(self.directions)
        return f"scenes_{self.size}px_seed{self.seed}_rays{self.antialias}_{lights}_v{FORMAT_VERSION}"

    def path(self, number: int) -> Path | None:
        """The file of a scene's layers, None without a cache folder."""
        return None if self.cache is None else Path(self.cache) / self.name / f"{scene_name(number)}.npz"

    def has(self, number: int) -> bool:
        """Whether the layers are in the cache folder; files there are whole."""
        path = self.path(number)
        return path is not None and path.is_file()

    def layers(self, number: int) -> SceneLayers:
        """Read the layers from the cache folder, or render them and put them there."""
        path = self.path(number)
        if path is not None and path.is_file():
            return SceneLayers.load(path, self.directions)
        seed = scene_seed(self.seed, number)
        layers = Scene(seed, self.size, self.antialias, lights=self.directions).layers.half()
        if path is not None:
            layers.save(path)
        return layers


@dataclass(frozen=True)
class LayerJob:
    """One scene for a process to render."""

    recipe: Recipe
    number: int


def _render_layers(job: LayerJob) -> tuple[int, SceneLayers | None]:
    """Render one scene; the layers travel back only when there is no file to read them from."""
    layers = job.recipe.layers(job.number)
    return job.number, None if job.recipe.cache is not None else layers
