"""Scores of a model over a dataset, of a baseline, or of two folders of pictures: one table row each.

The protocol is that of the papers: results are clipped, rounded to 8 bit and compared with 8-bit targets, and
the scores of the pictures are averaged.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.light.lamps import light_as
from tf_relight.scoring import metrics
from tf_relight.scoring.by_light import check_lights, light_number, write_by_light
from tf_relight.scoring.own_checks import OwnChecks, own_checks
from tf_relight.scoring.score_table import Row, append_row, exact, write_csv

if TYPE_CHECKING:
    from tf_relight.data.options import DataConfig
    from tf_relight.data.source import Source

Relight = Callable[..., np.ndarray]
"""A picture (H, W, 3) float32 sRGB 0..1, and the target light where asked for, to its relit version."""

Distance = Callable[[np.ndarray, np.ndarray], float]
"""Two uint8 pictures (H, W, 3) to their perceptual distance."""

SHEET_ROWS = 6
"""Pictures on the sheet of samples."""


class Pair(NamedTuple):
    """What is compared, and what is known about it.

    Attributes:
        output, target: uint8 pictures (H, W, 3).
        known: angle between read and true light in degrees, PSNR of the unchanged input, number of its light.
    """

    output: np.ndarray
    target: np.ndarray
    known: Mapping[str, float | None] = {}


@dataclass(frozen=True)
class Sample:
    """One scored picture to show; `image`, `output` and `target` are uint8 (H, W, 3) sRGB."""

    key: str
    image: np.ndarray
    output: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Scores:
    """Scores of a set of pictures.

    Attributes:
        keys: names of the scored pictures.
        pictures: one mapping per picture, keys as in `metrics.TABLE`; over a dataset also "input_psnr", the
            PSNR in dB of the unchanged input, and "light", its `ViditLight.index` or None.
        mean: the mean over pictures; `runtime` is the median in seconds. None = not measured.
        size: "256", "640x480" or "various".
        failures: one sentence per picture that could not be scored.
        samples: the pictures that were asked for.
    """

    keys: tuple[str, ...]
    pictures: tuple[Mapping[str, float | None], ...]
    mean: Mapping[str, float | None]
    size: str
    failures: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()

    def row(self, run: str, *, method: str, data: str, split: str, parameters: int | None = None) -> Row:
        """Return the table row of these scores."""
        return Row(
            run, method, data, split, self.size, len(self.keys), self.mean, parameters, failures=self.failures
        )


def evaluate_weights(
    weights: Path | str,
    *,
    data: DataConfig,
    split: Literal["train", "validation"] = "validation",
    method: str | None = None,
    out: Path | str | None = None,
    run: str | None = None,
    limit: int | None = None,
    by_light: bool = False,
    mode: str | None = None,
    progress: bool = True,
) -> Row:
    """Score a weights file on a dataset and add the row to the table in `out`.

    Args:
        weights: a `.safetensors` file or a name from `relight weights`.
        data: which pictures, at which size.
        method: the method the caller expects, None for the one the file names.
        out: folder of metrics.csv, metrics.md, the scores by picture and samples.png with the first pictures
            of this run; None writes nothing.
        run: name in the table; None takes the run's folder or the file's name.
        limit: score the first so many pictures only.
        by_light: also write by_light.csv, by_light.md and by_light.png, the scores by direction and
            temperature of the input's light.
        mode: one of the method's `modes`, written behind the method's name; None takes its usual way.

    Raises:
        RelightError: wrong weights, mode or data (`by_light` wants VIDIT's lights), or nothing to score.
    """
    from tf_relight.scoring.sheet import samples_sheet

    if by_light:
        check_lights(data, split)
    keep = SHEET_ROWS if out is not None else 0
    row, scores = score_weights(
        weights,
        data=data,
        split=split,
        method=method,
        run=run,
        limit=limit,
        keep=keep,
        mode=mode,
        progress=progress,
    )
    if out is not None:
        title = f"{data.name}, {split}" + (f", {mode}" if mode else "")
        samples_sheet(scores.samples, Path(out) / "samples.png", title=title)
        if by_light:
            write_by_light(scores.pictures, out, title=f"{row.run} on {title}")
    return publish(row, scores, out)


def score_weights(
    weights: Path | str,
    *,
    data: DataConfig,
    split: Literal["train", "validation"] = "validation",
    method: str | None = None,
    run: str | None = None,
    limit: int | None = None,
    keep: int | Sequence[int] = 0,
    lpips: Distance | Literal["auto"] | None = "auto",
    mode: str | None = None,
    progress: bool = True,
    title: str = "Scoring",
) -> tuple[Row, Scores]:
    """Score a weights file on a dataset; the arguments are those of `evaluate_weights` and `evaluate_source`.

    Raises:
        RelightError: anything wrong with the weights, mode or data, or not one picture could be scored.
    """
    from tf_relight.data import open_source
    from tf_relight.methods.trained import load_model
    from tf_relight.weights.file import read_weights, resolve

    if mode is not None:  # before Keras is imported
        methods.get(read_weights(resolve(weights)).method).check_mode(mode)
    loaded = load_model(weights, method)
    checks = own_checks(loaded)
    wishes = () if checks is None else {"target", "target_light", *checks.fields}
    source = open_source(data, split, wishes=wishes)
    light = loaded.method.info.light
    scores = evaluate_source(
        lambda image, light=None: loaded.method.relight(loaded.model, image, light, mode=mode),
        source,
        checks=checks,
        light_channels=None if light is None else light.channels,
        limit=limit,
        keep=keep,
        lpips=lpips,
        progress=progress,
        title=title,
    )
    name = loaded.method.name + (f" {mode}" if mode else "")
    count = int(loaded.model.count_params())
    row = scores.row(run or _run_name(weights), method=name, data=data.name, split=split, parameters=count)
    return row, scores


def evaluate_baselines(
    data: DataConfig,
    *,
    out: Path | str | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> list[Row]:
    """Fit the three baselines to the training split and score them on the validation split.

    Args:
        limit: fit and score on the first so many pictures only.

    Raises:
        RelightError: anything wrong with the data.
    """
    from tf_relight.data import open_source
    from tf_relight.scoring.simple_predictions import fit_baselines

    predictions = fit_baselines(open_source(data, "train"), limit=limit, progress=progress)
    source = open_source(data, "validation")
    rows = []
    for name, prediction in predictions.items():
        scores = evaluate_source(
            prediction, source, limit=limit, timed=False, progress=progress, title=f"Scoring {name}"
        )
        row = scores.row(name, method="baseline", data=data.name, split="validation")
        rows.append(publish(row, scores, out))
    return rows


def evaluate_source(
    relight: Relight,
    source: Source,
    *,
    limit: int | None = None,
    timed: bool = True,
    light_channels: int | None = None,
    checks: OwnChecks | None = None,
    keep: int | Sequence[int] = 0,
    lpips: Distance | Literal["auto"] | None = "auto",
    progress: bool = True,
    title: str = "Scoring",
) -> Scores:
    """Score a function from picture to picture over a source with the fields `image` and `target`.

    A picture that cannot be read or scored is listed in `failures`, the others are still scored.

    Args:
        relight: for example `lambda image: method.relight(model, image)` or a baseline.
        timed: measure the runtime: batch 1, warm, until the result is in host memory.
        light_channels: of the light that the network takes; then `relight(image, target_light)` is called,
            with a light (9, C).
        checks: scores of the other outputs that a network gives.
        keep: how many of the first pictures to return as samples, or the numbers of those to return.
        lpips: a distance, None for no LPIPS, "auto" for AlexNet v0.1 if its official weights are here.

    Raises:
        RelightError: the source has no targets, is empty, or not one picture could be scored.
    """
    needed = {"image", "target"} | ({"target_light"} if light_channels is not None else set())
    lacking = needed - set(source.fields)
    if lacking:
        raise RelightError(f"The data has no {' and no '.join(sorted(lacking))}, so nothing can be scored.")
    count = len(source) if limit is None else min(limit, len(source))
    seconds: list[float] = []
    samples: list[Sample] = []
    kept = range(keep) if isinstance(keep, int) else keep

    def pair(index: int) -> Pair:
        sample = source.read(index)
        image = sample["image"].astype(np.float32) / np.float32(255.0)
        given: tuple[np.ndarray, ...] = (image,)
        if light_channels is not None:
            given = (image, light_as(sample["target_light"], light_channels))
        if timed and not seconds:
            relight(*given)  # the first call traces, compiles and fills caches
        start = time.perf_counter()
        output = metrics.quantise(relight(*given))
        seconds.append(time.perf_counter() - start)
        if index in kept:
            samples.append(Sample(source.key(index), sample["image"], output, sample["target"]))
        known = {"input_psnr": metrics.psnr(sample["image"], sample["target"]), "light": light_number(sample)}
        if checks is not None:
            known |= checks.scores(image, sample)
        return Pair(output, sample["target"], known)

    tasks = [(source.key(index), lambda index=index: pair(index)) for index in range(count)]
    keys, pictures, sizes, failures = _score_all(tasks, _distance(lpips), progress, title)
    runtime = statistics.median(seconds) if timed else None
    own = () if checks is None else checks.columns
    mean = metrics.mean_scores(pictures, own) | {"runtime": runtime}
    return Scores(keys, pictures, mean, _common(sizes), failures, tuple(samples))


def evaluate_folders(
    predictions: Path | str,
    targets: Path | str,
    *,
    out: Path | str | None = None,
    run: str | None = None,
    lpips: Distance | Literal["auto"] | None = "auto",
    progress: bool = True,
) -> Row:
    """Score the pictures of one folder against those of equal name in another, and add the row to `out`.

    Names agree without their ending, so that a.png is compared with a.jpg. Pictures without a partner are
    listed in `unmatched`; unreadable ones and pairs of unequal size in `failures`.

    Raises:
        RelightError: a folder is missing or empty, two files of one folder share a name, no name is common,
            or not one pair could be scored.
    """
    from tf_relight.photo.reading import read_picture
    from tf_relight.scoring.file_pairs import pair_files

    files = pair_files(Path(predictions), Path(targets))

    def pair(paths: tuple[Path, Path]) -> Pair:
        output, target = (metrics.quantise(read_picture(path).pixels) for path in paths)
        return Pair(output, target)

    tasks = [(stem, lambda paths=paths: pair(paths)) for stem, paths in files.pairs.items()]
    keys, pictures, sizes, failures = _score_all(tasks, _distance(lpips), progress, "Scoring")
    scores = Scores(keys, pictures, metrics.mean_scores(pictures), _common(sizes), failures)
    row = Row(
        run or Path(predictions).resolve().name,
        "files",
        Path(targets).resolve().name,
        "-",
        scores.size,
        len(keys),
        scores.mean,
        failures=failures,
        unmatched=files.unmatched,
    )
    return publish(row, scores, out)


def lpips_alex() -> Distance | None:
    """Return LPIPS AlexNet v0.1, or None when one of its two official files is not in the cache folder.

    Raises:
        RelightError: a file is there but damaged.
    """
    from tf_relight.networks.perceptual import lpips_or_none

    distance = lpips_or_none("alex")
    return None if distance is None else lambda a, b: float(distance(a, b)[0])


def _score_all(
    tasks: Iterable[tuple[str, Callable[[], Pair]]],
    distance: Distance | None,
    progress: bool,
    title: str,
) -> tuple[tuple[str, ...], tuple[dict[str, float | None], ...], set[tuple[int, ...]], tuple[str, ...]]:
    """Score each pair that a task makes; returns keys, scores, (height, width) pairs and failures."""
    from tf_relight.progress import track

    keys: list[str] = []
    pictures: list[dict[str, float | None]] = []
    sizes: set[tuple[int, ...]] = set()
    failures: list[str] = []
    tasks = list(tasks)
    for key, make_pair in track(tasks, title, show=progress):
        try:
            output, target, known = make_pair()
            # The pixel scores come first, because they check the sizes.
            scores = metrics.score(output, target) | {"light_degrees": None} | dict(known)
            if distance is not None:
                scores["lpips_alex_v0.1"] = lpips = distance(output, target)
                scores["mps"] = metrics.mps(scores["ssim"] or 0.0, lpips)
        except RelightError as error:
            failures.append(f"{key}: {error}")
            continue
        keys.append(key)
        pictures.append(scores)
        sizes.add(output.shape[:2])
    if not keys:
        first = f" The first: {failures[0]}" if failures else ""
        raise RelightError(f"Not one of {len(tasks)} pictures could be scored.{first}")
    return tuple(keys), tuple(pictures), sizes, tuple(failures)


def _distance(lpips: Distance | Literal["auto"] | None) -> Distance | None:
    return lpips_alex() if lpips == "auto" else lpips


def publish(row: Row, scores: Scores, out: Path | str | None) -> Row:
    """Write the row and the scores by picture below `out`, and return the row."""
    if out is None:
        return row
    append_row(row, out)
    name = "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in row.identity if part != "-")
    cells: list[dict[str, str]] = []
    for key, picture in zip(scores.keys, scores.pictures, strict=True):
        columns = [column for column in row.scores if column in picture and column != "runtime"]
        measured = {column: exact(picture[column]) for column in columns}
        cells.append({"picture": key} | measured)
    write_csv(Path(out) / "pictures" / f"{name}.csv", list(cells[0]), cells)
    return row


def _run_name(weights: Path | str) -> str:
    """Return the run's folder for runs/<name>/weights.safetensors, else the file's stem or the known name."""
    path = Path(weights)
    if path.name == "weights.safetensors":
        return path.resolve().parent.name
    return path.name.removesuffix(".safetensors")


def _common(sizes: set[tuple[int, ...]]) -> str:
    """Return how the table calls the size of pictures of these (height, width) pairs."""
    if len(sizes) > 1:
        return "various"
    height, width = next(iter(sizes))
    return str(height) if height == width else f"{width}x{height}"
