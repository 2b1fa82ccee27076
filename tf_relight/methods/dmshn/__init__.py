"""MSR-Net: DMSHN and Stacked DMSHN, fast one-to-one relighting of scenes. Data side, without Keras.

Source: Das, Shah, Dutta, "MSR-Net: Multi-Scale Relighting Network for One-to-One Relighting", 2021. The paper
released no relighting code; the layers are those of the same authors' DMSHN for dehazing and bokeh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from tf_relight.contract.card import MethodInfo, PublishedScore, Rounding
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

_VALIDATION = "VIDIT one-to-one validation, 45 scenes, 1024 px"
_TABLES = "MSR-Net, tables 1 and 2"
CONVOLUTIONS = 90
"""Of one DMSHN: 15 in each encoder and decoder of three levels."""

_DMSHN = MethodInfo(
    title="DMSHN (MSR-Net)",
    venue="arXiv",
    year=2021,
    link="https://arxiv.org/abs/2107.06125",
    task="one-to-one",
    native_size=1024,
    size_multiple=16,
    parameters=5_424_393,
    rounding=Rounding(
        on={"quantised": True},
        off={"quantised": False, "dynamic_tail": 0},
        options=("quantised", "dynamic_tail"),
        ranges="ranges",
    ),
    small={"width": 4},
    default_weights="dmshn-scenes-256-v2",
    weights_licence="no official relighting weights exist; ours are Apache-2.0",
    published=(
        PublishedScore(_VALIDATION, "L_CSL", 17.09, 0.5928, 0.4428, _TABLES),
        PublishedScore(_VALIDATION, "L_MSE", 16.94, 0.5659, 0.4933, _TABLES),
        PublishedScore(_VALIDATION, "L_CL", 17.20, 0.5696, 0.3712, _TABLES),
    ),
)

VARIANTS: dict[str, MethodInfo] = {
    "dmshn": _DMSHN,
    "stacked_dmshn": replace(
        _DMSHN,
        title="Stacked DMSHN (MSR-Net)",
        parameters=10_848_786,
        defaults={"stacks": 2},
        default_weights=None,
        weights_licence="no official relighting weights exist",
        published=(
            PublishedScore(_VALIDATION, "L_MSE", 17.53, 0.5673, 0.4253, _TABLES),
            PublishedScore(_VALIDATION, "L_CL", 17.89, 0.5899, 0.4088, _TABLES),
        ),
    ),
}

CHECKS = (Check("psnr"),)
"""What every stage is validated by."""


class Config(FrozenModel):
    """The network.

    Attributes:
        width: channels at full resolution of a level; 32 in the paper, doubled by each strided convolution.
        stacks: how many DMSHN run one after the other, each on the result of the one before.
        finest_level: "own" gives level 1 its own encoder and decoder; "level_2" runs those of level 2 there,
            as the released dehazing test script does, and is only for reproducing it.
        quantised: the network can be trained with the rounding of 8-bit inference and keeps the range of
            every tensor; `train.quantise` sets it.
        dynamic_tail: how many of the last convolutions have no fixed ranges when rounded: they find the
            range of their input in each picture, and what they give stays float32.
    """

    width: int = Field(32, ge=2, le=512)
    stacks: Literal[1, 2] = 1
    finest_level: Literal["own", "level_2"] = "own"
    quantised: bool = False
    dynamic_tail: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _can_round(self) -> Config:
        if self.quantised and self.finest_level != "own":
            raise ValueError("quantised needs finest_level own: two levels cannot share one set of ranges")
        if self.dynamic_tail >= CONVOLUTIONS * self.stacks:
            raise ValueError(f"dynamic_tail has to be below {CONVOLUTIONS * self.stacks}, all convolutions")
        return self


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        loss: "cl" trains with L2 first and the combined loss L_CL after it; "mse" with L2 alone; "csl" with
            L2 plus the advanced Sobel loss. Paper, table 2.
        first_stage: share of the steps that "cl" gives to L2. Not stated in the paper.
        learning_rate, final_learning_rate: start and end of a stage's curve. Paper, section 4.1.
        second_learning_rate: where the curve restarts when the loss changes. Not stated in the paper.
        schedule: shape of the curve. Not stated in the paper.
        l1, ssim, perceptual, total_variation: the weights of L_CL, paper, section 3. `ssim` is negative
            because L_SSIM is the SSIM index, 1 for equal pictures. `perceptual` 0 leaves out L_p, which needs
            the official VGG-16 weights.
        sobel: weight of the advanced Sobel loss in L_CSL. Not stated in the paper.
        diagonal_sobel_only: keep only the two diagonal kernels of the advanced Sobel loss.
    """

    loss: Literal["cl", "mse", "csl"] = "cl"
    first_stage: float = Field(0.6, gt=0, lt=1)
    learning_rate: float = Field(2e-3, gt=0)
    second_learning_rate: float = Field(1e-3, gt=0)
    final_learning_rate: float = Field(5e-5, gt=0)
    schedule: Literal["exponential", "cosine"] = "exponential"
    warmup: float = Field(0.0, ge=0, lt=1)
    l1: float = 1.0
    ssim: float = -5e-3
    perceptual: float = Field(0.006, ge=0)
    total_variation: float = Field(2e-8, ge=0)
    sobel: float = Field(0.25, ge=0)
    diagonal_sobel_only: bool = False


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the stages: L2 then L_CL for "cl", one stage for "mse" and "csl".

    Source: paper, sections 3 and 4.3; the split and the restart of the learning rate are ours.
    """
    rate = Schedule(
        recipe.learning_rate, recipe.final_learning_rate, kind=recipe.schedule, warmup=recipe.warmup
    )
    if recipe.loss == "mse":
        return [Stage("reconstruction", 1.0, (LossTerm("l2"),), rate, CHECKS)]
    if recipe.loss == "csl":
        options = {"diagonal_only": recipe.diagonal_sobel_only}
        terms = (LossTerm("l2"), LossTerm("advanced_sobel", recipe.sobel, options=options))
        return [Stage("combined_sobel", 1.0, terms, rate, CHECKS)]
    combined = (
        LossTerm("l1", recipe.l1),
        LossTerm("ssim", recipe.ssim),
        LossTerm("vgg16", recipe.perceptual),
        LossTerm("tv", recipe.total_variation),
    )
    used = tuple(term for term in combined if term.weight != 0)
    restart = Schedule(recipe.second_learning_rate, recipe.final_learning_rate, kind=recipe.schedule)
    return [
        Stage("reconstruction", recipe.first_stage, (LossTerm("l2"),), rate, CHECKS),
        Stage("combined", 1.0 - recipe.first_stage, used, restart, CHECKS),
    ]


def weight_map(config: Config) -> dict[str, str]:
    """Return {tensor name in the released DMSHN checkpoints: our path}, for the first net of the stack.

    Convolutions and transposed convolutions are both transposed (2, 3, 1, 0); biases are kept.
    """
    ours = {
        "encoder": {
            1: "conv_in",
            2: "scale1_unit1",
            3: "scale1_unit2",
            5: "down1",
            6: "scale2_unit1",
            7: "scale2_unit2",
            9: "down2",
            10: "scale4_unit1",
            11: "scale4_unit2",
        },
        "decoder": {
            13: "scale4_unit1",
            14: "scale4_unit2",
            16: "up1",
            17: "scale2_unit1",
            18: "scale2_unit2",
            20: "up2",
            21: "scale1_unit1",
            22: "scale1_unit2",
            24: "conv_out",
        },
    }
    mapping = {}
    for level in (1, 2, 3):
        for part, layers in ours.items():
            for number, name in layers.items():
                theirs = f"{part}_lv{level}.layer{number}"
                path = f"net1/level{level}_{part}/{name}"
                parts = {"": "/conv" if "down" in name else ""}
                if "unit" in name:
                    parts = {".0": "/conv1", ".2": "/conv2"}
                for suffix, inner in parts.items():
                    mapping[f"{theirs}{suffix}.weight"] = f"{path}{inner}/kernel"
                    mapping[f"{theirs}{suffix}.bias"] = f"{path}{inner}/bias"
    return mapping
