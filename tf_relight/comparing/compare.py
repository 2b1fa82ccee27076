"""`relight compare`: train or load every row of a table under one budget, score all, write the table.

A table is made in many sittings: a row that is finished is not trained again, one that was cut off goes on.
"""

from __future__ import annotations

import gc
import shlex
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.markup import escape

from tf_relight.comparing.config import BASELINES, Table, TableRow
from tf_relight.comparing.curves import CURVE, curve_of, draw_curves
from tf_relight.comparing.table import Result, read_result, save_result, write_table
from tf_relight.config.run import RunConfig, dump_config, load_config
from tf_relight.errors import RelightError, many, suggest
from tf_relight.files import write_text
from tf_relight.guarded.yaml_text import parse_yaml
from tf_relight.scoring.by_light import check_lights, gain_of, unchanged_psnr_of, write_by_light
from tf_relight.scoring.evaluate import Distance, evaluate_source, lpips_alex, publish, score_weights
from tf_relight.terminal import console, shown

if TYPE_CHECKING:
    from rich.console import Console

WEIGHTS = "weights.safetensors"
RUN_FILES = ("config.yaml", "curve.csv", "checkpoints", "tensorboard", WEIGHTS)
"""What a training leaves in a row's folder."""
SCORE_FILES: tuple[str, ...] = (
    "result.json",
    "samples.npz",
    "metrics.csv",
    "metrics.md",
    "pictures",
    "failure.txt",
)
SCORE_FILES += ("by_light.csv", "by_light.md", "by_light.png")

FREE = ("output", "train.devices", "data.cache", "data.shadow_free")
"""Settings that do not change what is learnt, or that the method sets itself."""


@dataclass(frozen=True)
class Comparison:
    """What came out: the rows that could be scored, in order, and one sentence per row that could not."""

    results: tuple[Result, ...]
    failures: tuple[str, ...]


def compare(
    table: Table, *, only: Sequence[str] = (), restart: Sequence[str] = (), progress: bool = True
) -> Comparison:
    """Train or load the rows, score them on the same held-out pictures and write the table.

    The table's folder gets table.csv, table.md, metrics.csv, metrics.md, grid.png and curves.png, and a
    folder per row with its run and its scores. A row that fails is listed in `failures`; the others go on.

    Args:
        only: names of the rows to work on; the table also lists the others as far as they are finished.
        restart: names of rows to train from the beginning.

    Raises:
        RelightError: an unknown row, a row that was trained with another config and is not in `restart`,
            weights or data that cannot be used, not one row in the table, or a signal ended a training
            (`exit_code` is then 128 plus its number).
    """
    log = console(stderr=True, quiet=not progress)
    rows = _chosen(table, only, restart)
    count = _check(table, rows, restart)
    for row in rows:
        if row.name in restart:
            _clear(row)
    runner = _Runner(table, count, lpips_alex(), log, progress)
    failures: list[str] = []
    for number, row in enumerate(rows, 1):
        log.rule(escape(shown(f"{number} of {len(rows)}: {row.name}")))
        failures += runner.make(row)
    results = [result for row in table.rows if (result := runner.finished(row)) is not None]
    if table.config.evaluation.baselines:
        results += runner.baselines()
    failures += [f"{result.row.run}: {text}" for result in results for text in result.row.failures]
    listed = {result.row.run for result in results}
    failed = {text.partition(":")[0] for text in failures}
    waiting = [row.name for row in table.rows if row.name not in listed | failed]
    missing = [*failures, *(f"{name}: not trained and scored yet." for name in waiting)]
    if not results:
        raise many("Not one row of the table could be made:", missing)
    write_table(table, results, missing)
    curves = [curve_of(row.name, row.folder / CURVE) for row in table.rows if row.name in listed]
    picture = table.config.output / "curves.png"
    if drawn := [curve for curve in curves if curve is not None]:
        draw_curves(drawn, picture, table.config.title or "")
    else:
        picture.unlink(missing_ok=True)
    return Comparison(tuple(results), tuple(failures))


def _chosen(table: Table, only: Sequence[str], restart: Sequence[str]) -> list[TableRow]:
    names = [row.name for row in table.rows]
    for name in (*only, *restart):
        if name not in names:
            raise RelightError(
                f"The table has no row '{name}'.{suggest(name, names)} It has {', '.join(names)}."
            )
    chosen = [row for row in table.rows if not only or row.name in only]
    for name in restart:
        row = next(row for row in table.rows if row.name == name)
        if row not in chosen:
            raise RelightError(
                f"--restart {shlex.quote(name)} is not among the rows of --only: add it there."
            )
        if row.run is None:
            raise RelightError(f"Row '{name}' loads weights, so there is no training to restart.")
    return chosen


