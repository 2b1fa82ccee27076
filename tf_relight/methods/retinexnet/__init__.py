"""Retinex-Net, a network for dark photos retrained for relighting. Data side, without Keras.

Source: Wei, Wang, Yang, Liu, "Deep Retinex Decomposition for Low-Light Enhancement", BMVC 2018, with the
layers of the authors' release; as a baseline in Wang et al., "Deep Relighting Networks", 2020.
"""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, PublishedScore
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

_TABLE = "DRN, table 2; digits not checked against the paper"

VARIANTS: dict[str, MethodInfo] = {
    "retinexnet": MethodInfo(
        title="Retinex-Net",
        venue="BMVC",
        year=2018,
        link="https://arxiv.org/abs/1808.04560",
        task="any-to-one",
        native_size=512,
        size_multiple=8,
        parameters=444_613,
        small={"width": 8, "layers": 1},
        weights_licence="no official relighting weights exist",
        published=(
            PublishedScore("VIDIT validation, 45 scenes", "Retinex-Net", 12.28, 0.178, 0.657, _TABLE),
        ),
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        width: channels of all inner layers.
        layers: convolutions with ReLU in the decomposition.
    """

    width: int = Field(64, ge=2, le=256)
    layers: int = Field(5, ge=1, le=16)


class Recipe(FrozenModel):
    """The training recipe. Paper, sections 3.2 and 3.3; weights and rates are those of the release.

    Attributes:
        decomposition_share: of the steps; the rest goes to the relighting of the illumination.
        exchanged: weight of a picture rebuilt with the reflectance of the other.
        smoothness, relit_smoothness: weights of smooth illumination in the first and the second stage.
        same_reflectance: weight of the difference of the two reflectances.
        learning_rate: of Adam. final_learning_rate: it drops there once, after the share `drop` of a stage.
    """

    decomposition_share: float = Field(0.5, gt=0, lt=1)
    exchanged: float = Field(1e-3, ge=0)
    smoothness: float = Field(0.1, ge=0)
    relit_smoothness: float = Field(3.0, ge=0)
    same_reflectance: float = Field(0.01, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    final_learning_rate: float = Field(1e-4, gt=0)
    drop: float = Field(0.2, gt=0, lt=1)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the two stages: decomposition of both pictures, then relighting with it frozen.

    "low" is the input, "high" the target, as the release calls its dark and its well-lit photo.

    Source: paper, equations 2 to 6.
    """
    rate = Schedule(recipe.learning_rate, recipe.final_learning_rate, kind="step", drops=(recipe.drop,))
    decomposition = (
        LossTerm("l1", prediction="low_rebuilt", target="image"),
        LossTerm("l1", prediction="high_rebuilt", target="target"),
        LossTerm("l1", recipe.exchanged, prediction="low_exchanged", target="image"),
        LossTerm("l1", recipe.exchanged, prediction="high_exchanged", target="target"),
        _smooth(recipe.smoothness, "low_illumination", "low_reflectance"),
        _smooth(recipe.smoothness, "high_illumination", "high_reflectance"),
        LossTerm("l1", recipe.same_reflectance, prediction="low_reflectance", target="high_reflectance"),
    )
    relighting = (
        LossTerm("l1"),
        _smooth(recipe.relit_smoothness, "relit_illumination", "low_reflectance"),
    )
    share, checks = recipe.decomposition_share, (Check("psnr"),)
    return [
        Stage("decomposition", share, _used(decomposition), rate, checks, trains=("decomposition",)),
        Stage(
            "relighting",
            1.0 - share,
            _used(relighting),
            rate,
            checks,
            trains=("relighting",),
            builds_on=("decomposition",),
        ),
    ]


def _smooth(weight: float, illumination: str, reflectance: str) -> LossTerm:
    return LossTerm("smoothness", weight, prediction=illumination, target=reflectance)


def _used(terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    return tuple(term for term in terms if term.weight > 0)


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, no official weights exist for relighting."""
    return {}
