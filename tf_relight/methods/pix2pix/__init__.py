"""Pix2Pix, and ShadAdv with a second discriminator for shadows: DRN's adversarial baselines. Without Keras.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
2017, with the global generator of its successor pix2pixHD, as in the release of DRN (Wang et al., 2020).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from tf_relight.contract.card import MethodInfo, PublishedScore
from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage, View
from tf_relight.contract.values import FrozenModel

_VALIDATION = "VIDIT validation, 45 scenes"
_TABLE = "DRN, table 1"

INNER_RANGE = 2.0
"""The paper's pictures are -1..1, ours 0..1: an L1 distance of theirs is twice ours."""

_PIX2PIX = MethodInfo(
    title="Pix2Pix",
    venue="CVPR",
    year=2017,
    link="https://arxiv.org/abs/1611.07004",
    task="any-to-one",
    native_size=512,
    size_multiple=16,
    parameters=45_620_867,
    small={"width": 4, "levels": 2, "blocks": 1},
    weights_licence="no official relighting weights exist",
    published=(PublishedScore(_VALIDATION, "Pix2Pix", 16.28, 0.553, 0.482, _TABLE),),
)

VARIANTS: dict[str, MethodInfo] = {
    "pix2pix": _PIX2PIX,
    "shadadv": replace(
        _PIX2PIX,
        title="ShadAdv (Pix2Pix with a shadow discriminator)",
        venue="ECCV workshops",
        year=2020,
        link="https://arxiv.org/abs/2008.08298",
        defaults={"variant": "shadadv"},
        published=(PublishedScore(_VALIDATION, "ShadAdv", 17.12, 0.569, 0.440, _TABLE),),
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        variant: "shadadv" is the network of "pix2pix", trained against a second discriminator.
        width: channels at full resolution, doubled by each of the `levels` strided convolutions. 32 makes the
            network as wide as DRN's parts.
        levels: how often the picture is halved.
        blocks: residual blocks at the bottleneck.
    """

    variant: Literal["pix2pix", "shadadv"] = "pix2pix"
    width: int = Field(32, ge=2, le=128)
    levels: int = Field(4, ge=1, le=6)
    blocks: int = Field(9, ge=0, le=32)


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        l1: weight of L1, of pictures in -1..1; 10 as in DRN's release.
        adversarial, shadow_adversarial: weights of the two discriminators; 0 leaves one out. The second is
            that of "shadadv" alone.
        gan_form: "lsgan" as in DRN's release, or "log" as printed in its paper and that of Pix2Pix.
        shadow_view: "rectified" is the paper's min(alpha, grey); "released" what the release does instead.
        learning_rate: of Adam, with betas 0.5 and 0.999. DRN, section 4.2. final_learning_rate: it falls
            there along a line; None keeps it.
        discriminator_width, discriminator_layers, discriminator_norm, discriminator_scales: of both.
    """

    l1: float = Field(10.0, gt=0)
    adversarial: float = Field(1.0, ge=0)
    shadow_adversarial: float = Field(1.0, ge=0)
    gan_form: Literal["lsgan", "log", "hinge"] = "lsgan"
    shadow_view: Literal["rectified", "released"] = "rectified"
    learning_rate: float = Field(1e-4, gt=0)
    final_learning_rate: float | None = Field(None, gt=0)
    discriminator_width: int = Field(64, ge=2, le=256)
    discriminator_layers: int = Field(3, ge=1, le=6)
    discriminator_norm: Literal["instance", "batch", "spectral", "none"] = "instance"
    discriminator_scales: int = Field(1, ge=1, le=4)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the one adversarial stage: L1 and a discriminator that sees the input beside the result.

    Source: DRN, sections 3.3 and 4.3.
    """
    judges = []
    if recipe.adversarial > 0:
        judges.append(_judge("discriminator", recipe.adversarial, 6, "picture", recipe))
    if config.variant == "shadadv" and recipe.shadow_adversarial > 0:
        view: View = "shadow_region" if recipe.shadow_view == "rectified" else "shadow_region_released"
        judges.append(_judge("shadow_discriminator", recipe.shadow_adversarial, 4, view, recipe))
    final = recipe.final_learning_rate
    return [
        Stage(
            "adversarial",
            1.0,
            (LossTerm("l1", INNER_RANGE * recipe.l1),),
            Schedule(recipe.learning_rate, final, kind="constant" if final is None else "linear"),
            checks=(Check("psnr"),),
            betas=(0.5, 0.999),
            adversaries=tuple(judges),
        )
    ]


def _judge(name: str, weight: float, channels: int, view: View, recipe: Recipe) -> Adversary:
    network = Discriminator(
        channels=channels,
        width=recipe.discriminator_width,
        layers=recipe.discriminator_layers,
        norm=recipe.discriminator_norm,
        padding=2,
        scales=recipe.discriminator_scales,
    )
    return Adversary(name, network, weight=weight, form=recipe.gan_form, condition="image", view=view)


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, no official weights exist for relighting."""
    return {}
