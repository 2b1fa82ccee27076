"""What a run leaves to look at: TensorBoard scalars and pictures, the curve as csv, the progress line."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from tf_relight.files import write_text
from tf_relight.progress import EVERY_SECONDS, Bars
from tf_relight.training.curve_file import CURVE_COLUMNS, read_curve


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
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


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
        """Write a sheet of pictures (H, W, 3) sRGB or (H, W, 1) lightness, 0..1, all of one size."""
        if self._writer is not None:
            sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
            with self._writer.as_default(step=step):
                tf.summary.image(name, np.clip(sheet, 0.0, 1.0)[None])

    def close(self) -> None:
        """Write what is pending."""
        if self._writer is not None:
            self._writer.close()


class StepProgress:
    """The progress of training: stage, steps, loss, images per second and time left, as a bar or as lines."""

    def __init__(self, total: int, done: int, *, visible: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[speed]} images/s"),
            TimeRemainingColumn(),
        )
        self._bars = Bars(visible, columns=columns, at_once=True)
        self._task = self._bars.add_task("training", total=total, completed=done, loss="-", speed="-")
        self._start, self._known = time.monotonic(), False

    def __enter__(self) -> StepProgress:
        self._bars.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bars.__exit__(*exception)

    def stage(self, name: str) -> None:
        """Show the stage's name."""
        self._bars.describe(self._task, f"stage {name}, step")

    def step(self, completed: int) -> None:
        """Show how many steps are done."""
        # The first line waits for the loss, but not for ever.
        slow = time.monotonic() - self._start > EVERY_SECONDS
        self._bars.reach(self._task, completed, tell=self._known or slow)

    def figures(self, loss: float, images_per_second: float) -> None:
        """Show the mean loss since the last figures, and the speed."""
        shown = f"{loss:.4g}" if math.isfinite(loss) else "nan"
        speed = f"{images_per_second:.3g}"
        self._known = True
        self._bars.fields(self._task, f"loss {shown}, {speed} images/s", loss=shown, speed=speed)
