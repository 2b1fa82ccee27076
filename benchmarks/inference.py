"""Inference: ours in float32 and bfloat16 against PyTorch eager, as ratios.

python -m benchmarks.inference [--method dmshn|dpr512|dpr1024] [--size 256] [--rounds 7]
Needs PyTorch beside the toolkit. One picture at a time, the result on the host, the same number of threads.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from benchmarks.timing import compare

SIZES = {"dmshn": 256, "dpr512": 512, "dpr1024": 1024}


def ours(method: str, size: int, precision: str) -> Callable[[], Any]:
    """Return a compiled forward pass."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_relight import methods

    keras.config.set_dtype_policy(precision)
    model = methods.get(method).build_model()
    forward = tf.function(lambda inputs: model(inputs, training=False))
    noise = np.random.default_rng(0).random((1, size, size, 3), dtype=np.float32)
    inputs: Any = tf.constant(noise)
    if method != "dmshn":
        inputs = {"luminance": inputs[..., :1], "light": tf.ones((1, 9))}
    return lambda: forward(inputs).numpy()


def original(method: str, size: int, best: bool) -> Callable[[], Any]:
    """Return an eager PyTorch pass; `best` adds bfloat16 autocast and channels-last memory."""
    import torch

    from benchmarks.peers import TorchDMSHN, TorchDPR

    torch.set_num_threads(os.cpu_count() or 1)
    model: torch.nn.Module = TorchDMSHN() if method == "dmshn" else TorchDPR(int(method[3:]))
    model.eval()
    inputs = [torch.rand(1, 3, size, size)]
    if method != "dmshn":
        inputs = [inputs[0][:, :1], torch.ones(1, 9, 1, 1)]
    if best:
        model = model.to(memory_format=torch.channels_last)
        inputs = [each.contiguous(memory_format=torch.channels_last) for each in inputs]

    def run() -> Any:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=best):
            result = model(*inputs)
            return (result if method == "dmshn" else result[0]).float().numpy()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=SIZES, default="dmshn")
    parser.add_argument("--size", type=int, help="pixels per side, default: that of the method")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    method, size = options.method, options.size or SIZES[options.method]
    sides = {
        "original": original(method, size, best=False),
        "original_best": original(method, size, best=True),
        "ours_float32": ours(method, size, "float32"),
        "ours_bfloat16": ours(method, size, "mixed_bfloat16"),
    }
    compare("inference", sides, options.rounds, method=method, size=size)


if __name__ == "__main__":
    main()
