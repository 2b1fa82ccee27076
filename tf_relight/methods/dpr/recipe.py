"""How DPR is trained: skips switched on one by one, then feature matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

if TYPE_CHECKING:
    from tf_relight.methods.dpr import Config

SKIP_EPOCHS = {4: 5, 3: 1, 2: 1, 1: 1, 0: 1}
"""Epochs with that many outermost skips switched off. Source: counters in the official checkpoints."""
MATCHING_EPOCHS = 4


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        skip_training: begin without skips and switch them on from the innermost outwards; off trains the
            whole network from the start. Paper, section 4.2.
        matching_share: share of the steps of the 512 network that match features at the end; the released
            network's epochs by default. The 1024 network matches features all the time.
        image, gradient, light: weights of the picture, gradient and light losses. Paper, section 4.3.
        log_ratio: weight of the error of the smoothed logarithm, which counts shadows as much as highlights.
            Not in the paper; 0 leaves it out.
        own_light: relight pictures whose target they are themselves with the light that the network reads
            from them, so that it agrees with its own reading. Not in the paper.
        adversarial: weight of the adversarial loss, 0 leaves the discriminator out. Paper, equation 7.
        feature_matching: weight of the feature loss. Paper, equation 8.
        learning_rate: of Adam. Not stated in the paper; 1e-3 agrees with how far the released weights moved.
        final_learning_rate: the last stage falls to it along a cosine; None keeps the rate constant.
        discriminator_width, discriminator_layers: of the PatchGAN; layers None is 3 for 512 and 4 for 1024.
    """

    skip_training: bool = True
    matching_share: float = Field(MATCHING_EPOCHS / 13, ge=0, lt=1)
    image: float = Field(1.0, ge=0)
    gradient: float = Field(1.0, ge=0)
    light: float = Field(1.0, ge=0)
    log_ratio: float = Field(0.0, ge=0)
    own_light: bool = False
    adversarial: float = Field(0.5, ge=0)
    feature_matching: float = Field(0.5, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    final_learning_rate: float | None = Field(None, gt=0)
    discriminator_width: int = Field(64, ge=4, le=256)
    discriminator_layers: int | None = Field(None, ge=1, le=6)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the stages for `config.size`: skips switched on one by one, then feature matching.

    The 1024 network, which starts from the 512 one, has the last stage only.

    Source: paper, sections 4.2 to 4.4; the lengths are those of the released networks: 5, 1, 1, 1, 1 and 4
    epochs at 512, then 4 at 1024 from the 512 weights.
    """
    size = config.size
    matching = 1.0 if size == 1024 else recipe.matching_share
    if recipe.feature_matching == 0:
        matching = 0.0
    plain: list[tuple[str, float, int]] = []
    if matching < 1:
        epochs = SKIP_EPOCHS if recipe.skip_training and size == 512 else {0: 1}
        total = sum(epochs.values())
        for skip_count, length in epochs.items():
            name = "all_skips" if skip_count == 0 else f"without_{skip_count}_skips"
            plain.append((name, (1 - matching) * length / total, skip_count))
    found = [_stage(name, share, size, recipe, skip_count=skip_count) for name, share, skip_count in plain]
    if matching > 0:
        found.append(_stage("feature_matching", matching, size, recipe, match_features=True))
    if recipe.final_learning_rate is not None:
        last = found[-1]
        fall = Schedule(recipe.learning_rate, recipe.final_learning_rate, kind="cosine")
        found[-1] = Stage(**{**vars(last), "learning_rate": fall})
    return found


def _stage(
    name: str,
    share: float,
    size: int,
    recipe: Recipe,
    *,
    skip_count: int = 0,
    match_features: bool = False,
) -> Stage:
    losses = [
        LossTerm("l1", recipe.image),
        LossTerm("gradient", recipe.gradient),
        LossTerm("l2", recipe.light, prediction="source_light", target="light"),
        LossTerm("log_ratio", recipe.log_ratio),
    ]
    if match_features:
        losses.append(
            LossTerm("l2", recipe.feature_matching, prediction="features", target="original_features")
        )
    layers = recipe.discriminator_layers or (4 if size == 1024 else 3)
    judge = Adversary(
        "discriminator",
        weight=recipe.adversarial,
        real="original",
        network=Discriminator(channels=1, width=recipe.discriminator_width, layers=layers),
    )
    return Stage(
        name,
        share,
        tuple(term for term in losses if term.weight > 0),
        Schedule(recipe.learning_rate, kind="constant"),
        checks=(Check("psnr"), Check("light_degrees", "source_light", "light")),
        adversaries=(judge,) if recipe.adversarial > 0 else (),
        switches={
            "skip_count": skip_count,
            "match_features": match_features,
            **({"own_light": True} if recipe.own_light else {}),
        },
    )
