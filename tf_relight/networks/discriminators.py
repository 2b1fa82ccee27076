"""Discriminators of adversarial stages; they belong to the training, not to the released weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from tf_relight.contract.stage import Discriminator, NetworkSpec
from tf_relight.errors import RelightError
from tf_relight.networks.layers import InstanceNorm

DARKEST = 15 / 255
"""Grey up to which pixels count as shadow. DRN, section 3.3."""


def shadow_region(picture: Any) -> Any:
    """Return what is dark in pictures (B, H, W, 3) 0..1: (B, H, W, 1), 0 black, 1 from DARKEST on.

    Source: DRN, section 3.3: min(alpha, x) of the grey value, here divided by alpha.
    """
    return ops.minimum(ops.mean(picture, axis=-1, keepdims=True) / DARKEST, 1.0)


def shadow_region_released(picture: Any) -> Any:
    """Return what DRN's release judges: the grey value in -1..1, with what is above DARKEST set to 0.

    The threshold of 0..1 is applied in -1..1 there, so it cuts at half the brightness.
    """
    grey = 2.0 * ops.mean(picture, axis=-1, keepdims=True) - 1.0
    return ops.where(grey > DARKEST, ops.zeros_like(grey), grey)


VIEWS: dict[str, Callable[[Any], Any]] = {
    "picture": lambda picture: picture,
    "shadow_region": shadow_region,
    "shadow_region_released": shadow_region_released,
}
"""What of a picture a discriminator sees, by the name an `Adversary` gives."""


class SpectralConv2D(keras.layers.Conv2D):
    """Convolution whose kernel is divided by its largest singular value, so that its slope is at most 1.

    One step of power iteration per call; the direction is kept beside the weights.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.
    """

    def build(self, input_shape: Any) -> None:
        """Make the weights and the direction."""
        super().build(input_shape)
        self.direction = self.add_weight(
            shape=(1, self.filters),
            initializer=keras.initializers.RandomNormal(),
            trainable=False,
            name="direction",
            aggregation="only_first_replica",
        )

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve with the normalised kernel."""
        matrix = ops.reshape(ops.cast(self._kernel, "float32"), (-1, self.filters))
        fixed = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(self.direction, ops.transpose(fixed)))
        right = _unit(ops.matmul(left, fixed))
        self.direction.assign(right)
        largest = ops.matmul(ops.matmul(left, matrix), ops.transpose(right))
        return super().convolution_op(inputs, kernel / ops.cast(ops.reshape(largest, ()), kernel.dtype))


def _unit(vector: Any) -> Any:
    return vector * ops.rsqrt(ops.maximum(ops.sum(vector * vector), 1e-12))


class PatchGAN(keras.Model):
    """Judges overlapping patches: 4x4 convolutions, the first `layers` with stride 2.

    Three layers see patches of 70x70 pixels. Channels double from `width` up to 8 times it.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017, section
    3.2.2 and appendix 6.1.2.
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        layers: int = 3,
        norm: str = "instance",
        padding: int = 1,
        **kwargs: Any,
    ):
        """`channels` of the picture with its condition; the rest as in `stage.Discriminator`."""
        super().__init__(**kwargs)
        self.channels = channels
        self.filters = [min(2**i, 8) * width for i in range(layers + 1)]
        strides = [2] * layers + [1]
        # A bias before a normalisation with a mean of its own would have no effect.
        spectral = norm == "spectral"
        self.convolutions = [
            _conv(filters, stride, f"conv{i}", bias=i == 0 or norm in ("spectral", "none"), spectral=spectral)
            for i, (filters, stride) in enumerate(zip(self.filters, strides, strict=True))
        ]
        self.norms = [_norm(norm, f"norm{i}") for i in range(1, layers + 1)]
        self.last = _conv(1, 1, "scores", bias=True, spectral=spectral)
        self.pad = keras.layers.ZeroPadding2D(padding, name="pad")

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


class MultiScale(keras.Model):
    """Several PatchGANs, each on a picture half the size of the one before.

    Source: Wang et al., "High-Resolution Image Synthesis with Conditional GANs" (pix2pixHD), CVPR 2018.
    """

    def __init__(self, judges: list[PatchGAN], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.judges = judges
        self.down = keras.layers.AveragePooling2D(3, strides=2, padding="same", name="down")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights of all judges."""
        for judge in self.judges:
            judge.build()

    def call(self, picture: Any, training: bool | None = None) -> dict[str, Any]:
        """(B, H, W, C) -> {"scores": one map per scale, "features": a list per scale}, finest first."""
        found: list[dict[str, Any]] = []
        for judge in self.judges:
            if found:
                picture = self.down(picture)
            found.append(judge(picture, training=training))
        return {name: [each[name] for each in found] for name in ("scores", "features")}


def build_patchgan(spec: Discriminator, name: str) -> PatchGAN | MultiScale:
    """Return one PatchGAN, or several on smaller and smaller pictures."""

    def judge(name: str) -> PatchGAN:
        return PatchGAN(spec.channels, spec.width, spec.layers, spec.norm, spec.padding, name=name)

    scales = [f"scale{i + 1}" for i in range(spec.scales)]
    return judge(name) if spec.scales == 1 else MultiScale([judge(scale) for scale in scales], name=name)


BUILDERS: dict[type, Callable[[Any, str], keras.Model]] = {Discriminator: build_patchgan}
"""Kind of spec to what makes a network of it; see `Adversary`."""


def build_discriminator(
    spec: NetworkSpec, name: str, own: Mapping[type, Callable[[Any, str], keras.Model]] | None = None
) -> keras.Model:
    """Return the built network that a stage's adversary asks for.

    It maps pictures (B, H, W, C) to {"scores": maps (B, h, w, 1), "features": what lies below them}, each
    perhaps in a list, one for each scale.

    Args:
        own: builders of one network alone, asked first.

    Raises:
        RelightError: nobody knows how to make it.
    """
    builder = (own or {}).get(type(spec)) or BUILDERS.get(type(spec))
    if builder is None:
        known = ", ".join(kind.__name__ for kind in (*BUILDERS, *(own or {})))
        raise RelightError(f"'{name}' is a {type(spec).__name__}, which is no discriminator. Known: {known}.")
    network = builder(spec, name)
    network.build()
    return network


def _conv(filters: int, stride: int, name: str, *, bias: bool, spectral: bool) -> keras.layers.Conv2D:
    return (SpectralConv2D if spectral else keras.layers.Conv2D)(
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
