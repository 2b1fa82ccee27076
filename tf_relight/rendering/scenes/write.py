"""Rendering many scenes into a folder: parallel by processes, resumable, the same bytes for a seed."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError, suggest
from tf_relight.files import atomic_path, sweep, write_text
from tf_relight.guarded.reading import NoSuchFile
from tf_relight.guarded.structured import read_json
from tf_relight.light.vidit import DIRECTIONS, ViditLight
from tf_relight.progress import Bars
from tf_relight.rendering.parallel import Runner, run
from tf_relight.rendering.scenes.layouts import LAYOUTS, scene_name
from tf_relight.rendering.scenes.scene import Scene

SETTINGS_FILE = "scenes.json"
FORMAT_VERSION = 1  # raised when a seed no longer gives the same picture
SCENES_PER_SEED = 1_000_000


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a rendered folder; kept in it as scenes.json."""

    layout: str
    size: int
    antialias: int
    seed: int
    first: int
    scenes: int
    validation_scenes: int
    input_light: str
    target_light: str
    ground_truth: bool
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        least = {"size": 1, "antialias": 1, "seed": 0, "first": 0, "scenes": 1, "validation_scenes": 0}
        for name, smallest in least.items():
            check_count(name, getattr(self, name), smallest)
        if self.first + self.scenes + self.validation_scenes > SCENES_PER_SEED:
            raise RelightError(f"One seed gives {SCENES_PER_SEED} scenes; render the rest with another seed.")
        if self.layout not in LAYOUTS:
            raise RelightError(
                f"Layout '{self.layout}' is not known.{suggest(str(self.layout), LAYOUTS)} "
                f"Use one of: {', '.join(LAYOUTS)}."
            )

    @property
    def lights(self) -> tuple[ViditLight, ...]:
        """The lights whose pictures are written."""
        source, target = ViditLight.parse(self.input_light), ViditLight.parse(self.target_light)
        return LAYOUTS[self.layout].lights(source, target)


@dataclass(frozen=True)
class Job:
    """Scenes of one split that one process writes in one go."""

    out: Path
    split: str
    numbers: tuple[int, ...]
    settings: Settings

    @property
    def truth_paths(self) -> list[Path]:
        """Where the ground truth goes, if it is wanted."""
        if not self.settings.ground_truth:
            return []
        folder = self.out / "ground_truth" / self.split
        return [folder / f"{scene_name(number)}.npz" for number in self.numbers]

    def is_done(self) -> bool:
        """A job is done when all its files are there, because none appears before it is whole."""
        layout = LAYOUTS[self.settings.layout]
        paths = layout.paths(self.out / self.split, self.numbers, self.settings.lights)
        return all(path.is_file() for path in paths + self.truth_paths)


def scene_seed(seed: int, number: int) -> int:
    """The seed of scene `number` of a dataset: no other number or dataset seed shares it."""
    return seed * SCENES_PER_SEED + number


