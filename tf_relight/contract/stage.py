"""Training as data: stages, their losses, checks, discriminators and learning rates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

View = Literal["picture", "shadow_region", "shadow_region_released"]
"""What of a picture a discriminator may judge; `discriminators.VIEWS` computes it."""
FOLLOWED = "followed"
"""Name of the float network that a stage with 8-bit rounding follows, and of its output."""


FIELDS: Mapping[str, str] = {
    "image": "picture",
    "target": "picture",
    "original": "picture",
    "shadow_free": "picture",
    "light": "light",
    "target_light": "light",
    "normal": "normal",
    "albedo": "albedo",
    "shading": "shading",
    "mask": "mask",
    "depth": "depth",
    "sample": "number",
    "part": "number",
}
"""What the fields of training batches are. A field of a second stream is called "<stream>.<field>"."""


def is_field(name: str) -> bool:
    """Whether a stage means the batch by this name; all other names are outputs of the network."""
    return name in FIELDS or name.partition(".")[2] in FIELDS


@dataclass(frozen=True)
class LossTerm:
    """`weight * LOSSES[loss](outputs[prediction], batch[target], **options)`.

    Attributes:
        loss: name in `losses.LOSSES`, or among the network's own losses.
        prediction: an output of the network.
        target: a field of the batch (`FIELDS`, or "<stream>.<field>"), else another output.
        mask: a field or an output (B, H, W, 1) that both are multiplied with before they are compared, as
            SfSNet does; the mean still goes over all pixels.

    Example:
        >>> LossTerm("l1", 0.5, prediction="normal", target="normal", mask="mask").weight
        0.5
    """

    loss: str
    weight: float = 1.0
    prediction: str = "relit"
    target: str = "target"
    mask: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields or outputs that it compares with the prediction."""
        return (self.target,) if self.mask is None else (self.target, self.mask)


@dataclass(frozen=True)
class Check:
    """A score of `scoring.scores.SCORES` that a validation takes.

    Attributes:
        score: its name, such as "psnr", "light_degrees" or "normal_degrees".
        prediction: an output of the network.
        target: a field of the batch. mask: one (H, W, 1), or None; the score counts where it is above 0.5.
    """

    score: str
    prediction: str = "relit"
    target: str = "target"
    mask: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it compares with."""
        return (self.target,) if self.mask is None else (self.target, self.mask)

    @property
    def column(self) -> str:
        """Its name in curves and tables: that of the score, with the prediction unless that is plain."""
        plain = self.prediction == "relit" or self.score.startswith((self.prediction, "light_"))
        return self.score if plain else f"{self.prediction}_{self.score}"


class NetworkSpec(Protocol):
    """Plain data that says which discriminator to make; `discriminators.BUILDERS` makes it."""

    def scores(self, side: int) -> int:
        """Return how many scores a side of so many pixels gets; below 1 the side is too short."""
        ...


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
    """One discriminator of an adversarial stage, kept beside the model; released weights do not hold it.

    Attributes:
        discriminator: its name; stages that name the same one share it.
        network: what to make; `discriminators.BUILDERS` has the kinds.
        weight: of the generator's adversarial term.
        form: "lsgan", "log" or "hinge".
        fake: output the discriminator judges. real: batch field it compares with, such as "target" or
            "<stream>.albedo".
        labels: batch field (B,) that says of each real picture whether it shall count as real (1) or not (0);
            None counts all as real.
        order: who learns first in a step, this discriminator or the network that it judges.
        condition: batch field concatenated to both along the channels, or None.
        view: what of the pictures is judged: a name in `discriminators.VIEWS`; the condition stays whole.
        feature_matching: weight of the L1 distance of the discriminator's features; 0 switches it off.
    """

    discriminator: str
    network: NetworkSpec
    weight: float = 1.0
    form: Literal["lsgan", "log", "hinge"] = "lsgan"
    fake: str = "relit"
    real: str = "target"
    labels: str | None = None
    order: Literal["discriminator_first", "generator_first"] = "discriminator_first"
    condition: str | None = None
    view: View = "picture"
    feature_matching: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The fields or outputs that it reads beside the fake."""
        return tuple(name for name in (self.real, self.labels, self.condition) if name is not None)


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
        checks: what a validation scores in this stage; none means that nothing is validated.
        trains: names of the model's parts that learn, dots lead inwards; ("*",) = all of the network.
        inference: parts that run as after training: their batch normalisation uses and keeps its statistics.
        optimizer: "adam", "adamw" or "sgd"; `betas` are Adam's.
        weight_decay: times a kernel is added to its gradient; biases and normalisations have none.
        bias_rate: by how much biases learn faster, 2 in Caffe's habit.
        switches: passed to `model.set_switches(**switches)`, for example a skip count.
        builds_on: parts of the model that must have been trained before, and are frozen now.
        reads: fields of the batch that the network computes from, beside its inputs.

    Example:
        >>> terms = (LossTerm("l1", 0.5, prediction="normal", target="normal", mask="mask"),)
        >>> stage = Stage("normals", 1.0, terms, Schedule(1e-3), (Check("l1", "normal", "normal"),))
        >>> sorted(stage.needs(()))
        ['mask', 'normal']
    """

    name: str
    share: float
    losses: tuple[LossTerm, ...]
    learning_rate: Schedule
    checks: tuple[Check, ...] = ()
    trains: tuple[str, ...] = ("*",)
    inference: tuple[str, ...] = ()
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    bias_rate: float = 1.0
    adversaries: tuple[Adversary, ...] = ()
    switches: Mapping[str, Any] = field(default_factory=dict)
    builds_on: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def needs(self, inputs: Collection[str]) -> set[str]:
        """Return the fields that its batches must hold, `inputs` among them; checks need none to train."""
        return {*inputs, *self.reads, *(name for name in self._compared() if is_field(name))}

    def losses_outputs(self) -> Iterator[str]:
        """Yield the names that the network must give while it trains."""
        yield from (term.prediction for term in self.losses)
        yield from (adversary.fake for adversary in self.adversaries)
        yield from (name for name in self._compared() if not is_field(name))

    def _compared(self) -> list[str]:
        """The fields and outputs that losses and discriminators compare with."""
        of_losses = [name for term in self.losses for name in term.names]
        return of_losses + [name for adversary in self.adversaries for name in adversary.names]
