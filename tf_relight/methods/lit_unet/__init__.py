"""Lit U-Net: portraits relit by a network that the light reaches at every level. Data side, without Keras.

Our own. DPR's network hears of the light at its bottleneck alone, behind which instance normalisation takes
out what is the same everywhere in a picture, as the light is; rendered faces under hard lamps come out at
less than half of their contrast. Here the light scales and shifts the features of each level on the way out,
and the result is the logarithm of a ratio, so that detail is the photo's own.

Source of the modulation: Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018.
"""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

VARIANTS: dict[str, MethodInfo] = {
    "lit_unet": MethodInfo(
        title="Lit U-Net",
        venue="ours",
        year=2026,
        link="https://arxiv.org/abs/1709.07871",
        task="portrait",
        native_size=128,
        size_multiple=16,
        parameters=1018018,
        small={"width": 4},
        inputs=(
            Port("image", "lightness", 1),
            Port("light", "light", 1, field="target_light", domain="lightness"),
        ),
        outputs=(Port("relit", "lightness", 1), Port("source_light", "light", 1, domain="lightness")),
        default_weights="lit-unet-humans-128-v1",
        weights_licence="own weights, Apache-2.0, trained on rendered people",
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        width: channels at half the picture's resolution; 2, 3 and 4 times as many at the three levels below.
        condition: channels of what is made of the lights and modulates the features.
        mirrored: after training, also relight the picture's mirror image under the mirrored light, and take
            the mean of both: left and right are then alike to the network, at twice the time.
    """

    width: int = Field(24, ge=2, le=128)
    condition: int = Field(64, ge=4, le=512)
    mirrored: bool = True


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        image, gradient, log_ratio, light: weights of the errors of the picture, of its steps, of its smoothed
            logarithm, and of the light that is read.
        learning_rate, final_learning_rate: of Adam; it falls along a cosine.
    """

    image: float = Field(1.0, ge=0)
    gradient: float = Field(0.5, ge=0)
    log_ratio: float = Field(0.6, ge=0)
    light: float = Field(1.0, ge=0)
    learning_rate: float = Field(1.5e-3, gt=0)
    final_learning_rate: float = Field(2e-5, gt=0)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the one stage."""
    losses = (
        LossTerm("l1", recipe.image),
        LossTerm("gradient", recipe.gradient),
        LossTerm("log_ratio", recipe.log_ratio),
        LossTerm("l2", recipe.light, prediction="source_light", target="light"),
    )
    return [
        Stage(
            "relighting",
            1.0,
            tuple(term for term in losses if term.weight > 0),
            Schedule(recipe.learning_rate, recipe.final_learning_rate, kind="cosine"),
            checks=(Check("psnr"), Check("light_degrees", "source_light", "light")),
        )
    ]


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, the network is our own."""
    return {}
