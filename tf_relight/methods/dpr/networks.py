"""DPR: the hourglass and its lighting part, and how a picture goes through them."""

from __future__ import annotations

from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from tf_relight.contract.stage import Stage
from tf_relight.methods.dpr import COEFFICIENTS, LEVELS, LIGHT_CHANNELS, Config, level_widths
from tf_relight.networks.layers import (
    InstanceNorm,
    UpsampleNearest2x,
    crop_like,
    pad_to_multiple,
    picture_mean,
    repeat_over,
    torch_uniform,
)
from tf_relight.networks.relight_model import RelightModel
from tf_relight.networks.running import run_once

# -- Blocks --------------------------------------------------------------------------------------------------


def _conv(filters: int, kernel_size: int, name: str, *, bias: bool = False) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        use_bias=bias,
        kernel_initializer=torch_uniform(),
        name=name,
    )


def _batch_norm(name: str) -> keras.layers.BatchNormalization:
    # PyTorch's constants: its momentum 0.1 is the share of the new value, Keras' that of the old one.
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


class ConvNormReLU(keras.layers.Layer):
    """Convolution with bias, batch normalisation, ReLU."""

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = _conv(filters, kernel_size, "conv", bias=True)
        self.norm = _batch_norm("norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for (B, H, W, C)."""
        self.conv.build(input_shape)
        self.norm.build((None, None, None, self.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, C) -> (B, H, W, filters)."""
        return ops.relu(self.norm(self.conv(x), training=training))


class BasicBlock(keras.layers.Layer):
    """conv 3x3, norm, ReLU, conv 3x3, norm, plus the shortcut, ReLU.

    The shortcut is a 1x1 convolution where the number of channels changes, else the input itself.
    """

    def __init__(self, channels: int, filters: int, *, batch_norm: bool, **kwargs: Any) -> None:
        """`batch_norm` false means instance normalisation without weights."""
        super().__init__(**kwargs)
        self.channels, self.filters = channels, filters
        self.batch_norm = batch_norm
        self.conv1 = _conv(filters, 3, "conv1")
        self.conv2 = _conv(filters, 3, "conv2")
        self.norm1 = _batch_norm("norm1") if batch_norm else InstanceNorm(name="norm1")
        self.norm2 = _batch_norm("norm2") if batch_norm else InstanceNorm(name="norm2")
        self.shortcut = None if channels == filters else _conv(filters, 1, "shortcut")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for (B, H, W, channels)."""
        outside, inside = ((None, None, None, n) for n in (self.channels, self.filters))
        self.conv1.build(outside)
        self.conv2.build(inside)
        if self.batch_norm:
            self.norm1.build(inside)
            self.norm2.build(inside)
        if self.shortcut is not None:
            self.shortcut.build(outside)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, channels) -> (B, H, W, filters)."""
        options = {"training": training} if self.batch_norm else {}
        y = ops.relu(self.norm1(self.conv1(x), **options))
        y = self.norm2(self.conv2(y), **options)
        return ops.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class LightingNet(keras.layers.Layer):
    """Reads the source light from the bottleneck's light channels and writes the target light into them.

    Source: paper, section 4.1; each half is two 1x1 convolutions without bias around a PReLU of one weight.
    """

    def __init__(self, hidden: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden = hidden
        self.predict1 = _conv(hidden, 1, "predict1")
        self.predict_activation = _prelu("predict_activation")
        self.predict2 = _conv(COEFFICIENTS, 1, "predict2")
        self.inject1 = _conv(hidden, 1, "inject1")
        self.inject_activation = _prelu("inject_activation")
        self.inject2 = _conv(LIGHT_CHANNELS, 1, "inject2")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        for name, channels in (("predict", LIGHT_CHANNELS), ("inject", COEFFICIENTS)):
            getattr(self, f"{name}1").build((None, 1, 1, channels))
            getattr(self, f"{name}_activation").build((None, 1, 1, self.hidden))
            getattr(self, f"{name}2").build((None, 1, 1, self.hidden))

    def call(self, bottleneck: Any, light: Any, own: Any = None) -> tuple[Any, Any]:
        """(B, h, w, 27 + face), (B, 9) -> the same shape with the target light, (B, 9) source light.

        Where `own` (B,) is true the target light is the source light, which then gets no gradient from it.
        """
        of_light, of_face = bottleneck[..., :LIGHT_CHANNELS], bottleneck[..., LIGHT_CHANNELS:]
        source = self.predict2(self.predict_activation(self.predict1(picture_mean(of_light))))
        if own is not None:
            read = ops.stop_gradient(ops.reshape(source, (-1, COEFFICIENTS)))
            light = ops.where(ops.reshape(own, (-1, 1)), read, ops.cast(light, read.dtype))
        target = self.inject1(ops.reshape(light, (-1, 1, 1, COEFFICIENTS)))
        target = ops.relu(self.inject2(self.inject_activation(target)))
        relit = ops.concatenate([repeat_over(target, of_face), of_face], axis=-1)
        return relit, ops.reshape(source, (-1, COEFFICIENTS))


def _prelu(name: str) -> keras.layers.PReLU:
    return keras.layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2, 3], name=name
    )


class Hourglass(keras.layers.Layer):
    """Four levels of halving with a lighting net at the bottom.

    At each level `upper` carries the skip, `low1` leads inwards and `low2` outwards. Level 3 is outermost.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uppers: list[BasicBlock] = []
        self.lows1: list[BasicBlock] = []
        self.lows2: list[BasicBlock] = []
        for level, (outside, inside) in level_widths(width).items():
            name = f"level{level}"
            self.uppers.append(BasicBlock(outside, outside, batch_norm=False, name=f"{name}_upper"))
            self.lows1.append(BasicBlock(outside, inside, batch_norm=True, name=f"{name}_low1"))
            self.lows2.append(BasicBlock(inside, outside, batch_norm=False, name=f"{name}_low2"))
        self.light = LightingNet(8 * width, name="light")
        self.down = keras.layers.MaxPooling2D(2, name="down")
        self.up = UpsampleNearest2x(name="up")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of all parts."""
        for block in (*self.uppers, *self.lows1, *self.lows2):
            block.build(input_shape)
        self.light.build(input_shape)

    def encode(self, x: Any, training: bool | None = None) -> tuple[list[Any], list[Any]]:
        """(B, H, W, width) -> the inputs of the four levels, and what `low1` makes of each."""
        inputs, insides = [], []
        for low1 in self.lows1:
            inputs.append(x)
            x = low1(self.down(x), training=training)
            insides.append(x)
        return inputs, insides

    def call(
        self, x: Any, light: Any, skip_count: int = 0, training: bool | None = None, own: Any = None
    ) -> dict[str, Any]:
        """(B, H, W, width), (B, 9), H and W multiples of 16 -> every level's tensors by name.

        "output" has the shape of `x`, "light" is the source light (B, 9), "bottleneck" and
        "relit_bottleneck" are (B, H/16, W/16, 27 + 8 width) with the source and the target light. `own` is
        that of the lighting net.
        """
        inputs, insides = self.encode(x, training)
        relit, source = self.light(insides[-1], light, own)
        tensors = {f"level{level}_inside": inside for level, inside in zip(LEVELS, insides, strict=True)}
        tensors |= {"light": source, "bottleneck": insides[-1], "relit_bottleneck": relit}
        y = relit
        for i in reversed(range(len(LEVELS))):
            y = self.up(self.lows2[i](y))
            # `skip_count` counts from the outside: the first so many levels go without.
            if i >= skip_count:
                y = y + self.uppers[i](inputs[i])
            tensors[f"level{LEVELS[i]}"] = y
        return {**tensors, "output": y}


# -- Networks ------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="tf_relight")
class DPR(RelightModel):
    """Portrait relighting under nine spherical harmonics, 684,592 trainable parameters at width 16.

    Takes {"lightness": (B, H, W, 1) L of Lab 0..1, "light": (B, 9) frame "dpr"} of any height and width and
    returns the relit lightness (B, H, W, 1) 0..1 float32.

    Source: paper, section 4, and the release's networks for 512 and 1024 pixels.
    Differs: sizes that do not divide are padded by mirroring and cropped; the release needs multiples.
    """

    def __init__(self, size: int = 512, width: int = 16, skip_count: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.width = size, width
        self.skip_count = skip_count
        self.match_features = self.own_light = False
        self.pre = ConvNormReLU(width, 5, name="pre")
        self.hourglass = Hourglass(width, name="hourglass")
        self.tail1 = ConvNormReLU(width, 3, name="tail1")
        self.tail2 = ConvNormReLU(width, 1, name="tail2")
        self.tail3 = ConvNormReLU(width, 1, name="tail3")
        self.out = _conv(1, 1, "output", bias=True)
        self.down = keras.layers.MaxPooling2D(2, name="down")
        self.up = UpsampleNearest2x(name="up")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        self.pre.build((None, None, None, 1))
        for part in (self.hourglass, self.tail1, self.tail2, self.tail3, self.out):
            part.build((None, None, None, self.width))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"lightness": (B, H, W, 1), "light": (B, 9)} -> relit lightness (B, H, W, 1)."""
        return self.forward(inputs["lightness"], inputs["light"], training=training)["output"]

    def forward(
        self, lightness: Any, light: Any, training: bool | None = None, own: Any = None
    ) -> dict[str, Any]:
        """Return what training needs beside the picture.

        Args:
            own: (B,) bool, pictures to relight with the light that is read from them; None is none.

        Returns:
            "output" (B, H, W, 1) relit lightness 0..1; "light" (B, 9) estimate of the source light;
            "features" (B, h, w, 8 width) the face part of the bottleneck, at 1/16 (1024 network: 1/32).
        """
        tensors = self.features(lightness, light, training=training, own=own)
        output = ops.sigmoid(ops.cast(tensors["logits"], "float32"))
        return {
            "output": crop_like(output, lightness),
            "light": ops.cast(tensors["light"], "float32"),
            "features": _face(tensors["bottleneck"]),
        }

    def features(
        self, lightness: Any, light: Any, training: bool | None = None, own: Any = None
    ) -> dict[str, Any]:
        """Return every tensor of the hourglass by name, "pre" before it and "logits" behind it, padded."""
        pre = self._first(lightness, training)
        inner = self.down(pre) if self.size == 1024 else pre
        tensors = self.hourglass(inner, light, skip_count=self.skip_count, training=training, own=own)
        y = self.up(tensors["output"]) if self.size == 1024 else tensors["output"]
        for tail in (self.tail1, self.tail2, self.tail3):
            y = tail(y, training=training)
        return {**tensors, "pre": pre, "logits": self.out(y)}

    def face_features(self, lightness: Any, training: bool | None = None) -> Any:
        """Return "features" of `forward` alone; they do not depend on the target light."""
        x = self._first(lightness, training)
        if self.size == 1024:
            x = self.down(x)
        return _face(self.hourglass.encode(x, training)[1][-1])

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """{"image": (B, H, W, 1) L of Lab 0..1, "light": (B, 9, 1)} -> {"relit", "source_light"} alike."""
        light = ops.reshape(inputs["light"], (-1, COEFFICIENTS))
        outputs = self.forward(inputs["image"], light, training=training)
        source = ops.reshape(outputs["light"], (-1, COEFFICIENTS, 1))
        return {"relit": outputs["output"], "source_light": source}

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return "relit", "source_light", "features" and, while `match_features` is on, "original_features".

        Args:
            batch: image, target, original (B, H, W, 1) L of Lab 0..1; light, target_light (B, 9, 1).
        """
        own = None
        if self.own_light:
            own = ops.all(ops.equal(batch["image"], batch["target"]), axis=(1, 2, 3))
        found = self.forward(batch["image"], batch["target_light"][..., 0], training=training, own=own)
        outputs = {
            "relit": found["output"],
            "source_light": found["light"][..., None],
            "features": found["features"],
        }
        if self.match_features:
            outputs["original_features"] = self.face_features(batch["original"], training=training)
        return outputs

    def set_switches(
        self, *, skip_count: int = 0, match_features: bool = False, own_light: bool = False, **unknown: Any
    ) -> None:
        """Choose what a stage trains.

        Args:
            skip_count: so many of the outermost skips (0..4) are left out.
            match_features: also compute the features of the original photo.
            own_light: relight pictures whose target they are themselves with the light read from them.
        """
        super().set_switches(**unknown)
        if skip_count not in range(len(LEVELS) + 1):
            raise ValueError(f"skip_count is {skip_count}, not 0..{len(LEVELS)}")
        self.skip_count, self.match_features, self.own_light = skip_count, match_features, own_light
        # Keras keeps the graph it traced with the old switches.
        self.predict_function = None

    def stage_variables(self, stage: Stage) -> list[keras.Variable]:
        """Return the variables that `stage` trains, without those of skips that are switched off."""
        off = {id(v) for upper in self.hourglass.uppers[: self.skip_count] for v in upper.variables}
        return [variable for variable in super().stage_variables(stage) if id(variable) not in off]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"size": self.size, "width": self.width, "skip_count": self.skip_count}
        return {**super().get_config(), **own}

    def _first(self, lightness: Any, training: bool | None) -> Any:
        return self.pre(pad_to_multiple(lightness, 32 if self.size == 1024 else 16), training=training)


def _face(bottleneck: Any) -> Any:
    return ops.cast(bottleneck[..., LIGHT_CHANNELS:], "float32")


def build_model(config: Config) -> DPR:
    """Return the built network of `config`."""
    model = DPR(config.size, config.width, name=f"dpr{config.size}")
    model.build()
    return model


# -- Inference -----------------------------------------------------------------------------------------------


def relight_paper(model: DPR, image_u8: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Relight a picture (H, W, 3) uint8 sRGB as the official demo does, and return the same.

    The whole picture is squeezed to the network's square, goes through 8-bit Lab, the result is truncated to
    8 bits and stretched back. The demo's factor 0.7 on its lights is the caller's.

    Source: testNetwork_demo_512.py of the release.
    """
    height, width = image_u8.shape[:2]
    square = cv2.resize(image_u8, (model.size, model.size))
    lab = cv2.cvtColor(square, cv2.COLOR_RGB2LAB)
    image = lab[..., :1].astype(np.float32) / np.float32(255.0)
    relit = run_once(model, {"image": image, "light": np.asarray(light, np.float32).reshape(COEFFICIENTS, 1)})
    lab[..., 0] = (relit["relit"][..., 0] * np.float32(255.0)).astype(np.uint8)
    return cv2.resize(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), (width, height))
