"""An auto-encoder that learns from photos alone: the light of a mirrored picture is the mirrored light."""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

VARIANTS = {
    "toy_siamese": MethodInfo(
        title="Toy Siamese auto-encoder",
        venue="tests",
        year=2026,
        link="https://example.org",
        task="any-to-any",
        native_size=32,
        size_multiple=2,
        parameters=772,
        inputs=(Port("image", "srgb"), Port("light", "light", 1, field="target_light", in_batches=False)),
        outputs=(Port("relit", "srgb"), Port("source_light", "light", 1)),
        small={"width": 4},
        weights_licence="none",
    )
}


class Config(FrozenModel):
    width: int = Field(8, ge=2)


class Recipe(FrozenModel):
    learning_rate: float = 3e-3


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    losses = (
        LossTerm("l1", 1.0, "rebuilt", "image"),
        LossTerm("l1", 1.0, "mirrored_light", "expected_light"),
        LossTerm("l1", 0.1, "read_light", "given_light"),
    )
    rate = Schedule(recipe.learning_rate, kind="constant")
    return [Stage("self_supervised", 1.0, losses, rate, (Check("psnr", "rebuilt", "image"),))]


def weight_map(config: Config) -> dict[str, str]:
    return {}
