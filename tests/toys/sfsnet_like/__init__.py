"""A picture becomes normals, albedo and a light in colour; relighting is their product with another."""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

VARIANTS = {
    "toy_sfsnet": MethodInfo(
        title="Toy decomposition",
        venue="tests",
        year=2026,
        link="https://example.org",
        task="decomposition",
        native_size=32,
        size_multiple=4,
        parameters=5553,
        inputs=(Port("image", "srgb"), Port("light", "light", 3, field="target_light")),
        outputs=(
            Port("relit", "srgb"),
            Port("normal", "normal"),
            Port("albedo", "albedo"),
            Port("shading", "shading"),
            Port("source_light", "light", 3),
        ),
        small={"width": 6},
        weights_licence="none",
    )
}


class Config(FrozenModel):
    width: int = Field(12, ge=2)


class Recipe(FrozenModel):
    learning_rate: float = 3e-3


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    rate = Schedule(recipe.learning_rate, kind="constant")
    checks = (
        Check("psnr"),
        Check("normal_degrees", "normal", "normal", "mask"),
        Check("l1", "albedo", "albedo", "mask"),
        Check("light_degrees", "source_light", "light"),
    )
    labelled = (
        LossTerm("l1", 0.5, "normal", "normal", "mask"),
        LossTerm("l1", 0.5, "albedo", "albedo", "mask"),
        LossTerm("l1", 0.5, "rebuilt", "image", "mask"),
        LossTerm("l2", 0.1, "source_light", "light"),
    )
    judge = Adversary(
        "albedo_judge",
        Discriminator(width=4, layers=1),
        weight=0.01,
        fake="albedo",
        real="albedo",
        order="generator_first",
    )
    return [
        Stage("decomposition", 0.6, labelled, rate, checks, weight_decay=5e-4, bias_rate=2.0),
        Stage(
            "albedo",
            0.4,
            (LossTerm("l1", 1.0, "albedo", "albedo", "mask"),),
            rate,
            checks,
            trains=("albedo_head",),
            inference=("trunk",),
            adversaries=(judge,),
            builds_on=("*",),
        ),
    ]


def weight_map(config: Config) -> dict[str, str]:
    return {}
