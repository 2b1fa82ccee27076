"""What a method module exports, as plain data: no Keras, so that listing and checking stay fast.

A method lives in one folder `methods/<family>/`. Its `__init__.py` holds the data (VARIANTS, Config, Recipe,
stages, weight_map), its `networks.py` holds everything that needs Keras (build_model, relight).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from tf_relight.errors import RelightError

if TYPE_CHECKING:
    import keras
    import numpy as np


View = Literal["picture", "shadow_region", "shadow_region_released"]
"""What of a picture a discriminator may judge; `discriminators.VIEWS` computes it."""
FOLLOWED = "followed"
"""Name of the float network that a stage with 8-bit rounding follows, and of its output."""


class FrozenModel(BaseModel):
    """Base of every method's Config and Recipe: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class PublishedScore:
    """One row of a paper's table.

    Attributes:
        data: which pictures, for example "VIDIT one-to-one validation, 1024".
        setting: the row's name in the table.
        psnr: dB. ssim: 0..1. lpips: AlexNet v0.1 unless `source` says otherwise.
        source: paper and table.
    """

    data: str
    setting: str
    psnr: float | None
    ssim: float | None
    lpips: float | None
    source: str


@dataclass(frozen=True)
class MethodInfo:
    """The card of a method.

    Attributes:
        task: "one-to-one", "any-to-one", "any-to-any" or "portrait".
        light: what light the method takes: "none" (fixed target) or "spherical harmonics".
        native_size: side length in pixels of the pictures the paper tests on.
        size_multiple: the network pads its input to a multiple of this and crops the result back.
        parameters: trainable and fixed weights of the default Config, checked by the contract test.
        batch_fields: what a training batch must hold.
        channels: "rgb", or "luminance" for a network that sees L of Lab only: (H, W, 1) in 0..1.
        defaults: Config values that make this variant of the family.
        starts_from: other methods whose weights may start its training, because the tensors are the same.
        default_weights: name of the weights that ship with the package, or None.
        weights_licence: licence of the official weights, or a note that none exist.
    """

    title: str
    venue: str
    year: int
    link: str
    task: str
    light: str
    native_size: int
    size_multiple: int
    parameters: int
    batch_fields: tuple[str, ...] = ("image", "target")
    channels: Literal["rgb", "luminance"] = "rgb"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    starts_from: tuple[str, ...] = ()
    default_weights: str | None = None
    weights_licence: str = ""
    published: tuple[PublishedScore, ...] = ()


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


@dataclass(frozen=True)
class Method:
    """A row of the method table: the handle that every other part of the toolkit works with."""

    name: str
    module_name: str

    @property
    def module(self) -> ModuleType:
        """The family's data module; importing it does not import Keras."""
        return importlib.import_module(self.module_name)

    @property
    def networks(self) -> ModuleType:
        """The family's network module; importing it imports Keras."""
        return importlib.import_module(f"{self.module_name}.networks")

    @property
    def info(self) -> MethodInfo:
        """The card of this variant."""
        return self.module.VARIANTS[self.name]

    @property
    def config_class(self) -> type[BaseModel]:
        """Pydantic model of the network."""
        return self.module.Config

    @property
    def recipe_class(self) -> type[BaseModel]:
        """Pydantic model of the training recipe."""
        return self.module.Recipe

    def config(self, values: Mapping[str, Any] | None = None) -> BaseModel:
        """Return the network's Config: the variant's defaults, overridden by `values`.

        Raises:
            pydantic.ValidationError: an unknown key or a value out of range.
        """
        return self.config_class(**{**self.info.defaults, **(values or {})})

    def recipe(self, values: Mapping[str, Any] | None = None) -> BaseModel:
        """Return the training Recipe; raises pydantic.ValidationError like `config`."""
        return self.recipe_class(**(values or {}))

    def stages(self, config: BaseModel, recipe: BaseModel) -> list[Stage]:
        """Return the training stages in order."""
        return self.module.stages(config, recipe)

    def weight_map(self, config: BaseModel) -> dict[str, str]:
        """Return {official tensor name: our variable path}."""
        return self.module.weight_map(config)

    def build_model(self, config: BaseModel | None = None) -> keras.Model:
        """Return the built network."""
        return self.networks.build_model(config or self.config())

    @property
    def modes(self) -> tuple[str, ...]:
        """How a picture may go through the network, for methods that know several ways."""
        return tuple(getattr(self.module, "MODES", ()))

    def check_mode(self, mode: str | None) -> None:
        """Raise RelightError, with the known ones, unless `mode` is None or one of `modes`; without Keras."""
        if mode is not None and mode not in self.modes:
            if not self.modes:
                raise RelightError(f"Method '{self.name}' has no modes: leave out '{mode}'.")
            raise RelightError(f"Method '{self.name}' knows the modes {', '.join(self.modes)}, not '{mode}'.")

    def relight(
        self,
        model: keras.Model,
        image: np.ndarray,
        light: np.ndarray | None = None,
        *,
        mode: str | None = None,
    ) -> np.ndarray:
        """Relight one picture at its own size.

        Args:
            image: (H, W, 3) float32 sRGB 0..1.
            light: (9,) luminance coefficients, frame "dpr", for methods whose `info.light` is not "none".
            mode: one of `modes`; None takes the method's usual way.

        Returns:
            (H, W, 3) float32 sRGB 0..1.

        Raises:
            RelightError: a light for a method that takes none, or none for one that needs it, or a mode that
                the method does not know.
        """
        if (light is None) != (self.info.light == "none"):
            wrong = "needs a light" if light is None else "takes no light: its light is fixed"
            raise RelightError(f"Method '{self.name}' {wrong}.")
        self.check_mode(mode)
        if mode is None:
            return self.networks.relight(model, image, light)
        return self.networks.relight(model, image, light, mode=mode)

    def estimate_light(self, model: keras.Model, image: np.ndarray) -> np.ndarray:
        """Return the light of a picture (H, W, 3) sRGB 0..1: (9,) luminance coefficients, frame "dpr".

        Raises:
            RelightError: the method does not estimate light.
        """
        estimate = getattr(self.networks, "estimate_light", None)
        if estimate is None:
            raise RelightError(f"Method '{self.name}' does not estimate light. Use dpr512 or dpr1024.")
        return estimate(model, image)
