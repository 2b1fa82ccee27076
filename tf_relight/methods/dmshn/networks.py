"""DMSHN and Stacked DMSHN: the networks and how a picture goes through them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_relight.contract.stage import FOLLOWED, Stage
from tf_relight.methods.dmshn import VARIANTS, Config
from tf_relight.networks.layers import (
    Downsample2x,
    ResidualUnit,
    StridedConv2D,
    Upsample2x,
    crop_like,
    pad_to_multiple,
)
from tf_relight.networks.relight_model import Batch, RelightModel
from tf_relight.rounding.calibration import calibrate
from tf_relight.rounding.quantization import Conv2D, Conv2DTranspose, Int8, Range, Sum

# -- Blocks --------------------------------------------------------------------------------------------------


def small_normal(kernel_size: int, filters: int) -> keras.initializers.Initializer:
    """N(0, 0.5 * sqrt(2 / (k * k * filters))): keeps a net without normalisation layers calm at 2e-3.

    Source: training script of the authors' dehazing release.
    """
    return keras.initializers.RandomNormal(stddev=0.5 * math.sqrt(2.0 / (kernel_size**2 * filters)))


def _conv(filters: int, name: str) -> Conv2D:
    return Conv2D(filters, 3, padding="same", kernel_initializer=small_normal(3, filters), name=name)


def _up_conv(filters: int, name: str) -> Conv2DTranspose:
    return Conv2DTranspose(
        filters, 4, strides=2, padding="same", kernel_initializer=small_normal(4, filters), name=name
    )


class Chain(keras.layers.Layer):
    """Layers run one after the other, with fixed names and channel counts known beforehand."""

    def __init__(self, steps: list[keras.layers.Layer], channels: list[int], **kwargs: Any) -> None:
        """`channels[i]` is the number of channels that enters `steps[i]`."""
        super().__init__(**kwargs)
        self.steps = steps
        self.channels = channels

    def make_int8(self, source: Range) -> Range:
        """Round to 8 bits what every step gives; see `quantization`."""
        for step in self.steps:
            source = step.make_int8(source)
        return source

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of every step."""
        for step, channels in zip(self.steps, self.channels, strict=True):
            step.build((None, None, None, channels))

    def call(self, x: Any) -> Any:
        """(B, H, W, channels[0]) -> the last step's output."""
        for step in self.steps:
            x = step(x)
        return x


def encoder(width: int, name: str) -> Chain:
    """(B, H, W, 3) -> (B, H/4, W/4, 4 * width)."""
    steps = [
        _conv(width, "conv_in"),
        *_units(width, "scale1"),
        StridedConv2D(2 * width, kernel_initializer=small_normal(3, 2 * width), name="down1"),
        *_units(2 * width, "scale2"),
        StridedConv2D(4 * width, kernel_initializer=small_normal(3, 4 * width), name="down2"),
        *_units(4 * width, "scale4"),
    ]
    return Chain(steps, [3, *[width] * 3, *[2 * width] * 3, *[4 * width] * 2], name=name)


def decoder(width: int, name: str) -> Chain:
    """(B, H/4, W/4, 4 * width) -> (B, H, W, 3), linear output."""
    steps = [
        *_units(4 * width, "scale4"),
        _up_conv(2 * width, "up1"),
        *_units(2 * width, "scale2"),
        _up_conv(width, "up2"),
        *_units(width, "scale1"),
        _conv(3, "conv_out"),
    ]
    return Chain(steps, [*[4 * width] * 3, *[2 * width] * 3, *[width] * 3], name=name)


def _units(filters: int, name: str) -> list[ResidualUnit]:
    return [ResidualUnit(filters, initializer=small_normal, name=f"{name}_unit{i}") for i in (1, 2)]


# -- Networks ------------------------------------------------------------------------------------------------


