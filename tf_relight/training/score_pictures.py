"""Pictures of what discriminators say: the scores of generated and of real pictures, as maps beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tf_relight.contract.stage import Stage
from tf_relight.networks.relight_model import RelightModel
from tf_relight.training.summaries import Board


class ScoreSheets:
    """One sheet per discriminator of a stage, a row per sample.

    The columns are the input, the generated and the real picture, then for each scale of the discriminator
    the score maps of both, from black, judged generated, to white, judged real. Real pictures of a second
    stream are not there while a network is validated, and have no columns.
    """

    def __init__(self, model: RelightModel, stage: Stage) -> None:
        self._model, self._adversaries = model, stage.adversaries
        self._rows: dict[str, list[list[np.ndarray]]] = {a.discriminator: [] for a in stage.adversaries}

    def add(self, batch: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Add a row for a batch of one: pictures (1, H, W, C) 0..1, as the training's batches hold them."""
        for adversary in self._adversaries:
            shown = [outputs[adversary.fake]]
            shown += [batch[adversary.real]] if adversary.real in batch else []
            row = [_tile(picture) for picture in (batch["image"], *shown)]
            judged = [self._model.scores(adversary, picture, batch) for picture in shown]
            for maps in zip(*judged, strict=True):  # the scales
                row += [score_map(_tile(scores), adversary.form, row[0].shape[:2]) for scores in maps]
            self._rows[adversary.discriminator].append([_coloured(tile) for tile in row])

    def write(self, board: Board, step: int) -> None:
        """Write the sheets that have rows."""
        for name, rows in self._rows.items():
            if rows:
                board.pictures(
                    step, f"{name}: input, output and, of the same data, target; scores of both", rows
                )


def score_map(scores: np.ndarray, form: str, size: tuple[int, int]) -> np.ndarray:
    """Return raw scores (h, w, 1) as grey (H, W, 1) of the given size: 0 judged generated, 1 judged real.

    Each score fills the rectangle it stands for. What scores aim at becomes 0 and 1: 0 and 1 of "lsgan",
    -1 and 1 of "hinge", and of "log" the sigmoid.
    """
    if form == "log":
        grey = 0.5 + 0.5 * np.tanh(scores / 2)  # the sigmoid, without overflow
    else:
        grey = np.clip((scores + 1) / 2 if form == "hinge" else scores, 0.0, 1.0)
    rows, columns = (np.arange(side) * n // side for side, n in zip(size, scores.shape, strict=False))
    return grey[rows][:, columns].astype(np.float32)


def _tile(tensor: Any) -> np.ndarray:
    """The only picture of a batch, as float32."""
    return np.asarray(tensor, np.float32)[0]


def _coloured(tile: np.ndarray) -> np.ndarray:
    """(H, W, 1) or (H, W, 3) to (H, W, 3)."""
    return np.broadcast_to(tile, (*tile.shape[:2], 3))
