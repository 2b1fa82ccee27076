"""How the seven are trained.

Where a residue is added to the shading (3 to 7) it begins near 0. Begun at random, as released, it spoils
what SfSNet rebuilds well, and hundreds of steps go into undoing that.

What the release does by mistake is not repeated:

* 3 to 7 freeze parts, whose batch normalisation went on learning there: here frozen parts run as after
  training.
* 5, first version, rebuilt the picture with the discriminator's answer.
* 6 began its pretrained albedo generator anew, and in its second stage never set gradients back to zero.
* 7 compared answers (B, 1, 1, 1) with labels (B, 1), each answer with each label: here each with its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from tf_relight.contract.stage import Adversary, Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

if TYPE_CHECKING:
    from tf_relight.methods.sfsnet_residue import Config

CHECKS = (
    Check("normal_degrees", "normal", "normal", "mask"),
    Check("l1", "albedo", "albedo", "mask"),
    Check("l1", "shading", "shading", "mask"),
    Check("psnr", "rebuilt", "image", "mask"),
    Check("light_degrees", "source_light", "light"),
    Check("psnr"),
)
SYNTHETIC = "synthetic"
"""The stream whose albedo 5 and 6 show their discriminator as real; it holds rendered faces only."""
MEMBERS = ("body.conv1", "body.conv2", "body.conv3", "body.normal_stack", "body.normal_generator")
ALBEDO, GENERATOR = ("body.albedo_stack",), ("body.albedo_generator",)
LIGHT = ("body.light_head",)
_SHADED = ("normal", "light")
"""What the true shading is made of."""


@dataclass(frozen=True)
class FacePatch:
    """The 11 x 11 PatchGAN of method 5: one answer for a face of `side` pixels.

    Attributes:
        side: 128 in the release, which makes its last kernel 11 x 11; others are side / 16 + 3 wide.
        width: channels of its first layer.
    """

    side: int = 128
    width: int = 64

    @property
    def kernel(self) -> int:
        """Side of the last convolution."""
        return self.side // 16 + 3

    def scores(self, side: int) -> int:
        """Return how many answers a side of so many pixels gets; below 1 it is too short."""
        return side // 16 + 1 + 2 - self.kernel + 1


@dataclass(frozen=True)
class Dcgan:
    """The discriminator of methods 6 and 7: one answer 0..1 for a face of `side` pixels.

    Attributes:
        side: 128 in the release, with five halvings; a power of two. width: channels of its first layer.
    """

    side: int = 128
    width: int = 64

    @property
    def halvings(self) -> int:
        """Convolutions with stride 2, down to 4 x 4."""
        return (self.side // 4).bit_length() - 1

    def scores(self, side: int) -> int:
        """Return how many answers a side of so many pixels gets; below 1 it is too short."""
        return side // 2**self.halvings - 3


class Recipe(FrozenModel):
    """The training recipe; losses are those of the method's number.

    Attributes:
        learning_rate: of Adam. schedule: "constant", as released, or "cosine".
        weight_decay: of kernels, 5e-4 for 1 to 4 as released; 5 to 7 have none.
        adversarial: weight of the adversarial term of 5, 6 and 7; None takes 0.4, 1 and 1.
        judge_side: side in pixels of the faces that a discriminator sees: that of the training's pictures.
        judge_width: channels of its first layer.
    """

    learning_rate: float = Field(1e-3, gt=0)
    schedule: str = Field("constant", pattern="^(constant|cosine)$")
    weight_decay: float = Field(5e-4, ge=0)
    adversarial: float | None = Field(None, ge=0)
    judge_side: int = Field(128, ge=32, le=1024, multiple_of=32)
    judge_width: int = Field(64, ge=2, le=256)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the stages of the method that `config` numbers."""
    return _STAGES[config.number](config, recipe)


def _term(loss: str, weight: float, prediction: str, target: str) -> LossTerm:
    return LossTerm(loss, weight, prediction, target, "mask")


def _rate(recipe: Recipe) -> Schedule:
    if recipe.schedule == "constant":
        return Schedule(recipe.learning_rate, kind="constant")
    return Schedule(recipe.learning_rate, recipe.learning_rate * 1e-2, kind="cosine")


def _albedo_stack(config: Config) -> tuple[str, ...]:
    return ("albedo_stack_2",) if config.second_stack else ()


