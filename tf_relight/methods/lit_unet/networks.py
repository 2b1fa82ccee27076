"""The lit U-Net: an encoder that sees the picture, and a decoder that the light modulates at every level."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.light.spherical_harmonics import image_map
from tf_relight.methods.lit_unet import Config
from tf_relight.networks.layers import Upsample2x, crop_like, pad_to_multiple
from tf_relight.networks.relight_model import RelightModel

FOOT = 0.02
"""Lightness added before the ratio, so that black can become brighter."""
LARGEST_LOG = 3.0
"""Of the ratio's logarithm; the network comes near it, not to it."""
_MIRRORED_LIGHT = np.diag(image_map("hflip")).astype(np.float32)
STEP = 0.2
"""Of the last layer, so that one step of training moves the ratio a little."""
LEVELS = (1, 2, 3, 4)
"""Channels over `width` at a half, a quarter, an eighth and a sixteenth of the picture's resolution."""


class Halving(keras.layers.Layer):
    """A convolution that halves the resolution, and a residual block; batch normalisation, ReLU."""

    def __init__(self, channels: int, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.filters = channels, filters
        self.convs = [_conv(filters, f"conv{i}", strides=2 if i == 0 else 1) for i in range(3)]
        self.norms = [_norm(f"norm{i}") for i in range(3)]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for conv, channels in zip(self.convs, (self.channels, self.filters, self.filters), strict=True):
            conv.build((None, None, None, channels))
        for norm in self.norms:
            norm.build((None, None, None, self.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, 2H, 2W, channels) -> (B, H, W, filters)."""
        x = ops.relu(self.norms[0](self.convs[0](x), training=training))
        y = ops.relu(self.norms[1](self.convs[1](x), training=training))
        return ops.relu(x + self.norms[2](self.convs[2](y), training=training))


class Modulated(keras.layers.Layer):
    """A residual block whose normalised features a condition scales and shifts, channel by channel."""

    def __init__(self, filters: int, condition: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.condition = filters, condition
        self.convs = [_conv(filters, f"conv{i}") for i in range(2)]
        self.norms = [_norm(f"norm{i}") for i in range(2)]
        small = keras.initializers.RandomNormal(stddev=0.03)
        self.films = [
            keras.layers.Dense(2 * filters, kernel_initializer=small, name=f"film{i}") for i in range(2)
        ]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for part in (*self.convs, *self.norms):
            part.build((None, None, None, self.filters))
        for film in self.films:
            film.build((None, self.condition))

    def call(self, x: Any, condition: Any, training: bool | None = None) -> Any:
        """(B, H, W, filters), (B, condition) -> (B, H, W, filters)."""
        y = x
        for conv, norm, film in zip(self.convs, self.norms, self.films, strict=True):
            changes = film(condition)[:, None, None, :]
            scale, shift = changes[..., : self.filters], changes[..., self.filters :]
            y = ops.relu(norm(conv(y), training=training) * (1 + scale) + shift)
        return x + y


@keras.saving.register_keras_serializable(package="tf_relight")
class LitUNet(RelightModel):
    """Portrait relighting under nine spherical harmonics told in lightness.

    Takes {"image": (B, H, W, 1) L of Lab 0..1, "light": (B, 9, 1) frame "dpr"} of any height and width and
    returns {"relit": (B, H, W, 1), "source_light": (B, 9, 1)}, float32.
    """

    def __init__(self, width: int = 24, condition: int = 64, mirrored: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.condition, self.mirrored = width, condition, mirrored
        sizes = [width * level for level in LEVELS]
        ins = [2, *sizes[:-1]]
        self.encoders = [
            Halving(a, b, name=f"encoder{i}") for i, (a, b) in enumerate(zip(ins, sizes, strict=True))
        ]
        self.readers = [
            keras.layers.Dense(sizes[-1], activation="relu", name="read1"),
            keras.layers.Dense(COEFFICIENTS, name="read2"),
        ]
        self.lights = [keras.layers.Dense(condition, activation="relu", name=f"lights{i}") for i in (1, 2)]
        self.middle = [Modulated(sizes[-1], condition, name=f"middle{i}") for i in range(2)]
        outwards = list(reversed(sizes))[1:]
        self.narrow = [_conv(n, f"narrow{i}", kernel_size=1) for i, n in enumerate(outwards)]
        self.decoders = [Modulated(n, condition, name=f"decoder{i}") for i, n in enumerate(outwards)]
        self.up = Upsample2x(name="up")
        self.detail, self.detail_norm = _conv(width, "detail"), _norm("detail_norm")
        # It begins as a network that changes little.
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.ratio = keras.layers.Conv2D(1, 3, padding="same", kernel_initializer=small, name="ratio")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        sizes = [self.width * level for level in LEVELS]
        blocks: list[Halving | Modulated] = [*self.encoders, *self.middle, *self.decoders]
        for block in blocks:
            block.build()
        self.readers[0].build((None, sizes[-1]))
        self.readers[1].build((None, sizes[-1]))
        self.lights[0].build((None, 2 * COEFFICIENTS))
        self.lights[1].build((None, self.condition))
        for narrow, channels in zip(self.narrow, reversed(sizes[1:]), strict=True):
            narrow.build((None, None, None, channels))
        self.detail.build((None, None, None, self.width + 2))
        self.detail_norm.build((None, None, None, self.width))
        self.ratio.build((None, None, None, self.width))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """As `infer`."""
        return self.infer(inputs, training=bool(training))

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """{"image": (B, H, W, 1) L of Lab 0..1, "light": (B, 9, 1)} -> {"relit", "source_light"} alike."""
        image, light = inputs["image"], ops.squeeze(inputs["light"], axis=-1)
        if training or not self.mirrored:
            return self._relit(image, light, training)
        signs = ops.convert_to_tensor(_MIRRORED_LIGHT)
        both = self._relit(
            ops.concatenate([image, ops.flip(image, axis=2)], axis=0),
            ops.concatenate([light, signs * ops.cast(light, signs.dtype)], axis=0),
            training,
        )
        relit, mirror = ops.split(both["relit"], 2, axis=0)
        source, other = ops.split(both["source_light"], 2, axis=0)
        return {
            "relit": (relit + ops.flip(mirror, axis=2)) / 2,
            "source_light": (source + signs[:, None] * other) / 2,
        }

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return "relit" and "source_light".

        Args:
            batch: image, target (B, H, W, 1) L of Lab 0..1; light, target_light (B, 9, 1).
        """
        return self._relit(batch["image"], ops.squeeze(batch["target_light"], axis=-1), training)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"width": self.width, "condition": self.condition, "mirrored": self.mirrored}
        return {**super().get_config(), **own}

    def _relit(self, image: Any, light: Any, training: bool) -> dict[str, Any]:
        padded = pad_to_multiple(image, 2 ** len(LEVELS))
        seen = ops.concatenate([padded, 0.3 * ops.log(ops.maximum(padded, 0.0) + FOOT)], axis=-1)
        x, skips = seen, []
        for encoder in self.encoders:
            x = encoder(x, training=training)
            skips.append(x)
        source = self.readers[1](self.readers[0](ops.mean(x, axis=(1, 2))))
        read = ops.stop_gradient(source)
        lights = ops.concatenate([ops.cast(light, read.dtype), read], axis=-1)
        condition = self.lights[1](self.lights[0](lights))
        for block in self.middle:
            x = block(x, condition, training=training)
        for narrow, block, skip in zip(self.narrow, self.decoders, reversed(skips[:-1]), strict=True):
            x = block(self.up(narrow(x)) + skip, condition, training=training)
        detail = self.detail(ops.concatenate([self.up(x), seen], axis=-1))
        detail = ops.relu(self.detail_norm(detail, training=training))
        bend = ops.cast(self.ratio(detail), "float32") * STEP
        bend = LARGEST_LOG * ops.tanh(bend / LARGEST_LOG)
        whole = ops.cast(padded, "float32")
        relit = ops.clip((whole + FOOT) * ops.exp(bend) - FOOT, 0.0, 1.0)
        return {
            "relit": crop_like(relit, image),
            "source_light": ops.cast(source, "float32")[..., None],
        }


def build_model(config: Config) -> LitUNet:
    """Return the built network of `config`."""
    model = LitUNet(config.width, config.condition, config.mirrored, name="lit_unet")
    model.build()
    return model


def _conv(filters: int, name: str, kernel_size: int = 3, strides: int = 1) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )


def _norm(name: str) -> keras.layers.BatchNormalization:
    return keras.layers.BatchNormalization(momentum=0.95, epsilon=1e-4, name=name)
