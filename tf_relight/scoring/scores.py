"""The one table of scores that training, evaluation and tables share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_relight.contract.stage import Check
from tf_relight.errors import RelightError, suggest
from tf_relight.scoring import metrics


@dataclass(frozen=True)
class Score:
    """How well one array agrees with another.

    Attributes:
        compute: (prediction, target, mask or None) -> number; arrays as networks and batches hold them,
            without a batch axis: pictures float 0..1, lights (9, C), normals (H, W, 3).
        unit: such as "dB" or "degrees"; empty for none.
        higher_is_better: whether a larger number is better.
    """

    compute: Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]
    unit: str = ""
    higher_is_better: bool = False


def _of_pictures(function: Callable[..., float]) -> Callable[..., float]:
    """Score pictures as their 8-bit files."""

    def compute(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None) -> float:
        return function(metrics.quantise(prediction), metrics.quantise(target), mask)

    return compute


def _light_degrees(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None) -> float:
    return metrics.light_angle(prediction, target)


def _light_correlation(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None) -> float:
    return metrics.light_correlation(prediction, target)


def _l1(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None) -> float:
    if prediction.shape != target.shape:
        raise RelightError(f"The two arrays differ in shape: {prediction.shape} and {target.shape}.")
    error = np.abs(np.asarray(prediction, np.float64) - target)
    return float(error.mean() if mask is None else error[mask].mean())


SCORES: Mapping[str, Score] = {
    "psnr": Score(_of_pictures(metrics.psnr), "dB", higher_is_better=True),
    "ssim": Score(_of_pictures(metrics.ssim), higher_is_better=True),
    "rmse": Score(_of_pictures(metrics.rmse)),
    "rmse_s": Score(_of_pictures(metrics.rmse_s)),
    "dssim": Score(_of_pictures(metrics.dssim)),
    "l1": Score(_l1),
    "light_degrees": Score(_light_degrees, "degrees"),
    "light_correlation": Score(_light_correlation, higher_is_better=True),
    "normal_degrees": Score(metrics.normal_angle, "degrees"),
}
"""Name that a `Check` gives to its score."""


def check_value(check: Check, outputs: Mapping[str, Any], fields: Mapping[str, np.ndarray]) -> float | None:
    """Return the score of one sample, or None where the sample has nothing to compare with.

    Args:
        outputs: what the network gave. fields: the sample, pictures float 0..1 as in training batches; both
            without a batch axis.

    Raises:
        RelightError: the network has no such output, or the two do not fit.
    """
    if check.prediction not in outputs:
        raise RelightError(f"The network gives no '{check.prediction}' to score, but {', '.join(outputs)}.")
    if any(name not in fields for name in (check.target, check.mask) if name is not None):
        return None
    mask = None if check.mask is None else np.asarray(fields[check.mask])[..., 0] > 0.5
    prediction, target = np.asarray(outputs[check.prediction]), np.asarray(fields[check.target])
    return SCORES[check.score].compute(prediction, target, mask)


def check_names(checks: Iterable[Check], outputs: Collection[str] | None = None) -> None:
    """Raise RelightError where a check names a score that is not in the table, or an unknown output."""
    for check in checks:
        if check.score not in SCORES:
            hint = suggest(check.score, SCORES)
            raise RelightError(f"There is no score '{check.score}'.{hint} Known: {', '.join(SCORES)}.")
        if outputs is not None and check.prediction not in outputs:
            raise RelightError(
                f"The check '{check.score}' asks for the output '{check.prediction}', but the network gives "
                f"{', '.join(sorted(outputs))}."
            )