def _checks(config: Config) -> tuple[Check, ...]:
    return tuple(c for c in CHECKS if config.number != 2 or c.prediction != "source_light")


def _stage(
    config: Config,
    recipe: Recipe,
    name: str,
    losses: tuple[LossTerm, ...],
    trains: tuple[str, ...],
    *,
    share: float = 1.0,
    adversaries: tuple[Adversary, ...] = (),
    reads: tuple[str, ...] = (),
    alone: bool = False,
) -> Stage:
    """A stage whose other parts run as after training; `alone` needs nothing trained before."""
    parts = (*MEMBERS, *ALBEDO, *GENERATOR, *LIGHT, *_albedo_stack(config), "head")
    frozen = tuple(part for part in parts if part not in trains)
    return Stage(
        name,
        share,
        losses,
        _rate(recipe),
        _checks(config),
        trains=trains,
        inference=frozen,
        weight_decay=recipe.weight_decay if config.number <= 4 else 0.0,
        adversaries=adversaries,
        builds_on=() if alone else ("body",),
        reads=reads,
    )


def _correcting(config: Config, recipe: Recipe) -> list[Stage]:
    losses = (
        _term("l1", 1.0, "albedo", "albedo"),
        _term("l1", 0.6, "rebuilt", "image"),
        _term("l1", 0.4, "shading", "true_shading"),
    )
    trains = ("head", "corrector", *GENERATOR)
    return [_stage(config, recipe, "correcting", losses, trains, reads=_SHADED)]


def _latent(config: Config, recipe: Recipe) -> list[Stage]:
    losses = (
        _term("l1", 1.0, "raw_normal", "normal"),
        _term("l1", 1.0, "albedo", "albedo"),
        _term("l1", 0.2, "rebuilt", "image"),
        _term("l1", 0.8, "shading", "true_shading"),
    )
    # Whatever reaches the picture; the light's head, and features for it alone, do not.
    trains = (*MEMBERS, *(_albedo_stack(config) or ALBEDO), *GENERATOR, "head", "corrector")
    return [_stage(config, recipe, "latent_shading", losses, trains, reads=_SHADED, alone=True)]


def _shading(config: Config, recipe: Recipe) -> list[Stage]:
    losses = (_term("smooth_l1", 0.5, "albedo", "albedo"), _term("l2", 1.0, "rebuilt", "image"))
    return [_stage(config, recipe, "residue", losses, ("head", *_albedo_stack(config), *GENERATOR))]


def _shading_albedo(config: Config, recipe: Recipe) -> list[Stage]:
    return [_stage(config, recipe, "residue", (_term("smooth_l1", 1.0, "rebuilt", "image"),), ("head",))]


def _joint(config: Config, recipe: Recipe) -> list[Stage]:
    judge = Adversary(
        "albedo_judge",
        FacePatch(recipe.judge_side, recipe.judge_width),
        weight=0.4 if recipe.adversarial is None else recipe.adversarial,
        fake="face_albedo",
        real=f"{SYNTHETIC}.albedo",
    )
    losses = (_term("l2", 1.0, "rebuilt", "image"),)
    trains = ("head", *_albedo_stack(config), *GENERATOR)
    return [_stage(config, recipe, "joint", losses, trains, adversaries=(judge,))]


def _apart(config: Config, recipe: Recipe) -> list[Stage]:
    by_sample = config.number == 7
    judge = Adversary(
        "albedo_judge",
        Dcgan(recipe.judge_side, recipe.judge_width),
        weight=1.0 if recipe.adversarial is None else recipe.adversarial,
        fake="face_albedo",
        real="albedo" if by_sample else f"{SYNTHETIC}.albedo",
        labels="part" if by_sample else None,
        order="generator_first",
    )
    albedo = (_term("smooth_l1", 10.0, "albedo", "albedo"),)
    both = (_term("smooth_l1", 1.0, "albedo", "albedo"), _term("smooth_l1", 1.0, "rebuilt", "image"))
    return [
        _stage(config, recipe, "albedo", albedo, GENERATOR, share=0.5, adversaries=(judge,)),
        _stage(config, recipe, "residue", both, ("head",), share=0.5),
    ]


_STAGES = {
    1: _correcting,
    2: _latent,
    3: _shading,
    4: _shading_albedo,
    5: _joint,
    6: _apart,
    7: _apart,
}
