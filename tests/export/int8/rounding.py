"""A narrow network that rounds to 8 bits, as it is when its training begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from tf_relight import methods
from tf_relight.methods.trained import LoadedModel


def rounding_network(**config: Any) -> LoadedModel:
    """A narrow network whose ranges have seen pictures, with biases that matter."""
    import keras

    keras.utils.set_random_seed(0)
    method = methods.get("dmshn")
    settings = method.config({"width": 4, "quantised": True, **config})
    model = method.build_model(settings)
    generator = np.random.default_rng(1)
    for bias in (v for v in model.trainable_variables if v.name == "bias"):
        bias.assign(generator.normal(scale=0.05, size=bias.shape))
    model.calibrate([picture(64, seed) for seed in range(3)])
    return LoadedModel(model, method, settings, {})


def picture(size: int, seed: int) -> np.ndarray:
    """Smooth shapes with noise, not only values of 8-bit pictures."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((1, size // 8, size // 8, 3))
    smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(smooth + 0.05 * generator.standard_normal(smooth.shape), 0, 1).astype(np.float32)
