"""Discriminators of adversarial stages; they belong to the training, not to the released weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tf_relight.layers import InstanceNorm
from tf_relight.methods.contract import Discriminator


class PatchGAN(keras.Model):
    """Judges overlapping patches: 4x4 convolutions, the first `layers` with stride 2.

    Three layers see patches of 70x70 pixels. Channels double from `width` up to 8 times it.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017, section
    3.2.2 and appendix 6.1.2.
    """

    def __init__(
        self, channels: int, width: int = 64, layers: int = 3, norm: str = "instance", **kwargs: Any
    ):
        """`channels` of the picture with its condition; `norm` is "instance", "batch" or "none"."""
        super().__init__(**kwargs)
        self.channels = channels
        self.filters = [min(2**i, 8) * width for i in range(layers + 1)]
        strides = [2] * layers + [1]
        # A bias before a normalisation with a mean of its own would have no effect.
        self.convolutions = [
            _conv(filters, stride, f"conv{i}", bias=i == 0 or norm == "none")
            for i, (filters, stride) in enumerate(zip(self.filters, strides, strict=True))
        ]
        self.norms = [_norm(norm, f"norm{i}") for i in range(1, layers + 1)]
        self.last = _conv(1, 1, "scores", bias=True)
        self.pad = keras.layers.ZeroPadding2D(1, name="pad")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        channels = self.channels
        for convolution, filters in zip(self.convolutions, self.filters, strict=True):
            convolution.build((None, None, None, channels))
            channels = filters
        for norm, filters in zip(self.norms, self.filters[1:], strict=True):
            if norm is not None and not norm.built:
                norm.build((None, None, None, filters))
        self.last.build((None, None, None, channels))

    def call(self, picture: Any, training: bool | None = None) -> dict[str, Any]:
        """(B, H, W, channels) -> {"scores": (B, h, w, 1) float32, "features": one tensor per layer}."""
        x, features = picture, []
        for convolution, norm in zip(self.convolutions, [None, *self.norms], strict=True):
            x = convolution(self.pad(x))
            if norm is not None:
                x = (
                    norm(x, training=training)
                    if isinstance(norm, keras.layers.BatchNormalization)
                    else norm(x)
                )
            x = ops.leaky_relu(x, negative_slope=0.2)
            features.append(x)
        return {"scores": ops.cast(self.last(self.pad(x)), "float32"), "features": features}


def build_discriminator(recipe: Discriminator, name: str) -> PatchGAN:
    """Return the built network that a stage's adversary asks for."""
    network = PatchGAN(recipe.channels, recipe.width, recipe.layers, recipe.norm, name=name)
    network.build()
    return network


def _conv(filters: int, stride: int, name: str, *, bias: bool) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        filters,
        4,
        strides=stride,
        padding="valid",
        use_bias=bias,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
        name=name,
    )


def _norm(kind: str, name: str) -> keras.layers.Layer | None:
    if kind == "batch":
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)
    return InstanceNorm(name=name) if kind == "instance" else None
