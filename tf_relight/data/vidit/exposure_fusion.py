"""Shadow-free pictures of VIDIT scenes: the forty pictures of a scene fused into one, beside the data.

Source: T. Mertens, J. Kautz, F. Van Reeth, "Exposure Fusion", 2007; its use for shadow-free targets:
L.-W. Wang et al., "Deep Relighting Network for Image Light Source Manipulation", 2020.
Differs: OpenCV's fusion leaves out well-exposedness unless told; here all three ratings count unless told,
because the second paper names all three.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from tf_relight.data.pictures import look, read_rgb
from tf_relight.data.vidit.dataset import choose_files
from tf_relight.data.vidit.layout import SHADOW_FREE, ViditScene, collect, find_files, shadow_free_path
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path, write_text
from tf_relight.light.vidit import ALL_LIGHTS, LIGHT_COUNT, ViditLight
from tf_relight.progress import Bars
from tf_relight.rendering.parallel import run

SETTINGS_FILE = "fusion.json"
RECORD = "relight data fuse"
"""Key of the PNG text that says what a fused picture was made of."""
TRACKS = ("aim_2", "aim_3", "ntire_2")
"""The tracks with pictures under forty lights."""
FORMAT_VERSION = 1  # raised when the same pictures no longer give the same result
WEIGHTS = (1.0, 1.0, 1.0)
_WRONG_WEIGHTS = (
    "Fusion weights must be three numbers of at least 0 (contrast, saturation, exposure) such as 1,1,1, "
    "not '{}'."
)


def fuse(pictures: Sequence[np.ndarray], weights: Sequence[float] = WEIGHTS) -> np.ndarray:
    """Fuse pictures of one scene: everywhere, the best of them count most.

    Each pixel of each picture is rated by contrast^a * saturation^b * well-exposedness^c, and the pictures
    are blended by these ratings at all scales.

    Args:
        pictures: uint8 (H, W, 3) sRGB each, of one size.
        weights: the exponents a, b, c, each at least 0. (1, 1, 1) rates as both papers describe it;
            (1, 1, 0), the default of OpenCV, leaves out how well exposed a pixel is.

    Returns:
        uint8 (H, W, 3) sRGB.

    Raises:
        RelightError: no pictures, different sizes, or weights that are not three numbers of at least 0.
    """
    contrast, saturation, exposure = check_weights(weights)
    shapes = {picture.shape for picture in pictures}
    if len(shapes) != 1:
        raise RelightError(f"Fusion needs pictures of one size, not of {len(shapes)}.")
    fusion = cv2.createMergeMertens(contrast, saturation, exposure)
    fused = fusion.process([np.ascontiguousarray(picture) for picture in pictures])
    # Blending at all scales overshoots at strong edges.
    return np.rint(np.clip(fused, 0.0, 1.0) * 255.0).astype(np.uint8)


def check_weights(weights: Sequence[float]) -> tuple[float, float, float]:
    """Return the three exponents of `fuse`.

    Raises:
        RelightError: not three finite numbers of at least 0.
    """
    numbers = tuple(float(weight) for weight in weights)
    if len(numbers) != 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise RelightError(_WRONG_WEIGHTS.format(",".join(f"{number:g}" for number in numbers)))
    return numbers[0], numbers[1], numbers[2]


def parse_weights(text: str) -> tuple[float, float, float]:
    """Read "1,1,0".

    Raises:
        RelightError: not three finite numbers of at least 0.
    """
    try:
        return check_weights([float(part) for part in text.split(",")])
    except ValueError as error:
        raise RelightError(_WRONG_WEIGHTS.format(text)) from error


@dataclass(frozen=True)
class FusionSettings:
    """What decides a fused picture besides the pictures it is made of."""

    weights: tuple[float, float, float]
    size: int | None
    """Side in pixels that the pictures are resized to before; None keeps their own size."""
    version: int = FORMAT_VERSION


@dataclass(frozen=True)
class FusionJob:
    """One scene to fuse."""

    label: str
    """Name and split for messages, such as "train/Image012"."""
    pictures: tuple[Path, ...]
    """The forty files in the order of `ViditLight.index`."""
    out: Path
    settings: FusionSettings

    def record(self) -> str:
        """What the fused picture carries with it: the settings, and a hash of names and lengths of its files.

        Raises:
            RelightError: a file is gone.
        """
        digest = hashlib.sha256()
        for path in self.pictures:
            digest.update(f"{path.name}/{_status(path).st_size}\n".encode())
        return json.dumps(asdict(self.settings) | {"pictures": digest.hexdigest()})

    def is_done(self) -> bool:
        """Whether the fused picture is there, whole, made with these settings, and newer than its files.

        Raises:
            RelightError: the picture there is not from this program.
        """
        if not self.out.exists():
            return False
        found = _read_record(self.out)
        if found is None:
            raise RelightError(
                f"{self.out} is not from `relight data fuse`; use it as it is, or move it away to have it "
                "made."
            )
        try:
            look(self.out)
            made = _status(self.out).st_mtime_ns
            return found == self.record() and all(_status(path).st_mtime_ns <= made for path in self.pictures)
        except RelightError:
            return False  # fusing it again says what is wrong, if anything still is


@dataclass(frozen=True)
class FusionResult:
    """What `fuse_folder` did."""

    fused: int
    """Scenes fused now."""
    kept: int
    """Scenes whose fused pictures were there already."""
    failures: tuple[str, ...]
    """One sentence for each scene that could not be fused."""
    scenes: tuple[FusionJob, ...]
    """All scenes that now have their fused picture."""


def fuse_folder(
    root: Path | str,
    *,
    weights: Sequence[float] = WEIGHTS,
    size: int | None = None,
    track: str = "auto",
    workers: int = 1,
    progress: bool = True,
) -> FusionResult:
    """Fuse every scene of a VIDIT folder into `<root>/shadow_free/<split>/Image000.png`.

    Call it again after an interruption or a longer download: what is there and still fits is kept. The
    settings stand in `<root>/shadow_free/fusion.json`. A scene that cannot be fused stops no other.

    Args:
        root: what `data.root` would be; scenes need all forty pictures under names that give their lights.
        weights: see `fuse`.
        size: side in pixels that the pictures are resized to before.
        track: "auto" or one of `TRACKS`, where the folder holds several.
        workers: number of processes; each needs about 60 times the memory of one picture in float32.
        progress: show a progress bar.

    Raises:
        RelightError: wrong settings, no scene with forty pictures, shadow-free pictures from elsewhere, or
            the folder cannot be written.
    """
    for name, value in (("size", size), ("workers", workers)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise RelightError(f"{name} must be a whole number of at least 1, not {value!r}.")
    root = Path(root)
    settings = FusionSettings(check_weights(weights), size)
    found = _lit_scenes(root, track)
    jobs, failures = [], []
    for split, scene in found:
        label = f"{split}/{scene.name}" if split else scene.name
        lacking = [light for light in ALL_LIGHTS if light not in scene.lights]
        if lacking:
            failures.append(_lacks(label, lacking))
            continue
        pictures = tuple(scene.lights[light] for light in ALL_LIGHTS)
        jobs.append(FusionJob(label, pictures, shadow_free_path(root, split, scene.name), settings))
    if not jobs:
        first = f" {failures[0]}" if failures else ""
        raise RelightError(
            f"{root} has no scene with all {LIGHT_COUNT} pictures (Image000_2500_N.png and so on), which "
            f"fusion takes.{first}"
        )
    missing = [job for job in jobs if not job.is_done()]
    write_text(root / SHADOW_FREE / SETTINGS_FILE, json.dumps(_explained(settings), indent=2) + "\n")
    failed: dict[FusionJob, str] = {}
    with Bars(progress and bool(missing)) as bar:
        task = bar.add_task("Fusing scenes", total=len(missing))
        for job, sentence in run(_run_job, missing, workers):
            if sentence is not None:
                failed[job] = sentence
            bar.advance(task)
    failures += [failed[job] for job in missing if job in failed]
    done = tuple(job for job in jobs if job not in failed)
    return FusionResult(len(missing) - len(failed), len(jobs) - len(missing), tuple(failures), done)


def _lit_scenes(root: Path, track: str) -> list[tuple[str | None, ViditScene]]:
    """The scenes whose pictures name their lights, with their splits, in order."""
    files = [found for found in find_files(root) if found.light is not None]
    challenges = {found.challenge for found in files} - {None}
    if track == "auto" and len(challenges) > 1:
        raise RelightError(
            f"{root} holds AIM and NTIRE data; choose with --track, one of {', '.join(TRACKS)}."
        )
    splits = collect(choose_files(files, track, "any_to_any"))
    return [
        (split, scenes[name])
        for split, scenes in sorted(splits.items(), key=lambda item: item[0] or "")
        for name in sorted(scenes)
    ]


def _lacks(label: str, lacking: Sequence[ViditLight]) -> str:
    return (
        f"{label} lacks {len(lacking)} of {LIGHT_COUNT} pictures (first: {lacking[0].name}); finish the "
        "download, then run it again."
    )


def _explained(settings: FusionSettings) -> dict[str, object]:
    contrast, saturation, exposure = settings.weights
    return {
        "made_by": RECORD,
        "method": "Mertens exposure fusion of the forty pictures of a scene",
        "weights": {"contrast": contrast, "saturation": saturation, "exposure": exposure},
        "size": settings.size,
        "version": settings.version,
    }


def _run_job(job: FusionJob) -> tuple[FusionJob, str | None]:
    """Fuse and write one scene; returns what is wrong with it, if anything."""
    try:
        record = job.record()
        _check_sizes(job)
        fused = fuse([read_rgb(path, job.settings.size) for path in job.pictures], job.settings.weights)
        text = PngImagePlugin.PngInfo()
        text.add_text(RECORD, record)
        with atomic_path(job.out) as temporary:
            Image.fromarray(fused).save(temporary, pnginfo=text)
    except RelightError as error:
        return job, f"{job.label}: {error}"
    return job, None


def _check_sizes(job: FusionJob) -> None:
    sizes: dict[tuple[int, int], Path] = {}
    for path in job.pictures:
        glance = look(path)
        sizes.setdefault((glance.width, glance.height), path)
    if len(sizes) > 1:
        listed = ", ".join(f"{path.name} {width}x{height}" for (width, height), path in sizes.items())
        raise RelightError(f"the pictures differ in size ({listed}); download them again.")


def _read_record(path: Path) -> str | None:
    """The text that a fused picture carries, None for another file."""
    try:
        with Image.open(path) as picture:
            found = picture.info.get(RECORD)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return found if isinstance(found, str) else None


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error
