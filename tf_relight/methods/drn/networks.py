"""DRN and its ablation BPAE: the networks and how a picture goes through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_relight.methods.drn import VARIANTS, Config, Mode
from tf_relight.methods.drn.polyphase import relight_polyphase
from tf_relight.networks.fixed_light import FixedLight
from tf_relight.networks.layers import (
    ConvInstance,
    ReflectResidual,
    UpConvInstance,
    picture_mean,
    small_normal_002,
)
from tf_relight.networks.running import run_once

__all__ = ["BPAE", "DRN", "build_model", "predict"]

DILATIONS = (2, 3, 4, 5, 6, 8, 10, 12)
"""Of the re-renderer's branches; kernels of 3 then reach over 5 to 25 pixels. Paper, figure 4."""
SQUEEZE = 8
"""The recalibration's hidden layer has a SQUEEZE-th of the channels."""

# -- Blocks --------------------------------------------------------------------------------------------------


class DownBackProjection(keras.layers.Layer):
    """Halve the picture, project the result back, and correct it by what the way back lost (DBP).

    Source: paper, section 3.1, equations 1 to 3; the two 1x1 convolutions are those of the release.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        filters = 2 * channels
        self.encode1 = ConvInstance(channels, filters, strides=2, name="encode1")
        self.decode = UpConvInstance(filters, filters, name="decode")
        self.weigh_input = ConvInstance(channels, filters, 1, name="weigh_input")
        self.encode2 = ConvInstance(filters, filters, strides=2, name="encode2")
        self.weigh_code = ConvInstance(filters, filters, 1, name="weigh_code")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        for part in (self.encode1, self.decode, self.weigh_input, self.encode2, self.weigh_code):
            part.build()

    def call(self, x: Any) -> Any:
        """(B, 2H, 2W, channels) -> (B, H, W, 2 channels)."""
        code = self.encode1(x)
        lost = self.weigh_input(x) - self.decode(code)
        return self.weigh_code(code) + self.encode2(lost)


class UpBackProjection(keras.layers.Layer):
    """Double the picture, project the result back, and correct it by what the way back lost (UBP)."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        filters = channels // 2
        self.decode1 = UpConvInstance(channels, filters, name="decode1")
        self.encode = ConvInstance(filters, filters, strides=2, name="encode")
        self.weigh_input = ConvInstance(channels, filters, 1, name="weigh_input")
        self.decode2 = UpConvInstance(filters, filters, name="decode2")
        self.weigh_code = ConvInstance(filters, filters, 1, name="weigh_code")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        for part in (self.decode1, self.encode, self.weigh_input, self.decode2, self.weigh_code):
            part.build()

    def call(self, x: Any) -> Any:
        """(B, H, W, channels) -> (B, 2H, 2W, channels / 2)."""
        code = self.decode1(x)
        lost = self.weigh_input(x) - self.encode(code)
        return self.weigh_code(code) + self.decode2(lost)


