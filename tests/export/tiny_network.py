"""A network of four convolutions, float32 and dynamic int8, in two sizes, for tests of what changes files."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from export.int8 import quantize
from export.int8.calibration import Calibration
from export.litert.runtimes import InterpreterRuntime
from export.signatures import RELIT, signature_name

SIZES = (16, 24)
COUNT = 4
"""Convolutions."""


@functools.cache
def tiny(quantisation: str = "fp32") -> bytes:
    """Return the file; uncompacted, as the converter makes it.

    It has two convolutions of 16 channels, the odd ones far smaller than the others, one of stride 2 and a
    transposed one, a sum, ReLUs and a clip.
    """
    return quantize.convert(Path(_saved().name), [signature_name(size) for size in SIZES], quantisation)


@functools.cache
def _saved() -> tempfile.TemporaryDirectory[str]:
    import tensorflow as tf

    random = np.random.default_rng(5)

    def weights(*shape: int) -> Any:
        inputs = shape[0] * shape[1] * min(shape[2:])
        values = random.normal(0, 1.4 / np.sqrt(inputs), shape)
        return tf.Variable(values.astype(np.float32))

    module = tf.Module()
    module.kernels = [
        weights(3, 3, 3, 16),
        weights(3, 3, 16, 16),
        weights(4, 4, 16, 16),
        weights(3, 3, 16, 3),
    ]
    module.kernels[0].assign(module.kernels[0] * np.where(np.arange(16) % 2, 0.05, 1).astype(np.float32))
    module.biases = [tf.Variable(random.normal(0, 0.05, n).astype(np.float32)) for n in (16, 16, 16, 3)]

    def network(image: Any) -> dict[str, Any]:
        side = image.shape[1]
        (a, b, c, d), (e, f, g, h) = module.kernels, module.biases
        x = tf.nn.relu(tf.nn.conv2d(image, a, 1, "SAME") + e)
        y = tf.nn.conv2d(tf.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), b, 2, "VALID") + f
        z = tf.nn.conv2d_transpose(tf.nn.relu(y), c, (1, side, side, 16), 2, "SAME") + g
        result = tf.nn.conv2d(tf.nn.relu(x + z), d, 1, "SAME") + h
        return {RELIT: tf.clip_by_value(0.5 + result / 4, 0.0, 1.0)}

    signatures = {
        signature_name(size): tf.function(network).get_concrete_function(
            image=tf.TensorSpec((1, size, size, 3), tf.float32, name="image")
        )
        for size in SIZES
    }
    folder = tempfile.TemporaryDirectory(prefix="tiny-")
    tf.saved_model.save(module, folder.name, signatures=signatures)
    return folder


def pictures(count: int = 4) -> Calibration:
    """Return smooth pictures for the network."""
    from tf_relight.photo.picture import resize

    random = np.random.default_rng(8)
    made = (random.uniform(0, 1, (5, 5, 3)).astype(np.float32) for _ in range(count))
    return Calibration("folder", tuple(resize(each, (24, 24)) for each in made), None, 0)


def run(content: bytes, size: int, folder: Path, number: int = 0) -> np.ndarray:
    """Return what a file makes of one of the pictures."""
    path = folder / "run.tflite"
    path.write_bytes(content)
    sample = list(pictures().samples(size))[number]
    return InterpreterRuntime(path).run(signature_name(size), sample)[RELIT]


def decibels(wanted: np.ndarray, got: np.ndarray) -> float:
    """Return the PSNR."""
    return float(-10 * np.log10(np.mean((wanted - got) ** 2, dtype=np.float64) + 1e-20))
