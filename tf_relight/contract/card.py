"""The card of a method: what it is, what it needs, what its paper reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


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
