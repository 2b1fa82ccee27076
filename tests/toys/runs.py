"""Short runs of the toys."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CONFIG = """
method: {method}
model: {{width: 4}}
data: {{name: heads, size: 32, scenes: 2, validation_scenes: 1, light_pairs: 20, coloured_light: {coloured}}}
train: {{steps: {steps}, batch_size: 2, log_every: 4, validate_every: 4, checkpoint_every: 7}}
output: {output}
"""


def config_file(folder: Path, method: str, steps: int = 12) -> Path:
    path = folder / f"{method}.yaml"
    coloured = str(method == "toy_sfsnet").lower()
    path.write_text(CONFIG.format(method=method, coloured=coloured, steps=steps, output=folder / method))
    return path


def trained(folder: Path, method: str, *, resume: bool = False) -> dict[str, np.ndarray]:
    from tf_relight.config.run import load_config
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    config = load_config(config_file(folder, method))
    return read_weights(train(config, resume=resume, progress=False)).tensors