def _check(table: Table, rows: Sequence[TableRow], restart: Sequence[str]) -> int:
    """Find before hours of training what would stop it; return how many pictures are scored.

    Raises:
        RelightError: one sentence per obstacle, all together.
    """
    from tf_relight.data import open_source
    from tf_relight.training.strategy import read_cluster

    if read_cluster().workers > 1:
        raise RelightError("`relight compare` runs on one machine: unset TF_CONFIG.")
    mistakes: list[str] = []
    for row in rows:
        if row.run is None:
            mistakes += _weights_mistakes(row)
        elif row.name not in restart:
            mistakes += _changes(row)
    count = 0
    evaluation = table.config.evaluation
    try:
        if evaluation.by_light:
            check_lights(table.evaluation_data, evaluation.split)
        count = len(open_source(table.evaluation_data, evaluation.split))
    except RelightError as error:
        mistakes.append(str(error))
    if mistakes:
        raise many(mistakes[0], mistakes[1:])
    return count if evaluation.limit is None else min(count, evaluation.limit)


def _weights_mistakes(row: TableRow) -> list[str]:
    from tf_relight.methods.trained import check_made_for
    from tf_relight.weights.file import read_weights, resolve

    try:
        stored = read_weights(resolve(row.weights or ""))
        if row.method is not None and stored.method != row.method:
            check_made_for(stored, row.method)
    except RelightError as error:
        return [f"Row '{row.name}': {error}"]
    return []


def _state(row: TableRow) -> Literal["new", "interrupted", "finished"]:
    if (row.folder / WEIGHTS).exists():
        return "finished"
    return "interrupted" if (row.folder / "checkpoints").exists() else "new"


def _changes(row: TableRow) -> list[str]:
    """Return a sentence if the row was trained, or begun, with another config."""
    assert row.run is not None
    if _state(row) == "new":
        return []
    advice = f"train it anew with --restart {shlex.quote(row.name)}, or choose another folder with -o."
    path = row.folder / "config.yaml"
    try:
        before = _flat(parse_yaml(dump_config(load_config(path)))[0])
    except RelightError:
        return [f"Row '{row.name}': {path} is missing or of another version, so {advice}"]
    now = _flat(parse_yaml(dump_config(row.run))[0])
    if row.run.train.precision == "auto":  # config.yaml records what it came to
        now["train.precision"] = before.get("train.precision")
    keys = [key for key in {**now, **before} if key not in FREE and now.get(key) != before.get(key)]
    if not keys:
        return []
    first, more = keys[0], f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
    return [
        f"Row '{row.name}' was trained with {first} {before.get(first)}, and the table now asks for "
        f"{now.get(first)}{more}: {advice}"
    ]


