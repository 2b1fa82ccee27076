"""Narrow networks with random weights, as Keras and as SavedModels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class Exported:
    """A method as Keras and as SavedModel."""

    def __init__(self, loaded: Any, folder: Path, said: str = "") -> None:
        import tensorflow as tf

        self.loaded, self.folder, self.said = loaded, folder, said
        self.signatures = tf.saved_model.load(str(folder)).signatures

    def files(self, signature: str, *contents: bytes, **inputs: Any) -> list[bytes]:
        """Send picture files, and numbers by name, to a signature."""
        import tensorflow as tf

        given = {name: tf.constant(np.asarray(values), tf.float32) for name, values in inputs.items()}
        found = self.signatures[signature](image_bytes=tf.constant(contents, tf.string), **given)
        return list(found["relit_bytes"].numpy())


def narrow_model(name: str) -> Any:
    """A narrow network with fixed random weights, as `load_model` returns it."""
    import keras

    from tf_relight import methods
    from tf_relight.methods.trained import LoadedModel

    keras.utils.set_random_seed(0)
    method = methods.get(name)
    config = method.config({"width": 2})
    return LoadedModel(method.build_model(config), method, config, {"size": 48})
