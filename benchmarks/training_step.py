"""Training step of DMSHN, batch 2 at 256 px: ours in float32 and bfloat16 against PyTorch eager.

python -m benchmarks.training_step [--size 256] [--batch 2] [--rounds 5]
Needs PyTorch beside the toolkit. Both sides: forward, L2, backward, Adam, on the same number of threads.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from export.timing import compare


def ours(size: int, batch: int, precision: str) -> Callable[[], Any]:
    """Return a compiled `train_step` of the first stage."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_relight import methods
    from tf_relight.networks.relight_model import StepOptions
    from tf_relight.training.optimizers import make_optimizers

    keras.config.set_dtype_policy(precision)
    method = methods.get("dmshn")
    model = method.build_model()
    stage = method.stages(method.config(), method.recipe())[0]
    model.prepare_stage(stage, make_optimizers(stage, 1000), StepOptions(clip_norm=1.0))
    pictures = tf.constant(np.random.default_rng(0).random((batch, size, size, 3), dtype=np.float32))
    step = tf.function(model.train_step)
    return lambda: step({"image": pictures, "target": pictures})["loss"].numpy()


def original(size: int, batch: int, channels_last: bool, bfloat16: bool) -> Callable[[], Any]:
    """Return an eager PyTorch step."""
    import torch

    from benchmarks.peers import TorchDMSHN

    torch.set_num_threads(os.cpu_count() or 1)
    model = TorchDMSHN()
    pictures = torch.rand(batch, 3, size, size)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), 2e-3)

    def step() -> float:
        adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = torch.nn.functional.mse_loss(model(pictures).float(), pictures)
        loss.backward()
        adam.step()
        return loss.item()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sides = {
        "original": original(options.size, options.batch, channels_last=False, bfloat16=False),
        "original_channels_last": original(options.size, options.batch, channels_last=True, bfloat16=False),
        "original_bfloat16": original(options.size, options.batch, channels_last=True, bfloat16=True),
        "ours_float32": ours(options.size, options.batch, "float32"),
        "ours_bfloat16": ours(options.size, options.batch, "mixed_bfloat16"),
    }
    compare("training_step", sides, options.rounds, size=options.size, batch=options.batch)


if __name__ == "__main__":
    main()