class PyramidNet(keras.layers.Layer):
    """One DMSHN: three levels, coarse to fine, each with its own encoder and decoder.

    Source: paper, figure 1; there is no skip from the input to the result and no multi-scale loss.
    """

    def __init__(self, width: int, finest_level: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.finest_level = finest_level
        self.encoders = [encoder(width, f"level{level}_encoder") for level in (1, 2, 3)]
        self.decoders = [decoder(width, f"level{level}_decoder") for level in (1, 2, 3)]
        self.down = Downsample2x(name="down")
        self.up = Upsample2x(name="up")
        self.input_sums = [Sum(name=f"level{level}_input") for level in (1, 2)]
        self.feature_sums = [Sum(name=f"level{level}_features") for level in (1, 2)]
        self.image_range: Range | None = None

    def make_int8(self, source: Range) -> Range:
        """Round to 8 bits what every part gives; see `quantization`."""
        self.image_range = source
        feature, residual = self._part_int8(2, source, None)
        for level in (1, 0):
            image = self.input_sums[level].make_int8(source, residual)
            feature, residual = self._part_int8(level, image, feature)
        return residual

    def _part_int8(self, level: int, image: Range, coarser: Range | None) -> tuple[Range, Range]:
        feature = self.encoders[level].make_int8(image)
        summed = feature if coarser is None else self.feature_sums[level].make_int8(feature, coarser)
        return feature, self.decoders[level].make_int8(summed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of all six parts."""
        for part in self.encoders:
            part.build((None, None, None, 3))
        for part in self.decoders:
            part.build((None, None, None, 4 * self.width))

    def call(self, image: Any) -> dict[str, Any]:
        """(B, H, W, 3), H and W multiples of 16 -> features and results by level; "output" is the last."""
        finest = 0 if self.finest_level == "own" else 1
        half = self.down(image)
        if self.image_range is not None and self.image_range.int8.on:
            half = self.image_range.round(half)
        feature3 = self.encoders[2](self.down(half))
        residual3 = self.decoders[2](feature3)
        feature2 = self.encoders[1](self.input_sums[1](half, self.up(residual3)))
        residual2 = self.decoders[1](self.feature_sums[1](feature2, self.up(feature3)))
        feature1 = self.encoders[finest](self.input_sums[0](image, self.up(residual2)))
        output = self.decoders[finest](self.feature_sums[0](feature1, self.up(feature2)))
        return {
            "feature3": feature3,
            "residual3": residual3,
            "feature2": feature2,
            "residual2": residual2,
            "feature1": feature1,
            "output": output,
        }


@keras.saving.register_keras_serializable(package="tf_relight")
class DMSHN(RelightModel):
    """Deep multi-scale hierarchical network for one-to-one relighting, 5,424,393 parameters at width 32.

    Takes (B, H, W, 3) sRGB 0..1 of any size and returns the same shape, float32, not clipped. With
    `quantised` every tensor is rounded to 8 bits, and the result lies in 0..1; with `dynamic_tail` the result
    and the tensors next to it are float32.
    Source: MSR-Net, sections 3 and 4.
    """

    stacks = 1

    def __init__(
        self,
        width: int = 32,
        finest_level: str = "own",
        quantised: bool = False,
        dynamic_tail: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.finest_level = finest_level
        self.quantised = quantised
        self.dynamic_tail = dynamic_tail
        self.nets = [PyramidNet(width, finest_level, name=f"net{i + 1}") for i in range(self.stacks)]
        self.int8 = Int8(on=quantised)
        self.image_range = self.int8.unit_range()
        if quantised:
            last = self.image_range
            for net in self.nets:
                last = net.make_int8(last)
            self.int8.finish(dynamic_tail)

    def set_switches(self, *, quantise: bool = False, **switches: Any) -> None:
        """Switch the rounding to 8 bits; a network that was not made for it has none."""
        super().set_switches(**switches)
        if quantise and not self.quantised:
            raise TypeError("The network was made without quantised=True.")
        self.int8.on = quantise

    def attach_networks(self, stages: Sequence[Stage]) -> None:
        """Make the float network that a stage with rounding follows, too; see `RelightModel`."""
        super().attach_networks(stages)
        if any(stage.switches.get("quantise") for stage in stages):
            plain = {**self.get_config(), "quantised": False, "dynamic_tail": 0, "name": f"{self.name}_float"}
            self.attached[FOLLOWED] = type(self)(**plain)
            self.attached[FOLLOWED].build((None, None, None, 3))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights; the input's size does not matter."""
        for net in self.nets:
            net.build(input_shape)
        self.int8.build(self)

    def call(self, image: Any, training: bool | None = None) -> Any:
        """(B, H, W, 3) -> (B, H, W, 3)."""
        x = pad_to_multiple(image, VARIANTS["dmshn"].size_multiple)
        with self.int8.running(training):
            if self.int8.on:
                x = self.image_range.enter(x)
            for net in self.nets:
                x = net(x)["output"]
        return ops.cast(crop_like(x, image), "float32")

    def compute(self, batch: Batch, training: bool) -> dict[str, Any]:
        """Return "relit"; a training with rounding also compares it with the network as it was before.

        Then "rounded" is that picture, "unrounded" what these weights give without rounding, "followed" what
        the float network gave when the stage began, and "reachable" what of it the rounded one can give.
        """
        outputs = super().compute(batch, training)
        if training and self.int8.on and FOLLOWED in self.attached:
            with self.int8.switched(False):
                outputs["unrounded"] = self(batch["image"], training=True)
            outputs["rounded"] = outputs["relit"]
            followed = ops.stop_gradient(self.attached[FOLLOWED](batch["image"]))
            outputs[FOLLOWED] = followed
            outputs["reachable"] = followed if self.int8.tail else ops.clip(followed, 0.0, 1.0)
        return outputs

    @property
    def needs_calibration(self) -> bool:
        """Whether the stage rounds."""
        return self.int8.on

    def calibrate(self, pictures: Iterable[np.ndarray]) -> None:
        """Keep the weights to be followed; even out the channels and set the ranges, if there are none."""
        if FOLLOWED in self.attached:
            for kept, own in zip(self.attached[FOLLOWED].variables, self.trainable_variables, strict=True):
                kept.assign(own)
        if not self.int8.started:
            calibrate(self, pictures)

    def features(self, image: Any) -> dict[str, Any]:
        """Return what the first net computes at its three levels, for an H and W that are multiples of 16."""
        return self.nets[0](image)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("width", "finest_level", "quantised", "dynamic_tail")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="tf_relight")
class StackedDMSHN(DMSHN):
    """Two DMSHN in a row, weights not shared, trained end to end; 10,848,786 parameters at width 32."""

    stacks = 2


def build_model(config: Config) -> DMSHN:
    """Return the built network of `config`."""
    network = StackedDMSHN if config.stacks == 2 else DMSHN
    name = "stacked_dmshn" if config.stacks == 2 else "dmshn"
    model = network(config.width, config.finest_level, config.quantised, config.dynamic_tail, name=name)
    model.build((None, None, None, 3))
    return model
