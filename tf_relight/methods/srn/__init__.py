"""SRN, a deblurring network retrained for relighting. Data side, without Keras.

Source: Tao, Gao, Shen, Wang, Jia, "Scale-recurrent Network for Deep Image Deblurring", CVPR 2018, with the
layers of the authors' release; as a baseline in Das et al., "MSR-Net", 2021.
"""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, PublishedScore
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

_VALIDATION = "VIDIT one-to-one validation, 45 scenes, 1024 px"

VARIANTS: dict[str, MethodInfo] = {
    "srn": MethodInfo(
        title="SRN",
        venue="CVPR",
        year=2018,
        link="https://arxiv.org/abs/1802.01770",
        task="one-to-one",
        native_size=1024,
        size_multiple=16,
        parameters=6_881_251,
        small={"width": 4, "blocks": 1, "scales": 2},
        weights_licence="no official relighting weights exist",
        published=(PublishedScore(_VALIDATION, "SRN", 16.94, 0.5660, 0.4319, "MSR-Net, table 1"),),
    ),
}


class Config(FrozenModel):
    """The network; the release's "color" model, which has no recurrent cell at the bottleneck.

    Attributes:
        width: channels at full resolution of a scale; doubled twice.
        blocks: residual blocks per level.
        scales: how many sizes the picture goes through, each half the next.
    """

    width: int = Field(32, ge=2, le=128)
    blocks: int = Field(3, ge=1, le=8)
    scales: int = Field(3, ge=1, le=4)


class Recipe(FrozenModel):
    """The training recipe. Paper, section 4, and the release.

    Attributes:
        learning_rate: of Adam. power: it falls to 0 with the steps that are left to this power; the paper
            prints an exponential fall to 1e-6, the release has 0.3.
    """

    learning_rate: float = Field(1e-4, gt=0)
    power: float = Field(0.3, gt=0)


def scale_names(scales: int) -> list[tuple[str, str]]:
    """Return (prediction, target) of each scale as the network names them, finest first."""
    coarse = [(f"relit_{2**level}", f"target_{2**level}") for level in range(1, scales)]
    return [("relit", "target"), *coarse]


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the one stage: the sum of the squared errors of all scales.

    Source: paper, equation 5, with the mean over the pixels for each scale.
    """
    terms = tuple(
        LossTerm("l2", prediction=prediction, target=target)
        for prediction, target in scale_names(config.scales)
    )
    rate = Schedule(recipe.learning_rate, 0.0, kind="polynomial", power=recipe.power)
    return [Stage("reconstruction", 1.0, terms, rate, (Check("psnr"),))]


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, no official weights exist for relighting."""
    return {}
