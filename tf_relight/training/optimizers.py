"""Optimisers and learning-rate curves from the data of a stage."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from tf_relight.contract.stage import Schedule, Stage


class StageCurve(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate of one stage as a function of the stage's own step.

    Rises linearly from 0 over the warm-up, then goes from `initial` to `final` along `kind`.
    """

    def __init__(self, schedule: Schedule, steps: int) -> None:
        super().__init__()
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Return the rate at `step`, counted from 0."""
        plan = self.schedule
        warm = round(plan.warmup * self.steps)
        step = ops.cast(step, "float32")
        progress = ops.clip((step - warm) / max(self.steps - warm, 1), 0.0, 1.0)
        final = plan.initial if plan.final is None or plan.kind == "constant" else plan.final
        if plan.kind == "exponential":
            rate = plan.initial * ops.exp(progress * math.log(final / plan.initial))
        elif plan.kind == "cosine":
            rate = final + (plan.initial - final) * 0.5 * (1.0 + ops.cos(math.pi * progress))
        elif plan.kind == "polynomial":
            rate = final + (plan.initial - final) * (1.0 - progress) ** plan.power
        elif plan.kind == "step" and plan.drops:
            passed = sum(ops.cast(progress >= drop, "float32") for drop in plan.drops)
            rate = plan.initial * (final / plan.initial) ** (passed / len(plan.drops))
        else:
            rate = plan.initial + (final - plan.initial) * progress
        return rate * ops.minimum((step + 1.0) / warm, 1.0) if warm else rate

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"schedule": self.schedule, "steps": self.steps}


def make_optimizers(stage: Stage, steps: int) -> dict[str, keras.optimizers.Optimizer]:
    """Return {"model": optimiser, "<discriminator>": optimiser} for `steps` steps of `stage`.

    Where biases learn faster they have one of their own, "biases".
    """
    names = ["model", *(adversary.discriminator for adversary in stage.adversaries)]
    made = {name: _make(stage, steps, name) for name in names}
    if stage.bias_rate != 1.0:
        made["biases"] = _make(stage, steps, "biases", stage.bias_rate)
    return made


def _make(stage: Stage, steps: int, name: str, factor: float = 1.0) -> keras.optimizers.Optimizer:
    plan, final = stage.learning_rate, stage.learning_rate.final
    if factor != 1.0:
        plan = replace(plan, initial=factor * plan.initial, final=None if final is None else factor * final)
    rate = StageCurve(plan, steps)
    if stage.optimizer == "sgd":
        return keras.optimizers.SGD(rate, name=f"{name}_optimizer")
    kind = keras.optimizers.Adam if stage.optimizer == "adam" else keras.optimizers.AdamW
    return kind(rate, beta_1=stage.betas[0], beta_2=stage.betas[1], name=f"{name}_optimizer")
