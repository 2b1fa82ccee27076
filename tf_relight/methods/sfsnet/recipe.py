"""How SfSNet and SkipNet are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tf_relight.contract.stage import Check, LossTerm, Schedule, Stage
from tf_relight.contract.values import FrozenModel
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    from tf_relight.methods.sfsnet import Config

SOLVER_STEPS = 50_000
"""Iterations of the authors' solver, in which the rate falls at 15k, 40k and 45k."""
DROPS = tuple(step / SOLVER_STEPS for step in (15_000, 40_000, 45_000))

CHECKS = (
    Check("normal_degrees", "normal", "normal", "mask"),
    Check("l1", "albedo", "albedo", "mask"),
    Check("l1", "shading", "shading", "mask"),
    Check("psnr", "rebuilt", "image", "mask"),
    Check("light_degrees", "source_light", "light"),
    Check("psnr"),
)
_NORMAL_PARTS = ("body.normal_stack", "body.normal_generator")
_OTHER_PARTS = tuple(
    f"body.{name}" for name in ("conv1", "conv2", "conv3", "albedo_stack", "albedo_generator", "light_head")
)


class Recipe(FrozenModel):
    """The training recipe.

    Attributes:
        normal, albedo, rebuilt, light: weights of the errors: L1, L1, L1 of the picture rebuilt, and squared
            for the light; the paper's. Normals are compared as (n + 1) / 2 where the network gives them so.
        reduction: "mean" over pixels and channels, as the PyTorch trainings; "caffe_sum" over the picture and
            half the squares, as the authors' solver, in which the light counts 3,600 times less.
        learning_rate: of Adam. weight_decay: of kernels, not of biases. bias_rate: by how much biases learn
            faster. The authors' solver has 0.01, 5e-4 and 2, with batches of 60.
        normals_first: share of the run in which the normals' own layers learn alone, at a constant rate, on
            weights that were trained before. Such a step takes about half the time of a whole one.
        schedule: "step" is the authors': a tenth at 30, 80 and 90 % of the run. "cosine" falls evenly.
    """

    normal: float = Field(0.5, ge=0)
    albedo: float = Field(0.5, ge=0)
    rebuilt: float = Field(0.5, ge=0)
    light: float = Field(0.1, ge=0)
    reduction: Literal["mean", "caffe_sum"] = "mean"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    bias_rate: float = Field(1.0, gt=0)
    normals_first: float = Field(0.0, ge=0, le=1)
    schedule: Literal["step", "cosine"] = "step"


def stages(config: Config, recipe: Recipe) -> list[Stage]:
    """Return the one stage, or two with `normals_first`.

    SkipNet learns from squared errors of equal weight, with nothing rebuilt.

    Raises:
        RelightError: `normals_first` for SkipNet, whose normals share all layers up to the code.
    """
    if recipe.schedule == "step":
        rate = Schedule(recipe.learning_rate, recipe.learning_rate * 1e-3, kind="step", drops=DROPS)
    else:
        rate = Schedule(recipe.learning_rate, recipe.learning_rate * 1e-2, kind="cosine")
    if config.network == "skipnet":
        if recipe.normals_first > 0:
            raise RelightError("recipe.normals_first must be 0: SkipNet has no layers of the normals alone.")
        losses: tuple[LossTerm, ...] = (
            LossTerm("l2", 1.0, "raw_normal", "normal"),
            LossTerm("l2", 1.0, "albedo", "albedo"),
            LossTerm("l2", 1.0, "source_light", "light"),
        )
        return [Stage("labels", 1.0, losses, rate, CHECKS)]
    absolute, squared = ("l1", "l2") if recipe.reduction == "mean" else ("l1_sum", "half_l2_sum")
    # (n + 1) / 2 differs by half of what n differs by.
    code = 0.5 if config.normals == "encoded" else 1.0
    losses = (
        LossTerm(absolute, recipe.normal * code, "raw_normal", "normal", "mask"),
        LossTerm(absolute, recipe.albedo, "albedo", "albedo", "mask"),
        LossTerm(absolute, recipe.rebuilt, "rebuilt", "image", "mask"),
        LossTerm(squared, recipe.light, "source_light", "light"),
    )
    solver: dict[str, Any] = {"weight_decay": recipe.weight_decay, "bias_rate": recipe.bias_rate}
    first = recipe.normals_first
    found: list[Stage] = []
    if first > 0:
        constant = Schedule(recipe.learning_rate, kind="constant")
        found.append(
            Stage(
                "normals",
                first,
                losses[:1],
                constant,
                CHECKS[:1],
                trains=_NORMAL_PARTS,
                inference=_OTHER_PARTS,
                builds_on=_OTHER_PARTS,
                **solver,
            )
        )
    if first < 1:
        used = tuple(term for term in losses if term.weight > 0)
        found.append(Stage("decomposition", 1.0 - first, used, rate, CHECKS, **solver))
    return found
