"""Running a loaded network on one picture: at which size, and what to say when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tf_relight.errors import RelightError

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel


def working_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Return (height, width) of the same shape with at most the given long side."""
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def training_size(loaded: LoadedModel) -> int:
    """Return the long side, in pixels, of the pictures the weights were trained on."""
    return int(loaded.metadata.get("size") or loaded.method.info.native_size)


def run_once(model: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the named outputs of a model for one picture and its other inputs, none with a batch axis."""
    outputs = model.predict_on_batch({name: value[None] for name, value in inputs.items()})
    return {name: np.asarray(value, np.float32)[0] for name, value in outputs.items()}


Outputs = TypeVar("Outputs", np.ndarray, dict[str, np.ndarray])


def run_network(network: Callable[[], Outputs]) -> Outputs:
    """Return what `network` returns, an array or arrays by name.

    Raises:
        RelightError: it holds values that are not finite, or memory ran out.
    """
    try:
        result = network()
    except Exception as error:
        # TensorFlow's own class for this cannot be named without importing TensorFlow.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        raise RelightError(
            "Not enough memory for the network at this size. Give a smaller --size."
        ) from error
    arrays = result.values() if isinstance(result, dict) else (result,)
    if not all(np.isfinite(array).all() for array in arrays):
        raise RelightError("The network's result holds values that are not numbers. Use other weights.")
    return result
