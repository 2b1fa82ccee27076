"""Networks of two channels that can round to 8 bits, and what tests do with them."""

from __future__ import annotations

import numpy as np

from tf_relight import methods


def network(**config):
    import keras

    keras.utils.set_random_seed(0)
    method = methods.get("dmshn")
    return method.build_model(method.config({"width": 2, **config}))


def uneven_network(**config):
    """Channels of the last axis differ by up to e to the 4."""
    model = network(quantised=True, **config)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        uneven = np.exp(generator.uniform(-2, 2, variable.shape[-1]))
        noise = generator.normal(scale=0.05, size=variable.shape) if variable.name == "bias" else 0
        variable.assign((np.asarray(variable) + noise) * uneven / 2)
    return model


def pictures(count: int = 2, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, size, size, 3), dtype=np.float32)


def float_twin(model):
    """The network of the same weights that knows nothing of rounding."""
    from tf_relight.methods.trained import tensor_variables

    twin = network()
    own = tensor_variables(model)
    for name, variable in tensor_variables(twin).items():
        variable.assign(own[name])
    return twin


def psnr(first, second) -> float:
    return -10 * np.log10(np.mean((np.asarray(first, np.float64) - np.asarray(second)) ** 2))
