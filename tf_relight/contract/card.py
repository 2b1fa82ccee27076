"""The card of a method: what goes in and comes out, what it needs, what its paper reports.

Export signatures, test inputs, the fields of a training batch and the README's table are derived from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tf_relight.errors import RelightError

Kind = Literal["srgb", "lightness", "normal", "albedo", "shading", "light", "mask", "features"]
"""What the numbers of a port are; all but "light" are pictures (H, W, channels)."""
Domain = Literal["linear", "lightness"]
COEFFICIENTS = 9
"""Spherical harmonics of second order; a light is (9, C), C 1 for grey or 3 for RGB."""
_CHANNELS: Mapping[str, tuple[int, ...]] = {
    "srgb": (3,),
    "lightness": (1,),
    "normal": (3,),
    "albedo": (1, 3),
    "shading": (1, 3),
    "light": (1, 3),
    "mask": (1,),
}


@dataclass(frozen=True)
class Port:
    """One named input or output of a method's networks.

    Attributes:
        name: what `Method.predict` calls it.
        kind: "srgb" pictures 0..1; "lightness", L of Lab over 100; "normal", unit vectors, x right, y up, z
            toward the camera; "albedo", "shading" and "mask" 0..1; "light", spherical harmonics in frame
            "dpr"; "features", anything else of (H, W, channels).
        channels: of a picture; of a light 1 for grey, 3 for RGB.
        field: of an input, what batches call it; None takes the name.
        in_batches: whether training batches must hold it; networks that learn without labels make their own.
        domain: of a light, whether its shading is linear irradiance or adds up in lightness.

    Raises:
        RelightError: a number of channels that the kind does not have.
    """

    name: str
    kind: Kind
    channels: int = 3
    field: str | None = None
    in_batches: bool = True
    domain: Domain = "linear"

    def __post_init__(self) -> None:
        allowed = _CHANNELS.get(self.kind)
        if self.channels < 1 or (allowed is not None and self.channels not in allowed):
            raise RelightError(
                f"The port '{self.name}' cannot be {self.kind} with {self.channels} channels: "
                f"{self.kind} has {' or '.join(map(str, allowed or ('at least 1',)))}."
            )

    @property
    def batch_field(self) -> str:
        """The field of a batch that this input is taken from."""
        return self.field or self.name

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one value, without a batch axis; None stands for any height and width."""
        return (COEFFICIENTS, self.channels) if self.kind == "light" else (None, None, self.channels)

    def fits(self, shape: tuple[int | None, ...]) -> bool:
        """Whether a value of this shape, without a batch axis, may go through the port."""
        if len(shape) != len(self.shape):
            return False
        pairs = zip(shape, self.shape, strict=True)
        return all(wanted is None or given is None or given == wanted for given, wanted in pairs)


@dataclass(frozen=True)
class Rounding:
    """How a family's networks are trained with the rounding of 8-bit inference; see `train.quantise`.

    Attributes:
        on: Config values of a network that rounds. off: those of the same network without.
        options: Config values that mean something only where it rounds.
        ranges: tensor of the weights that holds the ranges.
    """

    on: Mapping[str, Any]
    off: Mapping[str, Any]
    options: tuple[str, ...]
    ranges: str

    def is_on(self, config: Mapping[str, Any]) -> bool:
        """Whether a network of this Config, as weights store it, rounds."""
        return all(config.get(name) == value for name, value in self.on.items())


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
        task: in words, such as "one-to-one", "any-to-one", "portrait" or "decomposition".
        native_size: side length in pixels of the pictures the paper tests on.
        size_multiple: the network pads its input to a multiple of this and crops the result back.
        parameters: trainable and fixed weights of the default Config, checked by the contract test.
        inputs: what the networks take; one of them is the picture, of kind "srgb" or "lightness".
        outputs: what they give; "relit", of kind "srgb" or "lightness", is the relit picture.
        rounding: how it is trained for 8 bits, or None.
        defaults: Config values that make this variant of the family.
        small: Config values beside the defaults that make a network for tests, quick on one core.
        starts_from: other methods whose weights may start its training, because the tensors are the same.
        default_weights: name of the weights that ship with the package, or None.
        weights_licence: licence of the official weights, or a note that none exist.

    Raises:
        RelightError: two ports of one name, or not one picture among the inputs.
    """

    title: str
    venue: str
    year: int
    link: str
    task: str
    native_size: int
    size_multiple: int
    parameters: int
    inputs: tuple[Port, ...] = (Port("image", "srgb"),)
    outputs: tuple[Port, ...] = (Port("relit", "srgb"),)
    rounding: Rounding | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    starts_from: tuple[str, ...] = ()
    default_weights: str | None = None
    weights_licence: str = ""
    published: tuple[PublishedScore, ...] = ()

    def __post_init__(self) -> None:
        for ports in (self.inputs, self.outputs):
            names = [port.name for port in ports]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise RelightError(f"The card of '{self.title}' has two ports called '{twice}'.")
        pictures = [port for port in self.inputs if port.kind in ("srgb", "lightness")]
        if len(pictures) != 1:
            raise RelightError(f"The card of '{self.title}' needs one picture as input, not {len(pictures)}.")
        if sum(port.kind == "light" for port in self.inputs) > 1:
            raise RelightError(f"The card of '{self.title}' has more than one light as input.")
        relit = self.output("relit")
        if relit is not None and relit.kind not in ("srgb", "lightness"):
            raise RelightError(f"The card of '{self.title}' gives 'relit' as {relit.kind}, not as a picture.")

    @property
    def picture(self) -> Port:
        """The input that takes the picture."""
        return next(port for port in self.inputs if port.kind in ("srgb", "lightness"))

    @property
    def light(self) -> Port | None:
        """The input that takes the light, or None where the light is fixed."""
        return next((port for port in self.inputs if port.kind == "light"), None)

    @property
    def takes_light(self) -> bool:
        """Whether the networks take a light."""
        return self.light is not None

    @property
    def source_light(self) -> Port | None:
        """The output that is the picture's own light, or None."""
        return next((port for port in self.outputs if port.kind == "light"), None)

    def output(self, name: str) -> Port | None:
        """Return the output of that name, or None."""
        return next((port for port in self.outputs if port.name == name), None)
