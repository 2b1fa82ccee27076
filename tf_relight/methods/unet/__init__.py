"""U-Net, retrained for relighting by the authors of DRN. Data side, without Keras.

Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI
2015; as a baseline in Wang et al., "Deep Relighting Networks", 2020.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tf_relight.contract.card import MethodInfo, PublishedScore
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

_TABLE = "DRN, table 2; digits not checked against the paper"

VARIANTS: dict[str, MethodInfo] = {
    "unet": MethodInfo(
        title="U-Net",
        venue="MICCAI",
        year=2015,
        link="https://arxiv.org/abs/1505.04597",
        task="any-to-one",
        native_size=512,
        size_multiple=16,
        parameters=31_049_539,
        small={"width": 4, "levels": 2},
        weights_licence="no official relighting weights exist",
        published=(PublishedScore("VIDIT validation, 45 scenes", "U-Net", 16.72, 0.616, 0.444, _TABLE),),
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        width: channels at full resolution; doubled at each of the `levels`. Paper, figure 1.
        levels: how often the picture is halved.
        normalise: batch normalisation behind each convolution, which the paper of 2015 did not have yet.
    """

    width: int = Field(64, ge=2, le=128)
    levels: int = Field(4, ge=1, le=6)
    normalise: bool = True


class Recipe(FrozenModel):
    """The training recipe; DRN says no more than that the networks were retrained.

    Attributes:
        loss: "l1" or "l2".
        learning_rate, final_learning_rate: of Adam; it falls along a line, or stays with None.
    """

    loss: Literal["l1", "l2"] = "l1"
    learning_rate: float = Field(1e-4, gt=0)
    final_learning_rate: float | None = Field(None, gt=0)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the one stage."""
    final = recipe.final_learning_rate
    rate = Schedule(recipe.learning_rate, final, kind="constant" if final is None else "linear")
    return [Stage("reconstruction", 1.0, (LossTerm(recipe.loss),), rate, (Check("psnr"),))]


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, no official weights exist for relighting."""
    return {}