def _flat(values: dict[str, Any], start: str = "") -> dict[str, Any]:
    """Return nested sections as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{start}{key}.")
        else:
            flat[f"{start}{key}"] = value
    return flat


def _clear(row: TableRow) -> None:
    """Remove what an earlier run of the row left, and nothing else."""
    for name in (*RUN_FILES, *SCORE_FILES):
        path = row.folder / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise RelightError(f"Cannot delete {path}: {error.strerror or error}.") from error


@dataclass(frozen=True)
class _Runner:
    """Makes rows: trains what is not trained yet and scores what is not scored yet."""

    table: Table
    pictures: int
    distance: Distance | None
    console: Console
    progress: bool

    def make(self, row: TableRow) -> list[str]:
        """Train and score a row; return a sentence if it fails."""
        failure = row.folder / "failure.txt"
        try:
            if row.run is not None:
                self._train(row, row.run)
            if self.finished(row) is None:
                self._score(row)
            failure.unlink(missing_ok=True)
        except RelightError as error:
            if error.exit_code != RelightError.exit_code:
                # A signal ended the training: the user wants the end of it all.
                stopped = RelightError(f"Stopped in row '{row.name}'; the same command goes on from there.")
                stopped.exit_code = error.exit_code
                raise stopped from error
            return [f"{row.name}: {error}"]
        except Exception as error:  # hours of work on the other rows must not be lost to it
            row.folder.mkdir(parents=True, exist_ok=True)
            write_text(failure, traceback.format_exc())
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            return [f"{row.name}: {type(error).__name__}: {reason[:300]} (all of it is in {failure})."]
        finally:
            gc.collect()  # a network and its optimisers are circles that would wait for memory
        return []

    def finished(self, row: TableRow) -> Result | None:
        """Return the scores of a row if they are up to date."""
        if row.run is not None and (_state(row) != "finished" or _changes(row)):
            return None
        path = self._weights(row)
        if path is None:
            return None
        return read_result(row.folder, self._settings(path), row.published)

    def baselines(self) -> list[Result]:
        """Return the three simple baselines, fitted to the training split."""
        from tf_relight.data import open_source
        from tf_relight.scoring.simple_predictions import fit_baselines

        data, evaluation = self.table.evaluation_data, self.table.config.evaluation
        self.console.rule("Baselines")
        predictions = fit_baselines(open_source(data, "train"), progress=self.progress)
        source, results = open_source(data, evaluation.split), []
        for name, prediction in predictions.items():
            scores = evaluate_source(
                prediction,
                source,
                limit=evaluation.limit,
                timed=False,
                lpips=self.distance,
                progress=self.progress,
                title=f"Scoring {name}",
            )
            line = scores.row(name, method="baseline", data=data.name, split=evaluation.split)
            publish(line, scores, self.table.config.output / BASELINES)
            results.append(Result(line, gain_of(scores.pictures), unchanged_psnr_of(scores.pictures)))
        return results

    def _tell(self, text: str) -> None:
        self.console.print(shown(text), markup=False, highlight=False)

    def _train(self, row: TableRow, run: RunConfig) -> None:
        from tf_relight.training.run import train

        state = _state(row)
        if state == "finished":
            self._tell(f"{row.folder / WEIGHTS} is there already.")
            return
        resume = state == "interrupted"
        says = "goes on from its last checkpoint" if resume else "starts"
        self._tell(f"{run.method}: training of {run.train.steps:,} steps {says}.")
        train(run, resume=resume, progress=self.progress)

    def _score(self, row: TableRow) -> None:
        from tf_relight.weights.file import read_weights

        path, evaluation, data = self._weights(row), self.table.config.evaluation, self.table.evaluation_data
        assert path is not None
        line, scores = score_weights(
            path,
            data=data,
            split=evaluation.split,
            method=row.method,
            run=row.name,
            limit=evaluation.limit,
            keep=spread(self.pictures, evaluation.samples),
            lpips=self.distance,
            progress=self.progress,
            title=f"Scoring {row.name}",
        )
        publish(line, scores, row.folder)
        if evaluation.by_light:
            write_by_light(
                scores.pictures, row.folder, title=f"{row.name} on {data.name}, {evaluation.split}"
            )
        made = read_weights(path).metadata
        budget = made.get("train")
        result = Result(
            line,
            gain_of(scores.pictures),
            unchanged_psnr_of(scores.pictures),
            budget.get("steps") if isinstance(budget, dict) else None,
            made.get("seconds"),
            scores.samples,
        )
        save_result(result, row.folder, self._settings(path))
        psnr = line.scores["psnr"]
        self._tell(f"{row.name}: {psnr:.2f} dB over {line.pictures} pictures.")

    def _weights(self, row: TableRow) -> Path | None:
        """Return the row's weights file, None where it is not there."""
        from tf_relight.weights.file import resolve

        if row.run is not None:
            return row.folder / WEIGHTS
        try:
            return resolve(row.weights or "")
        except RelightError:
            return None

    def _settings(self, weights: Path) -> dict[str, Any]:
        """Return all that a row's scores depend on, as JSON holds it."""
        evaluation, status = self.table.config.evaluation, weights.stat()
        return {
            "data": self.table.evaluation_data.model_dump(mode="json", exclude={"cache"}),
            "evaluation": evaluation.model_dump(mode="json", exclude={"data", "baselines"}),
            "lpips": self.distance is not None,
            "weights": [str(weights.resolve()), status.st_size, status.st_mtime_ns],
        }


def spread(count: int, chosen: int) -> list[int]:
    """Return `chosen` different numbers below `count` in order, far apart and without a common period.

    Samples come in groups, such as forty lights of each scene; golden-section steps meet all of them.
    """
    if chosen >= count:
        return list(range(count))
    golden = (5**0.5 - 1) / 2
    numbers: dict[int, None] = {}
    place = 0
    while len(numbers) < chosen:
        numbers[int(count * (place * golden % 1.0))] = None
        place += 1
    return sorted(numbers)
