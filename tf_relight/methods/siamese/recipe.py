"""How the Siamese auto-encoder is trained.

Two copies of the network see a photo and its augmentation: mirrored, turned or inverted. What that does to
nine harmonics is known (`light.spherical_harmonics.image_map`), and that is the teacher.

Two things differ from what is known of the original. The second copy gets the augmented target light, not the
target light itself: otherwise the two relit pictures do not show the same light and cannot be compared. And
since flips and turns leave sign and scale of each block of the embedding open, a last stage fits them to a
few rendered faces (`stream rendered`); nothing else of the network moves there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel

if TYPE_CHECKING:
    from tf_relight.methods.siamese import Config

RENDERED = "rendered"
"""The stream with rendered faces whose light is known, for the calibration alone."""
CHECKS = (
    Check("psnr", "rebuilt", "image"),
    Check("rmse"),
    Check("rmse_s"),
    Check("dssim"),
    Check("light_degrees", "source_light", "light"),
    Check("light_correlation", "source_light", "light"),
)


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        picture, gradient, embedding: weights of mean absolute errors of pictures, of their steps and of the
            light that is read again from a relit picture. harmonics: of the light of the augmented photo.
        siamese: of the two relit pictures. adversarial: of the patch discriminator; 0 leaves it out.
        judge_width, judge_layers: of the discriminator; 3 layers see 70 pixels.
        calibration: share of the steps that fit the embedding's blocks to rendered faces; 0 leaves it as it
            is, and directions may be mirrored.
        learning_rate: of Adam with betas 0.5 and 0.999.
    """

    picture: float = Field(1.0, ge=0)
    gradient: float = Field(1.0, ge=0)
    embedding: float = Field(1.0, ge=0)
    harmonics: float = Field(1.0, ge=0)
    siamese: float = Field(1.0, ge=0)
    adversarial: float = Field(0.1, ge=0)
    judge_width: int = Field(64, ge=2, le=256)
    judge_layers: int = Field(3, ge=1, le=5)
    calibration: float = Field(0.05, ge=0, lt=1)
    learning_rate: float = Field(1e-4, gt=0)


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the self-supervised stage, and the calibration where the recipe has one."""
    terms = (
        LossTerm("l1", recipe.picture, "rebuilt", "image"),
        LossTerm("l1", recipe.picture, "cycled", "image"),
        LossTerm("gradient", recipe.gradient, "cycled", "image"),
        LossTerm("l1", recipe.embedding, "light_again", "given_light"),
        LossTerm("l1", recipe.siamese, "augmented_relit", "relit_augmented"),
        LossTerm("l1", recipe.harmonics, "light_of_augmented", "augmented_light"),
    )
    spec = Discriminator(width=recipe.judge_width, layers=recipe.judge_layers)
    judge = Adversary("judge", spec, weight=recipe.adversarial, fake="relit_raw", real="image")
    learning = Stage(
        "self_supervised",
        1.0 - recipe.calibration,
        tuple(term for term in terms if term.weight > 0),
        Schedule(recipe.learning_rate, recipe.learning_rate * 0.1, kind="cosine"),
        CHECKS,
        betas=(0.5, 0.999),
        trains=("encoder", "decoder"),
        adversaries=(judge,) if recipe.adversarial > 0 else (),
    )
    if recipe.calibration == 0:
        return [learning]
    fitting = Stage(
        "calibration",
        recipe.calibration,
        (LossTerm("l2", 1.0, "rendered_light", f"{RENDERED}.light"),),
        Schedule(3e-2, 1e-3, kind="cosine"),
        CHECKS,
        trains=("calibration",),
        inference=("encoder", "decoder"),
        builds_on=("encoder",),
        reads=(f"{RENDERED}.image",),
    )
    return [learning, fitting]
