"""tf_relight: train, evaluate and use relighting networks on TensorFlow and Keras 3.

Importing this package imports nothing heavy; the names below are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_relight import methods
    from tf_relight.errors import RelightError
    from tf_relight.light.light import Light
    from tf_relight.methods.listing import list_models
    from tf_relight.methods.trained import load_model
    from tf_relight.pipelines.distribution import LightDistribution
    from tf_relight.pipelines.keras_model import load
    from tf_relight.pipelines.random_relight import RandomRelight
    from tf_relight.relighting.in_python import relight

__version__ = "0.1.0"
__all__ = [
    "Light",
    "LightDistribution",
    "RandomRelight",
    "RelightError",
    "__version__",
    "list_models",
    "load",
    "load_model",
    "methods",
    "relight",
]

_HOMES = {
    "Light": "tf_relight.light.light",
    "LightDistribution": "tf_relight.pipelines.distribution",
    "RandomRelight": "tf_relight.pipelines.random_relight",
    "RelightError": "tf_relight.errors",
    "list_models": "tf_relight.methods.listing",
    "load": "tf_relight.pipelines.keras_model",
    "load_model": "tf_relight.methods.trained",
    "relight": "tf_relight.relighting.in_python",
}
"""Public name to the module it lives in."""


# Hidden from type checkers, so that they find a name that is not there.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load a public name from the module it lives in."""
        if name == "methods":
            return importlib.import_module("tf_relight.methods")
        if name not in _HOMES:
            raise AttributeError(f"module 'tf_relight' has no attribute '{name}'")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
