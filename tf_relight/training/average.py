"""Exponential moving average of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


class WeightAverage:
    """Keeps `decay * average + (1 - decay) * weight` of every trainable weight of a model.

    It is a copy of its own: Keras' `use_ema` overwrites the trained weights with the average.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        """Call inside the strategy's scope. `decay` lies in 0..1, typically 0.999."""
        self.decay = decay
        self.weights = list(model.trainable_variables)
        self.averages = [
            # A copy: keras.Variable(tf.Variable) would share the storage and be no average at all.
            keras.Variable(keras.ops.convert_to_numpy(weight), trainable=False, name=f"average_{number}")
            for number, weight in enumerate(self.weights)
        ]

    def update(self) -> None:
        """Move the averages by one step; call outside of replicas, after the weights have moved."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign(average.value + (1.0 - self.decay) * (weight.value - average.value))

    def install(self) -> None:
        """Set the weights to the averages."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            weight.assign(keras.ops.convert_to_numpy(average))

    def reset(self) -> None:
        """Set the averages to the weights."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign(weight.value)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the model carries the averages."""
        kept = [keras.ops.convert_to_numpy(weight) for weight in self.weights]
        for average, weight in zip(self.averages, self.weights, strict=True):
            weight.assign(keras.ops.convert_to_numpy(average))
        try:
            yield
        finally:
            for weight, value in zip(self.weights, kept, strict=True):
                weight.assign(value)
