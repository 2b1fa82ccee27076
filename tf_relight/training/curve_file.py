"""The learning curve of a run as it lies in `curve.csv`; reading it loads no TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.structured import read_csv
from tf_relight.photo.picture import png_of
from tf_relight.training.curve_plot import draw_curve

CURVE_COLUMNS = ("step", "stage", "learning_rate", "loss", "images_per_second")
"""Columns of every curve. Before the last one stand those of the stages' checks, "validation_<column>" each;
what a run has no figure for stays empty."""


class CurveRows(list[dict[str, str]]):
    """Rows of a `curve.csv`; a notebook shows them as the plot of `draw_curve`."""

    def _repr_png_(self) -> bytes | None:
        return png_of(np.asarray(draw_curve(self))) if self else None


def read_curve(path: Path | str) -> CurveRows:
    """Return the rows of a `curve.csv`, or none when there is no file.

    Raises:
        RelightError: the file is not a curve of this toolkit.
    """
    path = Path(path)
    if not path.exists():
        return CurveRows()
    names, rows = read_csv(path, what="the learning curve", advice="move it away and run again")
    if rows and set(CURVE_COLUMNS) - set(names):
        raise RelightError(f"{path} is not a learning curve of this toolkit; move it away and run again.")
    for row in rows:
        try:
            steps = int(row["step"])
            speed = float(row["images_per_second"])
        except ValueError:
            steps, speed = -1, 0.0
        if steps < 0 or not speed > 0:
            raise RelightError(f"{path} has a damaged line; move it away and run again.")
    return CurveRows(rows)
