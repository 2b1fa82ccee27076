"""Training as data: stages, their losses, discriminators and learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

View = Literal["picture", "shadow_region", "shadow_region_released"]
"""What of a picture a discriminator may judge; `discriminators.VIEWS` computes it."""
FOLLOWED = "followed"
"""Name of the float network that a stage with 8-bit rounding follows, and of its output."""


@dataclass(frozen=True)
class LossTerm:
    """`weight * LOSSES[loss](outputs[prediction], batch[target], **options)`.

    `target` names a field of the batch or, when the batch has none of that name, another output.
    """

    loss: str
    weight: float = 1.0
    prediction: str = "output"
    target: str = "target"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Discriminator:
    """A PatchGAN to be made for the training.

    Attributes:
        channels: of the picture it judges, with its condition.
        width: channels of its first layer. layers: number of strided layers; 3 sees patches of 70 pixels.
        norm: normalisation behind all but the first and the last layer; "spectral" divides every kernel by
            its largest singular value instead.
        padding: zeros around each layer's input; 1 is pix2pix', 2 that of pix2pixHD and DRN.
        scales: how many judge, each a picture half the size of the one before; their losses are summed.
    """

    channels: int = 3
    width: int = 64
    layers: int = 3
    norm: Literal["instance", "batch", "spectral", "none"] = "instance"
    padding: Literal[1, 2] = 1
    scales: int = 1

    def scores(self, side: int) -> int:
        """Return how many scores a side of so many pixels gets at the last scale; below 1 it is too short."""
        for _ in range(self.scales - 1):
            side = -(-side // 2)
        for _ in range(self.layers):
            side = (side + 2 * self.padding - 4) // 2 + 1
        return side + 2 * (2 * self.padding - 3)


@dataclass(frozen=True)
class Adversary:
    """One discriminator of an adversarial stage.

    Attributes:
        discriminator: its name; without `network`, the attribute of the model that holds it. It maps a
            picture to score maps.
        weight: of the generator's adversarial term.
        form: "lsgan", "log" or "hinge".
        fake: output the discriminator judges. real: batch field it compares with.
        condition: batch field concatenated to both along the channels, or None.
        view: what of the pictures is judged: a name in `discriminators.VIEWS`; the condition stays whole.
        feature_matching: weight of the L1 distance of the discriminator's features; 0 switches it off.
        network: what to make for the training; the released weights do not hold it. None = the model has it.
    """

    discriminator: str
    weight: float = 1.0
    form: Literal["lsgan", "log", "hinge"] = "lsgan"
    fake: str = "output"
    real: str = "target"
    condition: str | None = None
    view: View = "picture"
    feature_matching: float = 0.0
    network: Discriminator | None = None


@dataclass(frozen=True)
class Schedule:
    """Learning rate over one stage, from `initial` to `final`.

    Attributes:
        kind: shape of the curve. "polynomial" goes with (1 - progress) to the power of `power`; "step" is
            constant between the `drops`.
        warmup: share of the stage that rises linearly from 0.
        power: of "polynomial"; 1 is "linear".
        drops: of "step", shares of the stage after which the rate falls, each time by the same factor.
    """

    initial: float
    final: float | None = None
    kind: Literal["constant", "exponential", "cosine", "linear", "polynomial", "step"] = "exponential"
    warmup: float = 0.0
    power: float = 1.0
    drops: tuple[float, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own losses, optimisers and trained parts.

    Attributes:
        share: part of the run's steps that this stage takes; the shares of a method sum to 1.
        trains: names of the model's parts that learn; ("*",) = all but discriminators.
        optimizer: "adam", "adamw" or "sgd"; `betas` are Adam's.
        switches: passed to `model.set_switches(**switches)`, for example a skip count.
        builds_on: parts of the model that must have been trained before, and are frozen now.
    """

    name: str
    share: float
    losses: tuple[LossTerm, ...]
    learning_rate: Schedule
    trains: tuple[str, ...] = ("*",)
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    adversaries: tuple[Adversary, ...] = ()
    switches: Mapping[str, Any] = field(default_factory=dict)
    builds_on: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The batch field that "output" is compared with in this stage."""
        return next((term.target for term in self.losses if term.prediction == "output"), "target")
