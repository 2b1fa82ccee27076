"""Making weights ready for LiteRT: from a Keras network to a checked float32 .tflite file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError, graph_reason
from tf_relight.litert import Session
from tf_relight.networks.prepared import signature_name
from tf_relight.quiet import without_notes
from tf_relight.weights.prepared import LARGEST_DIFFERENCE

if TYPE_CHECKING:
    import keras

    from tf_relight.contract.card import MethodInfo, Port

TRIES = 4
"""Pictures that are drawn for the comparison with Keras, for each size."""


def tflite_of(model: keras.Model, info: MethodInfo, sizes: Sequence[int]) -> bytes:
    """Return a .tflite file with a signature for squares of each size, one set of weights for all.

    Inputs and outputs are those of the card, with a batch of one.

    Raises:
        RelightError: an operation that LiteRT does not have.
    """
    import tensorflow as tf
    from keras.export import ExportArchive

    archive = ExportArchive()
    archive.track(model)
    for size in sizes:
        specs = [tf.TensorSpec(_shape(port, size), tf.float32, port.name) for port in info.inputs]
        archive.add_endpoint(signature_name(size), _function(model, info), input_signature=specs)
    with tempfile.TemporaryDirectory(prefix="prepare-") as folder:
        archive.write_out(folder, verbose=False)
        with without_notes():
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=[signature_name(size) for size in sizes]
            )
            try:
                content: bytes = converter.convert()
            except Exception as error:  # the converter raises several kinds
                reason = graph_reason(error)
                raise RelightError(f"This network cannot be prepared for LiteRT: {reason}.") from error
    return content


def largest_difference(content: bytes, model: keras.Model, info: MethodInfo, sizes: Sequence[int]) -> float:
    """Return by how much any output of a file differs from Keras' on drawn pictures and lights.

    Raises:
        RelightError: by more than `LARGEST_DIFFERENCE`.
    """
    session, rng, largest = Session(content, "The prepared file"), np.random.default_rng(0), 0.0
    for size in sizes:
        for _ in range(TRIES):
            inputs = {port.name: _drawn(port, size, rng) for port in info.inputs}
            wanted = model.infer(inputs, training=False)
            got = session.run_signature(signature_name(size), inputs)
            for port in info.outputs:
                apart = np.abs(np.asarray(wanted[port.name]) - got[port.name]).max()
                largest = max(largest, float(apart))
    if not largest <= LARGEST_DIFFERENCE:
        raise RelightError(
            f"LiteRT's results differ from Keras' by {largest:.1e}, more than {LARGEST_DIFFERENCE:.0e}: "
            "these weights stay with Keras."
        )
    return largest


def versions() -> dict[str, str]:
    """Return the versions of what makes a file."""
    return {name: version(name) for name in ("tensorflow", "keras", "ai-edge-litert")}


def _function(model: keras.Model, info: MethodInfo) -> Callable[..., dict[str, Any]]:
    names, outputs = [port.name for port in info.inputs], [port.name for port in info.outputs]

    def call(*tensors: Any) -> dict[str, Any]:
        found = model.infer(dict(zip(names, tensors, strict=True)), training=False)
        return {name: found[name] for name in outputs}

    return call


def _shape(port: Port, size: int) -> tuple[int, ...]:
    return (1, *(size if side is None else side for side in port.shape))


def _drawn(port: Port, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random input: a smooth picture with some noise, or a light from somewhere."""
    shape = _shape(port, size)
    if port.kind == "light":
        light = rng.normal(0, 0.3, shape)
        light[:, 0] = rng.uniform(0.5, 1.0)
        return light.astype(np.float32)
    across, down = np.meshgrid(*2 * [np.linspace(0, 2 * np.pi, size)])
    waves = np.sin(across * rng.uniform(0.3, 3) + rng.uniform(0, 6)) * np.cos(down * rng.uniform(0.3, 3))
    picture = 0.5 + 0.4 * waves[None, ..., None] + rng.normal(0, 0.05, shape)
    return np.clip(picture, 0, 1).astype(np.float32)
