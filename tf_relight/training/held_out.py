"""What the checks of a stage say of a held-out sample, and what of it is shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tf_relight.contract.stage import Stage
from tf_relight.scoring.metrics import psnr, quantise
from tf_relight.scoring.scores import check_value


def curve_columns(stages: list[Stage]) -> list[str]:
    """The columns of the curve that the checks of some stages fill."""
    columns = [f"validation_{check.column}" for stage in stages for check in stage.checks]
    if "validation_psnr" in columns:
        columns.insert(columns.index("validation_psnr") + 1, "validation_input_psnr")
    return list(dict.fromkeys(columns))


def held_out_scores(
    stage: Stage, outputs: dict[str, np.ndarray], sample: dict[str, np.ndarray]
) -> Iterator[tuple[str, float]]:
    """Yield (column, value) of each check that the sample has the truth for."""
    for check in stage.checks:
        value = check_value(check, outputs, sample)
        if value is None:
            continue
        yield f"validation_{check.column}", value
        if check.column == "psnr" and not np.array_equal(sample["image"], sample[check.target]):
            yield "validation_input_psnr", psnr(quantise(sample["image"]), quantise(sample[check.target]))


def shown(stage: Stage, outputs: dict[str, np.ndarray], sample: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Input, output and target of the stage's first check between pictures; nothing where it has none."""
    for check in stage.checks:
        output = np.asarray(outputs[check.prediction])
        target = sample.get(check.target)
        if output.ndim == 3 and target is not None and output.shape == target.shape == sample["image"].shape:
            return [sample["image"], np.clip(output, 0.0, 1.0), target]
    return []


def scaled(array: np.ndarray) -> np.ndarray:
    """Pictures uint8 to float32 0..1, as in the training's batches; anything else as it is."""
    return array.astype(np.float32) / np.float32(255.0) if array.dtype == np.uint8 else array
