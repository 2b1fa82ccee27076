"""Rendering many heads into a folder: parallel by processes, resumable, the same bytes for a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from tf_relight.errors import RelightError, suggest
from tf_relight.files import write_text
from tf_relight.progress import Bars
from tf_relight.rendering.heads.head import FORMAT_VERSION, HEADS_PER_SEED, RELIT_LIGHTS, Head, head_name
from tf_relight.rendering.heads.layouts import HEAD_LAYOUTS
from tf_relight.rendering.parallel import Runner, run
from tf_relight.rendering.scenes.write import check_count, claim_folder

SETTINGS_FILE = "heads.json"
LISTS = {"train": "train.lst", "validation": "val.lst"}  # DPR's names


@dataclass(frozen=True)
class HeadSettings:
    """What decides the bytes of a folder of heads; kept in it as heads.json."""

    layout: str
    size: int
    seed: int
    first: int
    heads: int
    validation_heads: int
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        least = {"size": 8, "seed": 0, "first": 0, "heads": 1, "validation_heads": 0}
        for name, smallest in least.items():
            check_count(name, getattr(self, name), smallest)
        if self.first + self.heads + self.validation_heads > HEADS_PER_SEED:
            raise RelightError(f"One seed gives {HEADS_PER_SEED} heads; render the rest with another seed.")
        if self.layout not in HEAD_LAYOUTS:
            raise RelightError(
                f"Layout '{self.layout}' is not known.{suggest(str(self.layout), HEAD_LAYOUTS)} "
                f"Use one of: {', '.join(HEAD_LAYOUTS)}."
            )

    def numbers(self) -> dict[str, range]:
        """The head numbers of each split; they run on from train to validation."""
        boundary = self.first + self.heads
        return {
            "train": range(self.first, boundary),
            "validation": range(boundary, boundary + self.validation_heads),
        }


@dataclass(frozen=True)
class HeadJob:
    """One head that one process writes in one go."""

    out: Path
    split: str
    number: int
    settings: HeadSettings

    def is_done(self) -> bool:
        """A job is done when all its files are there, because none appears before it is whole."""
        paths = HEAD_LAYOUTS[self.settings.layout].paths(self.out, self.split, self.number)
        return all(path.is_file() for path in paths)


def render_heads(
    out: Path | str,
    *,
    heads: int,
    size: int = 256,
    layout: str = "dpr",
    workers: int = 1,
    seed: int = 0,
    first: int = 0,
    validation_heads: int = 0,
    progress: bool = True,
    runner: Runner = run,
) -> int:
    """Render heads into a folder. Call it again after an interruption: only what is missing is rendered.

    Head numbers run on from train to validation, so that nobody is in both.

    Args:
        out: the folder, made if need be. It remembers its settings in heads.json.
        heads, validation_heads: how many of each.
        size: width and height in pixels.
        layout: "dpr": a folder `imgHQ00000` for each head with the photo `imgHQ00000.png`, the relit pictures
            `imgHQ00000_00.png` to `_04.png`, their lights `imgHQ00000_light_00.txt` (9 lines), the light of
            the photo `ori_sh.txt` and the normals, and the lists of pairs `train.lst` and `val.lst`.
            "sfsnet": `train/0000/000000_face_1_1.png` and so on for face, albedo, normal, mask and depth,
            and `000000_light_1_1.txt` with 27 numbers, under five coloured lights; validation is in `test`.
        workers: number of processes; the bytes written do not depend on it.
        seed: of the whole set.
        first: number of the first head, for rendering one set in several places.
        progress: show a progress bar.
        runner: runs the jobs; `wide.rendering` has one for clusters.

    Returns:
        The number of heads rendered now.

    Raises:
        RelightError: a wrong argument, a folder that cannot be written or holds a set with other settings.
    """
    check_count("workers", workers, 1)
    settings = HeadSettings(layout, size, seed, first, heads, validation_heads)
    out = Path(out)
    claim_folder(out / SETTINGS_FILE, asdict(settings), "heads")
    jobs = [
        HeadJob(out, split, number, settings)
        for split, numbers in settings.numbers().items()
        for number in numbers
    ]
    missing = [job for job in jobs if not job.is_done()]
    if layout == "dpr":
        _write_lists(out, settings)
    with Bars(progress and bool(missing)) as bar:
        task = bar.add_task("Rendering heads", total=len(missing))
        for _ in runner(_run_job, missing, workers):
            bar.advance(task)
    return len(missing)


def _write_lists(out: Path, settings: HeadSettings) -> None:
    """DPR's lists: a line "subject picture picture" for each pair of relit pictures of a subject."""
    for split, numbers in settings.numbers().items():
        if not numbers:
            continue
        lines = [
            f"{name} {name}_{one:02d}.png {name}_{other:02d}.png\n"
            for name in map(head_name, numbers)
            for one, other in combinations(range(len(RELIT_LIGHTS)), 2)
        ]
        write_text(out / LISTS[split], "".join(lines))


def _run_job(job: HeadJob) -> None:
    """Render and write one head."""
    settings = job.settings
    head = Head(job.number, settings.seed, settings.size)
    HEAD_LAYOUTS[settings.layout].write(job.out, job.split, head)