def check_count(name: str, value: object, smallest: int) -> None:
    """Raise RelightError unless `value` is a whole number of at least `smallest`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise RelightError(f"{name} must be a whole number of at least {smallest}, not {value!r}.")


def render_scenes(
    out: Path | str,
    *,
    scenes: int,
    size: int = 256,
    layout: str = "vidit",
    workers: int = 1,
    seed: int = 0,
    first: int = 0,
    validation_scenes: int = 0,
    antialias: int = 1,
    input_light: str = "N_6500",
    target_light: str = "E_4500",
    ground_truth: bool = False,
    progress: bool = True,
    runner: Runner = run,
) -> int:
    """Render scenes into `<out>/train` and, if asked for, `<out>/validation`.

    Scene numbers run on from train to validation, as in VIDIT, so that no scene is in both. Call it again
    after an interruption: only what is missing is rendered.

    Args:
        out: the folder, made if need be. It remembers its settings in scenes.json.
        scenes, validation_scenes: how many of each.
        size, antialias: width and height in pixels, and rays per pixel along each axis.
        layout: "vidit" (40 pictures per scene under VIDIT's names, depth as .npy), "one2one" (folders input
            and target), or "tfrecord" (shards of raw uint8 pictures, see `rendering.tfrecord`).
        workers: number of processes; the bytes written do not depend on it.
        seed: of the whole set.
        first: number of the first scene, for rendering one set in several places.
        input_light, target_light: for "one2one".
        ground_truth: also write `Scene.ground_truth` to `<out>/ground_truth/<split>/Image000.npz`.
        progress: show a progress bar.
        runner: runs the jobs; `wide.rendering` has one for clusters.

    Returns:
        The number of scenes rendered now.

    Raises:
        RelightError: a wrong argument, a folder that cannot be written or holds a set with other settings.
    """
    check_count("workers", workers, 1)
    settings = Settings(
        layout=layout,
        size=size,
        antialias=antialias,
        seed=seed,
        first=first,
        scenes=scenes,
        validation_scenes=validation_scenes,
        input_light=ViditLight.parse(input_light).name,
        target_light=ViditLight.parse(target_light).name,
        ground_truth=ground_truth,
    )
    out = Path(out)
    claim_folder(out / SETTINGS_FILE, asdict(settings), "scenes")
    jobs = [job for job in _jobs(out, settings) if not job.is_done()]
    total = sum(len(job.numbers) for job in jobs)
    with Bars(progress and total > 0) as bar:
        task = bar.add_task("Rendering scenes", total=total)
        for rendered in runner(_run_job, jobs, workers):
            bar.advance(task, rendered)
    return total


def claim_folder(path: Path, wanted: dict[str, object], things: str) -> None:
    """Write the settings of a set into its folder, or refuse a folder that holds another one.

    Args:
        path: the settings file at the top of the folder.
        wanted: the settings; values must be those that JSON knows.
        things: what the folder holds, such as "scenes", for messages.

    Raises:
        RelightError: the folder holds a set with other settings, or cannot be read or written.
    """
    out = path.parent
    try:
        found = read_json(path, what="the settings of the set", advice=f"choose another folder than {out}")
        if not isinstance(found, dict):
            raise RelightError(f"{path} holds no settings; choose another folder than {out}.")
    except NoSuchFile:
        write_text(path, json.dumps(wanted, indent=2) + "\n")
        return
    names = [*wanted, *(name for name in found if name not in wanted)]
    differing = [name for name in names if found.get(name) != wanted.get(name)]
    if differing:
        changes = ", ".join(
            f"{name} was {reprlib.repr(found.get(name))}, now {wanted.get(name)!r}" for name in differing
        )
        raise RelightError(f"{out} holds {things} with other settings ({changes}); choose another folder.")
    # What a killed run was writing.
    for folder in (*out.glob("*/"), *out.glob("*/*/")):
        sweep(folder)


def _jobs(out: Path, settings: Settings) -> Iterator[Job]:
    boundary = settings.first + settings.scenes
    splits = {
        "train": range(settings.first, boundary),
        "validation": range(boundary, boundary + settings.validation_scenes),
    }
    step = LAYOUTS[settings.layout].scenes_per_job
    for split, numbers in splits.items():
        for start in range(0, len(numbers), step):
            yield Job(out, split, tuple(numbers[start : start + step]), settings)


def _run_job(job: Job) -> int:
    """Render and write one job; returns its number of scenes."""
    settings = job.settings
    wanted = {light.direction for light in settings.lights}
    directions = [name for name in DIRECTIONS if settings.ground_truth or name in wanted]
    truth_paths = iter(job.truth_paths)

    def render(number: int) -> Scene:
        scene = Scene(scene_seed(settings.seed, number), settings.size, settings.antialias, lights=directions)
        if settings.ground_truth:
            with atomic_path(next(truth_paths)) as temporary:
                np.savez(temporary, allow_pickle=False, **scene.ground_truth())
        return scene

    layout = LAYOUTS[settings.layout]
    layout.write(job.out / job.split, job.numbers, settings.lights, render)
    return len(job.numbers)