class BackProjectionNet(keras.layers.Layer):
    """Auto-encoder of back-projection blocks with residual blocks between.

    With `skip` it is the scene reconversion network, whose one skip joins the full resolution; without, the
    shadow prior network. `paint` makes the picture of stages 1 and 2; the re-renderer uses the features.

    Source: paper, figure 3.
    """

    def __init__(self, width: int, levels: int, blocks: int, *, skip: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        widths = [width * 2**level for level in range(levels + 1)]
        self.first = ConvInstance(3, width, 7, border="reflect", name="first")
        self.downs = [DownBackProjection(n, name=f"down{i + 1}") for i, n in enumerate(widths[:-1])]
        self.residuals = [ReflectResidual(widths[-1], name=f"residual{i + 1}") for i in range(blocks)]
        self.ups = [UpBackProjection(n, name=f"up{i + 1}") for i, n in enumerate(reversed(widths[1:]))]
        self.join = (
            ConvInstance(2 * width, width, border="reflect", normalise=False, name="join") if skip else None
        )
        self.painter = ConvInstance(
            width, 3, 7, border="reflect", normalise=False, activation="tanh", name="painter"
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        parts: list[Any] = [self.first, *self.downs, *self.residuals, *self.ups, self.painter]
        for part in parts if self.join is None else [*parts, self.join]:
            part.build()

    def call(self, x: Any) -> Any:
        """(B, H, W, 3) in -1..1 -> features (B, H, W, width)."""
        first = y = self.first(x)
        steps: list[Any] = [*self.downs, *self.residuals, *self.ups]
        for step in steps:
            y = step(y)
        return y if self.join is None else self.join(ops.concatenate([first, y], axis=-1))

    def paint(self, features: Any) -> Any:
        """Return the picture (B, H, W, 3) in -1..1 of the features."""
        return self.painter(features)


class ReRenderer(keras.layers.Layer):
    """Join shadow-free features and the prior of the light, look at several scales, and paint the result.

    Source: paper, section 3.4 and figure 4.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        half, whole = 2 * width, 4 * width
        branch = whole // len(DILATIONS)
        self.widen_scene = ConvInstance(width, half, border="reflect", normalise=False, name="widen_scene")
        self.widen_light = ConvInstance(width, half, border="reflect", normalise=False, name="widen_light")
        self.branches = [
            ConvInstance(whole, branch, dilation=d, border="reflect", name=f"branch{d}") for d in DILATIONS
        ]
        self.gather = ConvInstance(whole, whole, name="gather")
        self.squeeze = _dense(max(1, whole // SQUEEZE), "squeeze")
        self.excite = _dense(whole, "excite")
        self.mix = ConvInstance(whole, half, 1, name="mix")
        self.painter = ConvInstance(
            half, 3, 7, border="reflect", normalise=False, activation="tanh", name="painter"
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        parts = (self.widen_scene, self.widen_light, *self.branches, self.gather, self.mix, self.painter)
        for part in parts:
            part.build()
        self.squeeze.build((None, self.gather.channels))
        self.excite.build((None, self.squeeze.units))

    def call(self, scene: Any, light: Any) -> Any:
        """Features (B, H, W, width) of the scene and of the light -> picture (B, H, W, 3) in -1..1."""
        light = self.widen_light(light)
        x = ops.concatenate([self.widen_scene(scene), light], axis=-1)
        x = ops.concatenate([branch(x) for branch in self.branches], axis=-1)
        weights = ops.relu(self.squeeze(picture_mean(self.gather(x))))
        x = x * ops.sigmoid(self.excite(weights)) + x
        return self.painter(self.mix(x) + light)


def _dense(units: int, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, use_bias=False, kernel_initializer=small_normal_002(), name=name)


# -- Networks ------------------------------------------------------------------------------------------------


class _Painter(FixedLight):
    """What both networks share: pictures 0..1 outside, -1..1 inside. Subclasses override `draw`."""

    def __init__(self, width: int, levels: int, blocks: int, **kwargs: Any) -> None:
        # Mirroring needs two pixels at the bottleneck, and one more than the widest branch at full size.
        multiple = 2**levels
        smallest = (-(-max(2 * multiple, max(DILATIONS) + 1) // multiple) - 1) * multiple + 1
        settings = {"width": width, "levels": levels, "blocks": blocks}
        super().__init__(settings, multiple=multiple, smallest=smallest, **kwargs)

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same shape, float32 0..1."""
        return (ops.cast(self.draw(2.0 * x - 1.0), "float32") + 1.0) / 2.0

    def draw(self, x: Any) -> Any:
        """(B, H, W, 3) in -1..1 -> the same."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="tf_relight")
class DRN(_Painter):
    """Deep relighting network, 117,389,481 parameters at width 32: any light in, one trained light out.

    Takes (B, H, W, 3) sRGB 0..1 of any size from 17 pixels on and returns the same shape, float32 0..1.
    `part` says whose picture comes out: that of the re-renderer, or of one of the two networks before it.
    """

    PARTS = ("scene_reconversion", "shadow_prior", "re_renderer")

    def __init__(self, width: int = 32, levels: int = 4, blocks: int = 9, **kwargs: Any) -> None:
        super().__init__(width, levels, blocks, **kwargs)
        self.part = "re_renderer"
        self.scene_reconversion = BackProjectionNet(
            width, levels, blocks, skip=True, name="scene_reconversion"
        )
        self.shadow_prior = BackProjectionNet(width, levels, blocks, skip=False, name="shadow_prior")
        self.re_renderer = ReRenderer(width, name="re_renderer")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        for part in self.PARTS:
            getattr(self, part).build()

    def draw(self, x: Any) -> Any:
        """(B, H, W, 3) in -1..1 -> the picture of `part` in -1..1."""
        if self.part != "re_renderer":
            net = getattr(self, self.part)
            return net.paint(net(x))
        return self.re_renderer(self.scene_reconversion(x), self.shadow_prior(x))

    def set_switches(self, *, part: str = "re_renderer", **unknown: Any) -> None:
        """Choose whose picture comes out: "scene_reconversion", "shadow_prior" or "re_renderer"."""
        super().set_switches(**unknown)
        if part not in self.PARTS:
            raise ValueError(f"part is '{part}', not one of {self.PARTS}")
        self.part = part
        # Keras keeps the graph it traced for the old part.
        self.predict_function = None


@keras.saving.register_keras_serializable(package="tf_relight")
class BPAE(_Painter):
    """The shadow prior network alone, 58,508,547 parameters at width 32: DRN's one-stage ablation."""

    def __init__(self, width: int = 32, levels: int = 4, blocks: int = 9, **kwargs: Any) -> None:
        super().__init__(width, levels, blocks, **kwargs)
        self.generator = BackProjectionNet(width, levels, blocks, skip=False, name="generator")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        self.generator.build()

    def draw(self, x: Any) -> Any:
        """(B, H, W, 3) in -1..1 -> the same."""
        return self.generator.paint(self.generator(x))


def build_model(config: Config) -> DRN | BPAE:
    """Return the built network of `config`."""
    network = DRN if config.network == "drn" else BPAE
    model = network(config.width, config.levels, config.blocks, name=config.network)
    model.build()
    return model


# -- Inference -----------------------------------------------------------------------------------------------


def predict(
    model: DRN | BPAE, inputs: Mapping[str, np.ndarray], mode: Mode | None = None
) -> dict[str, np.ndarray]:
    """Return {"relit": (H, W, 3) sRGB} of {"image": (H, W, 3) sRGB 0..1}; averaged views are clipped to 0..1.

    Args:
        mode: one of `drn.MODES`; None takes "polyphase4" for pictures of exactly twice the native size, as
            the paper's tables do, else "plain", one pass at the picture's own size.
    """
    image = inputs["image"]
    doubled = 2 * VARIANTS[model.name].native_size
    if mode is None:
        mode = "polyphase4" if image.shape[:2] == (doubled, doubled) else "plain"

    def network(picture: np.ndarray) -> np.ndarray:
        return np.clip(run_once(model, {"image": picture})["relit"], 0.0, 1.0)

    if mode == "plain":
        return {"relit": network(image)}
    height, width = image.shape[:2]
    even = np.pad(image, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    return {"relit": relight_polyphase(network, even, mode)[:height, :width]}
