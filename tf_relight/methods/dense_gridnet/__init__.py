"""Dense-GridNet (GridDehazeNet), a dehazing network retrained for relighting. Data side, without Keras.

Source: Liu, Ma, Shi, Chen, "GridDehazeNet: Attention-Based Multi-Scale Network for Image Dehazing", ICCV
2019, with the layers of the authors' release; as a baseline in Das et al., "MSR-Net", 2021.
"""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, PublishedScore
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

_VALIDATION = "VIDIT one-to-one validation, 45 scenes, 1024 px"

VARIANTS: dict[str, MethodInfo] = {
    "dense_gridnet": MethodInfo(
        title="Dense-GridNet (GridDehazeNet)",
        venue="ICCV",
        year=2019,
        link="https://arxiv.org/abs/1908.03245",
        task="one-to-one",
        native_size=1024,
        size_multiple=4,
        parameters=958_051,
        small={"width": 4, "rows": 2, "columns": 4, "dense_layers": 1, "growth": 4},
        weights_licence="no official relighting weights exist",
        published=(PublishedScore(_VALIDATION, "Dense-GridNet", 16.67, 0.2811, 0.3691, "MSR-Net, table 1"),),
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        width: channels of the first row; doubled in each further one.
        rows: scales. columns: half of them lead down, half up; an even number.
        dense_layers, growth: layers of a residual dense block, and the channels each adds.
    """

    width: int = Field(16, ge=2, le=128)
    rows: int = Field(3, ge=2, le=5)
    columns: int = Field(6, ge=4, le=12, multiple_of=2)
    dense_layers: int = Field(4, ge=1, le=8)
    growth: int = Field(16, ge=1, le=64)


class Recipe(FrozenModel):
    """The training recipe. Paper, sections 3.4 and 4.1.

    Attributes:
        perceptual: weight of the VGG-16 term; 0 leaves it out, and the official weights are not needed.
        learning_rate: of Adam. halvings: how often it is halved, at equal distances; 4 in the release.
    """

    perceptual: float = Field(0.04, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    halvings: int = Field(4, ge=0, le=16)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the one stage: smooth L1 and the perceptual term."""
    terms = (LossTerm("smooth_l1"), LossTerm("vgg16_shallow", recipe.perceptual))
    count = recipe.halvings
    rate = Schedule(
        recipe.learning_rate,
        recipe.learning_rate / 2**count,
        kind="step" if count else "constant",
        drops=tuple((i + 1) / (count + 1) for i in range(count)),
    )
    return [
        Stage("reconstruction", 1.0, tuple(term for term in terms if term.weight > 0), rate, (Check("psnr"),))
    ]


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, no official weights exist for relighting."""
    return {}
