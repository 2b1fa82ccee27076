"""A network that LiteRT runs on squares of fixed sizes, and Keras on everything else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.litert import Session
from tf_relight.weights.prepared import Prepared

if TYPE_CHECKING:
    import keras


class PreparedNetwork:
    """Stands in for a Keras model in `Method.predict`.

    Attributes:
        smallest: as of networks; a prepared file takes its own sizes only.
    """

    smallest = 1

    def __init__(self, prepared: Prepared, build: Callable[[], keras.Model] | None) -> None:
        """Make ready; nothing is run yet.

        Args:
            build: makes the Keras model for what the file does not do; None refuses that.
        """
        self._session = Session(prepared.content, str(prepared.path))
        self._path, self._sizes, self._build = prepared.path, prepared.record.sizes, build
        self._model: Any = None
        self._building = threading.Lock()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """Return the outputs by name for one picture, or None if the file takes none of its size."""
        sides = {value.shape[:2] for value in inputs.values() if value.ndim == 3}
        if len(sides) != 1:
            return None
        ((height, width),) = sides
        if height != width or height not in self._sizes:
            return None
        given = {name: np.ascontiguousarray(value[None], np.float32) for name, value in inputs.items()}
        outputs = self._session.run_signature(signature_name(height), given)
        return {name: np.asarray(value, np.float32)[0] for name, value in outputs.items()}

    def keras(self, why: str) -> Any:
        """Return the Keras model, built when it is first asked for.

        Args:
            why: what the prepared file cannot do, for the log and the error.

        Raises:
            RelightError: there shall be no other engine.
        """
        if self._build is None:
            raise RelightError(
                f"{self._path} is for squares of {', '.join(map(str, self._sizes))} pixels, not for {why}: "
                "leave out --engine litert."
            )
        with self._building:
            if self._model is None:
                logging.getLogger(__name__).info("engine: Keras, for %s", why)
                self._model = self._build()
            return self._model


def signature_name(size: int) -> str:
    """Return the name of the signature for squares of `size` pixels."""
    return f"square_{size}"
