"""Rendering many heads into a folder: parallel by processes, resumable, the same bytes for a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from tf_relight.errors import RelightError, suggest
from tf_relight.progress import Bars
from tf_relight.rendering.humans.assets import AssetError, AssetFolder
from tf_relight.rendering.humans.gbuffers import FORMAT_VERSION
from tf_relight.rendering.humans.hair import untextured
from tf_relight.rendering.humans.layouts import HELD_OUT, LAYOUTS, held_out
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.render import ATTEMPTS, HiddenFaceError, render_head
from tf_relight.rendering.parallel import Runner, run
from tf_relight.rendering.scenes.write import check_count, claim_folder

SETTINGS_FILE = "humans.json"


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a folder of humans; kept in it as humans.json."""

    layout: str
    size: int
    seed: int
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        for name, smallest in {"size": 16, "seed": 0}.items():
            check_count(name, getattr(self, name), smallest)
        if self.layout not in LAYOUTS:
            raise RelightError(
                f"Layout '{self.layout}' is not known.{suggest(str(self.layout), LAYOUTS)} "
                f"Use one of: {', '.join(LAYOUTS)}."
            )


@dataclass(frozen=True)
class Job:
    """One head that one process writes in one go."""

    assets: Path
    out: Path
    number: int
    settings: Settings

    def is_done(self) -> bool:
        """A job is done when all its files are there, because none appears before it is whole."""
        return all(path.is_file() for path in LAYOUTS[self.settings.layout].paths(self.out, self.number))


@dataclass
class Rendered:
    """What a run did.

    Attributes:
        heads: rendered now. rejected: drawn again because hair hid the face.
        failures: {head number: one sentence that names the file}, heads that were left out.
        left_out: {asset: reason}.
    """

    heads: int = 0
    rejected: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def render_humans(
    assets: Path | str,
    out: Path | str,
    *,
    heads: int,
    size: int = 256,
    layout: str = "gbuffers",
    workers: int = 1,
    seed: int = 0,
    first: int = 0,
    only_held_out: bool = False,
    progress: bool = True,
    runner: Runner = run,
) -> Rendered:
    """Render heads into a folder. Call it again after an interruption: only what is missing is rendered.

    Args:
        assets: folder of MakeHuman's layout, see `assets`.
        out: the folder, made if need be. It remembers its settings in humans.json.
        heads: how many; the folder may be asked for more later.
        size: width and height in pixels.
        layout: "gbuffers": `00000.npz` a head (see `GBuffers`), for `data.name: humans`, which also reads
            "tfrecord": the same maps as `00000.tfrecord` (see `records`). "lamps": a folder of each face
            under ten lamps, for `scoring.lamp_faces`. "dpr" and "sfsnet": pictures under five random lights
            in those folders, as of `rendering.heads`; DPR's with cast shadows and lights told in lightness,
            SfSNet's albedo times shading.
        workers: number of processes; the bytes written do not depend on it.
        seed: of the whole set.
        first: number of the first head, for rendering one set in several places.
        only_held_out: leave out the heads that networks are trained on.
        progress: show a progress bar.
        runner: runs the jobs; `wide.rendering` has one for clusters.

    Returns:
        Counts, the heads that failed and the assets that were left out.

    Raises:
        RelightError: a wrong argument, no held-out head among the heads, an asset folder of another layout, a
            folder that cannot be written or holds a set with other settings, embreex missing.
    """
    for name, value, least in (("workers", workers, 1), ("heads", heads, 1), ("first", first, 0)):
        check_count(name, value, least)
    numbers = range(first, first + heads)
    if only_held_out:
        numbers = held_out(numbers)
        if not numbers:
            raise RelightError(f"Every {HELD_OUT}th head is held out, and none of these: ask for more heads.")
    settings = Settings(layout, size, seed)
    assets, out = Path(assets).resolve(), Path(out)
    library = _library(assets)
    result = Rendered(left_out={**library.folder.left_out, **untextured(library)})
    claim_folder(out / SETTINGS_FILE, asdict(settings), "humans")
    jobs = [Job(assets, out, number, settings) for number in numbers]
    missing = [job for job in jobs if not job.is_done()]
    with Bars(progress and bool(missing)) as bar:
        task = bar.add_task("Rendering humans", total=len(missing))
        for number, rejected, failure in runner(_run_job, missing, workers):
            result.rejected += rejected
            if failure:
                result.failures[number] = failure
            else:
                result.heads += 1
            bar.advance(task)
    LAYOUTS[layout].finish(out, numbers)
    return result


@cache
def _library(assets: Path) -> Library:
    """The assets, once a process."""
    return Library(AssetFolder(assets))


def _run_job(job: Job) -> tuple[int, int, str]:
    """Render and write one head; return its number, how often it was rejected, and why it failed if so."""
    try:
        buffers = render_head(_library(job.assets), job.settings.seed, job.number, job.settings.size)
    except AssetError as error:
        return job.number, 0, str(error)
    except HiddenFaceError as error:
        return job.number, ATTEMPTS, str(error)
    LAYOUTS[job.settings.layout].write(job.out, job.number, buffers)
    return job.number, int(buffers.info["rejected"]), ""
