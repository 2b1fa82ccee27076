"""Residue method 6 with few weights, for the trainer's tests: a GAN, then a stage with most parts frozen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.training.toy_problem import NoiseSource
from tf_relight import methods
from tf_relight.contract.stage import Schedule, Stage

SMALL = {"width": 2}
SIDE = 32


class FaceNoise(NoiseSource):
    """Noise with an albedo, normals, a mask and a light."""

    fields = ("image", "albedo", "normal", "mask", "light")

    def __init__(self, length: int = 12) -> None:
        super().__init__(length, SIDE)

    def read(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([index, 1])
        image = super().read(index)["image"]
        normal = rng.normal(size=(SIDE, SIDE, 3)).astype(np.float32)
        return {
            "image": image,
            "albedo": 255 - image // 2,
            "normal": normal / np.linalg.norm(normal, axis=-1, keepdims=True),
            "mask": np.ones((SIDE, SIDE, 1), np.float32),
            "light": rng.normal(0.5, 0.1, (9, 3)).astype(np.float32),
        }


def build_small_residue():
    method = methods.get("sfsnet_residue_6")
    return method.build_model(method.config(SMALL))


def residue_stages(optimizer: str = "adam") -> list[Stage]:
    """Its two stages, as if its body had been trained; with SGD a step moves each weight by its gradient."""
    method = methods.get("sfsnet_residue_6")
    stages = method.stages(method.config(SMALL), method.recipe({"judge_side": SIDE, "judge_width": 2}))
    rate = Schedule(1e-2 if optimizer == "sgd" else 1e-3, kind="constant")
    return [replace(stage, optimizer=optimizer, learning_rate=rate, builds_on=()) for stage in stages]
