"""How DRN and BPAE are trained: reconversion, shadow prior, then the re-renderer with both frozen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage, View
from tf_relight.contract.values import FrozenModel

if TYPE_CHECKING:
    from tf_relight.methods.drn import Config

INNER_RANGE = 2.0
"""The paper's pictures are -1..1, ours 0..1: an L1 distance of theirs is twice ours."""


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        only: train this part alone, on top of `train.init_from`; None trains all three one after the other.
        reconversion_share, shadow_prior_share: shares of the steps; the re-renderer gets the rest. Paper,
            section 4.2: 20 epochs each. "bpae" has one stage.
        l1: weight of L1 in the adversarial stages, of pictures in -1..1; not stated in the paper, 10 in the
            release.
        adversarial, shadow_adversarial: weights of the two discriminators; 0 leaves one out.
        gan_form: "lsgan" as released, or "log" as printed in the paper.
        shadow_view: "rectified" is the paper's min(alpha, grey); "released" what the release does instead.
        perceptual: weight of the VGG-19 term of the re-renderer; 0 leaves it out. Paper, equation 8.
        learning_rate: of Adam, with betas 0.5 and 0.999. final_learning_rate: each stage falls to it along a
            line; None keeps the rate.
        discriminator_width, discriminator_layers, discriminator_norm, discriminator_scales: of both.
    """

    only: Literal["scene_reconversion", "shadow_prior", "re_renderer"] | None = None
    reconversion_share: float = Field(1 / 3, gt=0, lt=1)
    shadow_prior_share: float = Field(1 / 3, gt=0, lt=1)
    l1: float = Field(10.0, gt=0)
    adversarial: float = Field(1.0, ge=0)
    shadow_adversarial: float = Field(1.0, ge=0)
    gan_form: Literal["lsgan", "log", "hinge"] = "lsgan"
    shadow_view: Literal["rectified", "released"] = "rectified"
    perceptual: float = Field(0.01, ge=0)
    learning_rate: float = Field(1e-4, gt=0)
    final_learning_rate: float | None = Field(None, gt=0)
    discriminator_width: int = Field(64, ge=2, le=256)
    discriminator_layers: int = Field(3, ge=1, le=6)
    discriminator_norm: Literal["instance", "batch", "spectral", "none"] = "instance"
    discriminator_scales: int = Field(1, ge=1, le=4)

    @model_validator(mode="after")
    def _shares_leave_something(self) -> Recipe:
        if self.reconversion_share + self.shadow_prior_share >= 1:
            raise ValueError("reconversion_share and shadow_prior_share leave no steps for the re-renderer")
        return self


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the three stages of DRN, or the one of BPAE.

    The two networks of the first stages learn apart from each other; their painters are not used, and not
    trained, by the re-renderer.

    Source: paper, sections 3.2 to 3.4 and 4.2.
    """
    if config.network == "bpae":
        return [_adversarial("generator", 1.0, "target", recipe, shadows=True)]
    last = 1.0 - recipe.reconversion_share - recipe.shadow_prior_share
    terms = (
        LossTerm("l1", INNER_RANGE),
        LossTerm("vgg19", recipe.perceptual),
    )
    found = [
        _adversarial("scene_reconversion", recipe.reconversion_share, "shadow_free", recipe, shadows=False),
        _adversarial("shadow_prior", recipe.shadow_prior_share, "target", recipe, shadows=True),
        Stage(
            "re_renderer",
            last,
            tuple(term for term in terms if term.weight > 0),
            _rate(recipe),
            checks=(Check("psnr"),),
            trains=("re_renderer",),
            betas=(0.5, 0.999),
            switches={"part": "re_renderer"},
            builds_on=("scene_reconversion", "shadow_prior"),
        ),
    ]
    if recipe.only is None:
        return found
    return [replace(stage, share=1.0) for stage in found if stage.name == recipe.only]


def _adversarial(part: str, share: float, target: str, recipe: Recipe, *, shadows: bool) -> Stage:
    judges = []
    if recipe.adversarial > 0:
        judges.append(_judge(part, recipe.adversarial, target, recipe, "picture"))
    if shadows and recipe.shadow_adversarial > 0:
        view: View = "shadow_region" if recipe.shadow_view == "rectified" else "shadow_region_released"
        judges.append(_judge(part, recipe.shadow_adversarial, target, recipe, view))
    return Stage(
        part,
        share,
        (LossTerm("l1", INNER_RANGE * recipe.l1, target=target),),
        _rate(recipe),
        checks=(Check("psnr", target=target),),
        trains=(part,),
        betas=(0.5, 0.999),
        adversaries=tuple(judges),
        switches={} if part == "generator" else {"part": part},
    )


def _judge(
    part: str,
    weight: float,
    target: str,
    recipe: Recipe,
    view: View,
) -> Adversary:
    return Adversary(
        f"{part}_{'discriminator' if view == 'picture' else 'shadow_discriminator'}",
        weight=weight,
        form=recipe.gan_form,
        real=target,
        condition="image",
        view=view,
        network=Discriminator(
            channels=6 if view == "picture" else 4,
            width=recipe.discriminator_width,
            layers=recipe.discriminator_layers,
            norm=recipe.discriminator_norm,
            padding=2,
            scales=recipe.discriminator_scales,
        ),
    )


def _rate(recipe: Recipe) -> Schedule:
    if recipe.final_learning_rate is None:
        return Schedule(recipe.learning_rate, kind="constant")
    return Schedule(recipe.learning_rate, recipe.final_learning_rate, kind="linear")
