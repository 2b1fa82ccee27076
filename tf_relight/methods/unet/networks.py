"""U-Net: two convolutions per level, skips that are concatenated."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tf_relight.methods.unet import Config
from tf_relight.networks.fixed_light import FixedLight


class DoubleConv(keras.layers.Layer):
    """Twice: convolution 3x3, batch normalisation, ReLU."""

    def __init__(self, channels: int, filters: int, normalise: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.filters = channels, filters
        self.convs = [_conv(filters, 3, f"conv{i}", bias=not normalise) for i in (1, 2)]
        self.norms = [_batch_norm(f"norm{i}") for i in (1, 2)] if normalise else [None, None]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.convs[0].build((None, None, None, self.channels))
        self.convs[1].build((None, None, None, self.filters))
        for norm in self.norms:
            if norm is not None:
                norm.build((None, None, None, self.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, channels) -> (B, H, W, filters)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x)
            x = ops.relu(x if norm is None else norm(x, training=training))
        return x


def _conv(filters: int, kernel_size: int, name: str, *, bias: bool = True) -> keras.layers.Conv2D:
    # N(0, 2 / fan in): paper, section 3.
    return keras.layers.Conv2D(
        filters, kernel_size, padding="same", use_bias=bias, kernel_initializer="he_normal", name=name
    )


def _batch_norm(name: str) -> keras.layers.BatchNormalization:
    # PyTorch's constants: its momentum 0.1 is the share of the new value, Keras' that of the old one.
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


@keras.saving.register_keras_serializable(package="tf_relight")
class UNet(FixedLight):
    """U-Net from picture to picture, 31,049,539 parameters at width 64, running statistics included.

    Takes (B, H, W, 3) sRGB 0..1 of any size and returns the same shape, float32, not clipped.

    Source: paper, figure 1. Differs: borders are padded, so that the result is as large as the picture;
    batch normalisation; three channels out instead of classes.
    """

    def __init__(self, width: int = 64, levels: int = 4, normalise: bool = True, **kwargs: Any) -> None:
        settings = {"width": width, "levels": levels, "normalise": normalise}
        super().__init__(settings, multiple=2**levels, **kwargs)
        self.widths = [width * 2**level for level in range(levels + 1)]
        ins = [3, *self.widths[:-1]]
        self.encoders = [
            DoubleConv(a, b, normalise, name=f"encoder{i + 1}")
            for i, (a, b) in enumerate(zip(ins, self.widths, strict=True))
        ]
        self.pool = keras.layers.MaxPooling2D(2, name="pool")
        upwards = list(reversed(self.widths[:-1]))
        self.ups = [
            keras.layers.Conv2DTranspose(n, 2, strides=2, kernel_initializer="he_normal", name=f"up{i + 1}")
            for i, n in enumerate(upwards)
        ]
        self.decoders = [
            DoubleConv(2 * n, n, normalise, name=f"decoder{i + 1}") for i, n in enumerate(upwards)
        ]
        self.last = _conv(3, 1, "last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        for part in (*self.encoders, *self.decoders):
            part.build()
        for up in self.ups:
            up.build((None, None, None, 2 * up.filters))
        self.last.build((None, None, None, self.widths[0]))

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same."""
        skips: list[Any] = []
        for encoder in self.encoders:
            x = encoder(self.pool(x) if skips else x, training=training)
            skips.append(x)
        skips.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(ops.concatenate([skips.pop(), up(x)], axis=-1), training=training)
        return self.last(x)


def build_model(config: Config) -> UNet:
    """Return the built network of `config`."""
    model = UNet(config.width, config.levels, config.normalise, name="unet")
    model.build()
    return model
