"""A tiny problem for the trainer: learn to brighten noise, on any strategy."""

from __future__ import annotations

import numpy as np


class NoiseSource:
    """Random pictures whose target is a darker copy; everything is decided by the index."""

    fields = ("image", "target")

    def __init__(self, length: int = 12, size: int = 16) -> None:
        self.length, self.size = length, size

    def __len__(self) -> int:
        return self.length

    def key(self, index: int) -> str:
        return f"noise{index}"

    def read(self, index: int) -> dict[str, np.ndarray]:
        image = np.random.default_rng(index).integers(0, 256, (self.size, self.size, 3), dtype=np.uint8)
        return {"image": image, "target": image // 2}


def make_trainer(
    folder,
    *,
    stages=None,
    strategy=None,
    cluster=None,
    width=4,
    model=None,
    source=None,
    validation=None,
    streams=None,
    **train,
):
    """A Trainer on NoiseSource; keyword arguments override the TrainConfig."""
    import keras
    import tensorflow as tf

    from tests.training.toy_models import build_toy_net
    from tf_relight.config.run import TrainConfig
    from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
    from tf_relight.training.loop import Trainer
    from tf_relight.training.strategy import Cluster

    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = model or build_toy_net(width)
    defaults = {"steps": 10, "batch_size": 4, "log_every": 2, "checkpoint_every": 3, "validate_every": 4}
    return Trainer(
        model=model,
        stages=stages
        or [Stage("only", 1.0, (LossTerm("l2"),), Schedule(1e-2, 1e-3, kind="cosine"), (Check("psnr"),))],
        config=TrainConfig(**{**defaults, "picture_every": 4, **train}),
        strategy=strategy,
        cluster=cluster or Cluster(),
        train_source=source or NoiseSource(),
        validation_source=validation,
        streams=streams or {},
        folder=folder,
    )


def weights_of(trainer) -> list[np.ndarray]:
    return [variable.numpy() for variable in trainer.model.variables]


def largest_difference(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))
