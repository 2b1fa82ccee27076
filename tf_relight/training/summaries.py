"""What a run leaves to look at: TensorBoard scalars and pictures, the curve as csv, the progress line."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path

CURVE_COLUMNS = ("step", "stage", "learning_rate", "loss", "images_per_second")
"""Columns of every curve. Before the last one stand those of the stages' checks, "validation_<column>" each;
what a run has no figure for stays empty."""


class Curve:
    """The learning curve of a run in `curve.csv`: one row per logging step."""

    def __init__(self, path: Path, start_step: int, scores: Sequence[str] = ()) -> None:
        """Open the curve; rows after `start_step` come from a run that was cut off and are dropped.

        Args:
            scores: the columns of the checks.
        """
        self.path = path
        self._columns = (*CURVE_COLUMNS[:-1], *scores, CURVE_COLUMNS[-1])
        self.rows = [row for row in read_curve(path) if int(row["step"]) <= start_step]

    def add(self, **values: Any) -> None:
        """Add a row and write the file."""
        self.rows.append({name: _text(values.get(name)) for name in self._columns})
        with (
            atomic_path(self.path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as handle,
        ):
            writer = csv.DictWriter(handle, self._columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)


def read_curve(path: Path) -> list[dict[str, str]]:
    """Return the rows of a `curve.csv`, or none when there is no file.

    Raises:
        RelightError: the file is not a curve of this toolkit.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if rows and set(CURVE_COLUMNS) - set(rows[0]):
        raise RelightError(f"{path} is not a learning curve of this toolkit; move it away and run again.")
    return rows


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)


class Board:
    """TensorBoard scalars and pictures; silent on workers that are not chief."""

    def __init__(self, folder: Path, *, chief: bool) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if chief else None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers of one step."""
        if self._writer is not None:
            with self._writer.as_default(step=step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)

    def pictures(self, step: int, name: str, rows: list[list[np.ndarray]]) -> None:
        """Write a sheet of pictures (H, W, 3) sRGB or (H, W, 1) luminance, 0..1, all of one size."""
        if self._writer is not None:
            sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
            with self._writer.as_default(step=step):
                tf.summary.image(name, np.clip(sheet, 0.0, 1.0)[None])

    def close(self) -> None:
        """Write what is pending."""
        if self._writer is not None:
            self._writer.close()


class StepProgress:
    """The progress line of training: stage, steps, loss, images per second and time left."""

    def __init__(self, total: int, done: int, *, visible: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[speed]} images/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not visible,
        )
        self._task = self._progress.add_task("training", total=total, completed=done, loss="-", speed="-")

    def __enter__(self) -> StepProgress:
        self._progress.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """Show the stage's name."""
        self._progress.update(self._task, description=name)

    def step(self, completed: int) -> None:
        """Show how many steps are done."""
        self._progress.update(self._task, completed=completed)

    def figures(self, loss: float, images_per_second: float) -> None:
        """Show the mean loss since the last figures, and the speed."""
        shown = f"{loss:.4g}" if math.isfinite(loss) else "nan"
        self._progress.update(self._task, loss=shown, speed=f"{images_per_second:.3g}")
