"""Inference: ours in float32, bfloat16 and as .tflite files against PyTorch eager, as ratios.

python -m benchmarks.inference [--method dmshn|stacked_dmshn|dpr512|dpr1024] [--size 256] [--rounds 7]
    [--tflite phone/dmshn_static_int8.tflite ...]
Needs PyTorch beside the toolkit. One picture at a time, the result on the host, the same number of threads.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export.timing import compare

SIZES = {"dmshn": 256, "stacked_dmshn": 256, "dpr512": 512, "dpr1024": 1024}
PORTRAITS = ("dpr512", "dpr1024")


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
    if method in PORTRAITS:
        inputs = {"lightness": inputs[..., :1], "light": tf.ones((1, 9))}
    return lambda: forward(inputs).numpy()


def original(method: str, size: int, channels_last: bool, bfloat16: bool) -> Callable[[], Any]:
    """Return an eager PyTorch pass."""
    import torch

    from benchmarks.peers import TorchDMSHN, TorchDPR

    torch.set_num_threads(os.cpu_count() or 1)
    model: torch.nn.Module
    if method in PORTRAITS:
        model = TorchDPR(int(method[3:]))
    else:
        model = torch.nn.Sequential(*(TorchDMSHN() for _ in range(2 if method == "stacked_dmshn" else 1)))
    model.eval()
    inputs = [torch.rand(1, 3, size, size)]
    if method in PORTRAITS:
        inputs = [inputs[0][:, :1], torch.ones(1, 9, 1, 1)]
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        inputs = [each.contiguous(memory_format=torch.channels_last) for each in inputs]

    def run() -> Any:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            result = model(*inputs)
            return (result[0] if method in PORTRAITS else result).float().numpy()

    return run


def exported(path: Path, method: str, size: int) -> Callable[[], Any]:
    """Return a run of a .tflite file in LiteRT's interpreter."""
    from export.litert.runtimes import InterpreterRuntime
    from export.proof.reference import bench_inputs
    from export.signatures import signature_name
    from tf_relight import methods

    inputs = bench_inputs(methods.get(method).info, size)
    runtime = InterpreterRuntime(path, threads=os.cpu_count() or 1)
    return lambda: runtime.run(signature_name(size), inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=SIZES, default="dmshn")
    parser.add_argument("--size", type=int, help="pixels per side, default: that of the method")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tflite", type=Path, nargs="*", default=[], help="exported files of the method")
    options = parser.parse_args()
    method, size = options.method, options.size or SIZES[options.method]
    sides = {
        "original": original(method, size, channels_last=False, bfloat16=False),
        "original_channels_last": original(method, size, channels_last=True, bfloat16=False),
        "original_bfloat16": original(method, size, channels_last=True, bfloat16=True),
        "ours_float32": ours(method, size, "float32"),
        "ours_bfloat16": ours(method, size, "mixed_bfloat16"),
    }
    sides |= {path.stem: exported(path, method, size) for path in options.tflite}
    compare("inference", sides, options.rounds, method=method, size=size)


if __name__ == "__main__":
    main()
