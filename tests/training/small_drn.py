"""A DRN of a few hundred weights, for the trainer's tests: three stages, three discriminators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.training.toy_problem import NoiseSource
from tf_relight import methods
from tf_relight.contract.stage import Schedule, Stage

SMALL = {"width": 2, "levels": 1, "blocks": 1}


class ShadowFreeNoise(NoiseSource):
    """Noise whose shadow-free picture is a brighter copy."""

    fields = ("image", "target", "shadow_free")

    def read(self, index: int) -> dict[str, np.ndarray]:
        sample = super().read(index)
        return {**sample, "shadow_free": 255 - (255 - sample["image"]) // 2}


def build_small_drn():
    method = methods.get("drn")
    return method.build_model(method.config(SMALL))


def drn_stages(optimizer: str = "adam") -> list[Stage]:
    """The stages of DRN without its VGG loss; with SGD a step moves each weight by its gradient."""
    method = methods.get("drn")
    recipe = method.recipe({"perceptual": 0, "discriminator_width": 2, "discriminator_layers": 1})
    stages = method.stages(method.config(SMALL), recipe)
    rate = Schedule(1e-2 if optimizer == "sgd" else 1e-3, kind="constant")
    return [replace(stage, optimizer=optimizer, learning_rate=rate) for stage in stages]
