"""Inference of DMSHN: ours in float32 and bfloat16 against PyTorch eager, as ratios.

python -m benchmarks.inference [--size 256] [--rounds 7]
Needs PyTorch beside the toolkit. One picture at a time, the result on the host, the same number of threads.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from benchmarks.timing import compare


def ours(size: int, precision: str) -> Callable[[], Any]:
    """Return a compiled forward pass."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_relight import methods

    keras.config.set_dtype_policy(precision)
    model = methods.get("dmshn").build_model()
    forward = tf.function(lambda image: model(image, training=False))
    picture = tf.constant(np.random.default_rng(0).random((1, size, size, 3), dtype=np.float32))
    return lambda: forward(picture).numpy()


def original(size: int, best: bool) -> Callable[[], Any]:
    """Return an eager PyTorch pass; `best` adds bfloat16 autocast and channels-last memory."""
    import torch

    from benchmarks.peers import TorchDMSHN

    torch.set_num_threads(os.cpu_count() or 1)
    model = TorchDMSHN().eval()
    picture = torch.rand(1, 3, size, size)
    if best:
        model = model.to(memory_format=torch.channels_last)
        picture = picture.contiguous(memory_format=torch.channels_last)

    def run() -> Any:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=best):
            return model(picture).float().numpy()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    sides = {
        "original": original(options.size, best=False),
        "original_best": original(options.size, best=True),
        "ours_float32": ours(options.size, "float32"),
        "ours_bfloat16": ours(options.size, "mixed_bfloat16"),
    }
    compare("inference", sides, options.rounds, size=options.size)


if __name__ == "__main__":
    main()
