"""SRN: one encoder and decoder, run on the picture at several sizes, each time beside the last result."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tf_relight.methods.srn import Config, scale_names
from tf_relight.networks.fixed_light import FixedLight
from tf_relight.networks.layers import Downsample2x, Upsample2x

LEVELS = 3
"""Sizes inside the encoder: full, half, quarter."""


def _conv(filters: int, name: str, *, strides: int = 1, relu: bool = True) -> keras.layers.Conv2D:
    # Xavier and zeros, Keras' own start, as in the release; its borders are TensorFlow's "same" too.
    activation = "relu" if relu else None
    return keras.layers.Conv2D(filters, 5, strides=strides, padding="same", activation=activation, name=name)


class ResBlock(keras.layers.Layer):
    """conv 5x5, ReLU, conv 5x5, plus the input."""

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.conv1 = _conv(filters, "conv1")
        self.conv2 = _conv(filters, "conv2", relu=False)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.conv1.build((None, None, None, self.filters))
        self.conv2.build((None, None, None, self.filters))

    def call(self, x: Any) -> Any:
        """(B, H, W, filters) -> the same shape."""
        return x + self.conv2(self.conv1(x))


@keras.saving.register_keras_serializable(package="tf_relight")
class SRN(FixedLight):
    """Scale-recurrent network, 6,881,251 parameters at width 32; all scales share them.

    Takes (B, H, W, 3) sRGB 0..1 of any size and returns the same shape, float32, not clipped.

    Source: paper, figure 3 and section 3. Differs: sizes are halved and doubled with half-pixel centres; the
    release's resizing keeps every second pixel.
    """

    def __init__(self, width: int = 32, blocks: int = 3, scales: int = 3, **kwargs: Any) -> None:
        settings = {"width": width, "blocks": blocks, "scales": scales}
        super().__init__(settings, multiple=2 ** (scales - 1 + LEVELS - 1), **kwargs)
        self.scales = scales
        self.widths = [width * 2**level for level in range(LEVELS)]
        self.encoder_convs = [
            _conv(n, f"encoder{i + 1}_conv", strides=1 if i == 0 else 2) for i, n in enumerate(self.widths)
        ]
        self.encoder_blocks = [
            [ResBlock(n, name=f"encoder{i + 1}_block{j + 1}") for j in range(blocks)]
            for i, n in enumerate(self.widths)
        ]
        self.decoder_blocks = [
            [ResBlock(n, name=f"decoder{i + 1}_block{j + 1}") for j in range(blocks)]
            for i, n in enumerate(self.widths)
        ]
        self.ups = [
            keras.layers.Conv2DTranspose(
                n, 4, strides=2, padding="same", activation="relu", name=f"decoder{i + 1}_up"
            )
            for i, n in enumerate(self.widths[:-1])
        ]
        self.last = _conv(3, "last", relu=False)
        self.down, self.up = Downsample2x(name="down"), Upsample2x(name="up")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        for conv, channels in zip(self.encoder_convs, [6, *self.widths], strict=False):
            conv.build((None, None, None, channels))
        for blocks in (*self.encoder_blocks, *self.decoder_blocks):
            for block in blocks:
                block.build()
        for up in self.ups:
            up.build((None, None, None, 2 * up.filters))
        self.last.build((None, None, None, self.widths[0]))

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same."""
        return self.at_all_scales(x)[0]

    def at_all_scales(self, x: Any) -> list[Any]:
        """(B, H, W, 3) sRGB 0..1 -> one result per scale, finest first, each half the size of the last."""
        pictures = self._pyramid(x)
        results = [self._pass(pictures[-1], pictures[-1])]
        for picture in reversed(pictures[:-1]):
            results.insert(0, self._pass(picture, ops.stop_gradient(self.up(results[0]))))
        return results

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return "relit" and, for training, results and targets of the smaller scales.

        Args:
            batch: image, target (B, H, W, 3) sRGB 0..1.
        """
        results = self.at_all_scales(self.padded(batch["image"]))
        targets = self._pyramid(self.padded(batch["target"]))
        outputs: dict[str, Any] = {}
        for names, *values in zip(scale_names(self.scales), results, targets, strict=True):
            outputs |= {name: ops.cast(value, "float32") for name, value in zip(names, values, strict=True)}
        return outputs | {"relit": self.cropped(results[0], batch["image"])}

    def _pyramid(self, x: Any) -> list[Any]:
        found = [x]
        for _ in range(self.scales - 1):
            found.append(self.down(found[-1]))
        return found

    def _pass(self, picture: Any, guess: Any) -> Any:
        """Run the network once: (B, H, W, 3) and what the scale below made of it -> (B, H, W, 3)."""
        x, skips = ops.concatenate([picture, guess], axis=-1), []
        for conv, blocks in zip(self.encoder_convs, self.encoder_blocks, strict=True):
            x = conv(x)
            for block in blocks:
                x = block(x)
            skips.append(x)
        for level in reversed(range(LEVELS)):
            if level < LEVELS - 1:
                x = self.ups[level](x) + skips[level]
            for block in self.decoder_blocks[level]:
                x = block(x)
        return self.last(x)


def build_model(config: Config) -> SRN:
    """Return the built network of `config`."""
    model = SRN(config.width, config.blocks, config.scales, name="srn")
    model.build()
    return model
