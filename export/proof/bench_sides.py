"""The sides of a benchmark, each alone in a process: made once, then timed whenever it is their turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from export.litert.runtimes import RuntimeName, open_runtime
from export.proof.isolated import peak_memory
from tf_relight.errors import RelightError

Inputs = Mapping[str, np.ndarray]
Precision = Literal["float32", "mixed_bfloat16"]

_run: Callable[[], Any] | None = None


def prepare_keras(
    weights: str, method: str, precision: Precision, threads: int, inputs: Inputs, xla: bool = False
) -> None:
    """Load the trained network in Keras and compile it for the shape of `inputs`, with XLA if asked.

    Raises:
        RelightError: the weights cannot be loaded.
    """
    tf = _tensorflow(threads)
    import keras

    from export.network import relight_function
    from tf_relight.methods.trained import load_model

    keras.config.set_dtype_policy(precision)
    function, _, _ = relight_function(load_model(weights, method), None)
    compiled = tf.function(function, jit_compile=xla)
    given = {name: tf.constant(values) for name, values in inputs.items()}
    _set(lambda: [values.numpy() for values in compiled(**given).values()])


def prepare_savedmodel(folder: str, threads: int, inputs: Inputs) -> None:
    """Load a SavedModel and take its signature of float tensors.

    Raises:
        RelightError: the folder is no SavedModel, or it has no signature "relight" for such inputs.
    """
    tf = _tensorflow(threads)
    try:
        signature = tf.saved_model.load(folder).signatures["relight"]
    except (OSError, KeyError) as error:
        raise RelightError(f"{folder} is not a SavedModel with a signature 'relight': {error}.") from error
    wanted = set(signature.structured_input_signature[1])
    if wanted != set(inputs):
        raise RelightError(
            f"The SavedModel {folder} takes {', '.join(sorted(wanted))}, not {', '.join(inputs)}: "
            "it is of another method."
        )
    given = {name: tf.constant(values) for name, values in inputs.items()}
    _set(lambda: [values.numpy() for values in signature(**given).values()])


def prepare_tflite(path: str, runtime: RuntimeName, threads: int, signature: str, inputs: Inputs) -> None:
    """Open a .tflite file; raises RelightError as `open_runtime`."""
    opened = open_runtime(path, runtime, threads)
    _set(lambda: opened.run(signature, inputs))


def timed_run() -> float:
    """Run once and return the seconds until the result is in host memory."""
    assert _run is not None
    start = time.perf_counter()
    _run()
    return time.perf_counter() - start


def memory() -> float:
    """Return the peak resident size of this process so far, in MiB."""
    return peak_memory()


def _set(run: Callable[[], Any]) -> None:
    global _run
    _run = run


def _tensorflow(threads: int) -> Any:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    # One operation after the other: with 1 thread, nothing may run beside it.
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    return tf
