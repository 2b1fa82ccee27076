"""The body of SfSNet, on which SfSNet and the residue methods stand: features, normals, albedo, light.

Source: Sengupta et al., "SfSNet: Learning Shape, Reflectance and Illuminance of Faces in the Wild", CVPR
2018, figure 4 and the layers of the authors' release.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.light.spherical_harmonics import frame_matrix
from tf_relight.networks import harmonics
from tf_relight.networks.layers import StridedConv2D, Upsample2x, pad_to_multiple

SHORTEST = 1e-8
"""Added to the squared length of a normal before it is divided by its length."""


def xavier() -> keras.initializers.Initializer:
    """Return Caffe's "xavier": even in +-sqrt(3 / fan_in)."""
    return keras.initializers.VarianceScaling(1.0, mode="fan_in", distribution="uniform")


def batch_norm(name: str, affine: bool) -> keras.layers.BatchNormalization:
    """Return a batch normalisation as in Caffe and PyTorch; without `affine` it has no scale and shift.

    Several devices share their statistics, so that they train as one.
    """
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, center=affine, scale=affine, synchronized=True, name=name
    )


class ConvNorm(keras.layers.Layer):
    """Convolution with a bias, batch normalisation, ReLU."""

    def __init__(
        self, channels: int, filters: int, kernel_size: int, *, affine: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.conv = keras.layers.Conv2D(
            filters, kernel_size, padding="same", kernel_initializer=xavier(), name="conv"
        )
        self.norm = batch_norm("norm", affine)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.conv.build((None, None, None, self.channels))
        self.norm.build((None, None, None, self.conv.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, channels) -> (B, H, W, filters)."""
        return ops.relu(self.norm(self.conv(x), training=training))


class PreactivatedUnit(keras.layers.Layer):
    """Twice batch normalisation, ReLU, convolution 3x3; plus the input."""

    def __init__(self, filters: int, *, affine: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.norms = [batch_norm(f"norm{i}", affine) for i in (1, 2)]
        self.convs = [
            keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=xavier(), name=f"conv{i}")
            for i in (1, 2)
        ]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for layer in (*self.norms, *self.convs):
            layer.build((None, None, None, self.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, filters) -> the same shape."""
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(ops.relu(norm(y, training=training)))
        return x + y


class ResidualStack(keras.layers.Layer):
    """Five units, batch normalisation, ReLU: what makes features of normals, or of albedo."""

    def __init__(self, filters: int, *, affine: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.units = [PreactivatedUnit(filters, affine=affine, name=f"unit{i}") for i in range(1, 6)]
        self.norm = batch_norm("norm", affine)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for unit in self.units:
            unit.build()
        self.norm.build((None, None, None, self.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, filters) -> the same shape."""
        for unit in self.units:
            x = unit(x, training=training)
        return ops.relu(self.norm(x, training=training))


class Upsample2xZeros(keras.layers.Layer):
    """Double height and width as Caffe's fixed bilinear deconvolution does: what lies outside is zero."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.double = Upsample2x(name="double")

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> (B, 2H, 2W, C)."""
        return self.double(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))[:, 2:-2, 2:-2, :]


class Generator(keras.layers.Layer):
    """From features at half size to a picture of three channels; linear at its end."""

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        affine: bool = True,
        zero_border: bool = False,
        start: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """`start` is the value that an untrained network's pictures lie around."""
        super().__init__(**kwargs)
        self.channels, self.width = channels, width
        self.up = Upsample2xZeros(name="up") if zero_border else Upsample2x(name="up")
        self.mix = ConvNorm(channels, channels, 1, affine=affine, name="mix")
        self.narrow = ConvNorm(channels, width, 3, affine=affine, name="narrow")
        self.last = keras.layers.Conv2D(
            3,
            1,
            kernel_initializer=xavier(),
            bias_initializer=keras.initializers.Constant(start),
            name="last",
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.mix.build()
        self.narrow.build()
        self.last.build((None, None, None, self.width))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H/2, W/2, channels) -> (B, H, W, 3)."""
        x = self.narrow(self.mix(self.up(x), training=training), training=training)
        return self.last(x)


class LightHead(keras.layers.Layer):
    """From all features to the light; its 27 numbers are in SfSNet's order until they leave the network."""

    def __init__(self, channels: int, filters: int, *, affine: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mix = ConvNorm(channels, filters, 1, affine=affine, name="mix")
        self.last = keras.layers.Dense(
            3 * COEFFICIENTS,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.005),
            bias_initializer="ones",
            name="last",
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.mix.build()
        self.last.build((None, self.mix.conv.filters))

    def call(self, features: Any, training: bool | None = None) -> Any:
        """(B, h, w, channels) -> (B, 9, 3), frame "dpr"."""
        return light_of_27(self.last(ops.mean(self.mix(features, training=training), axis=(1, 2))))


def light_of_27(numbers: Any) -> Any:
    """Return (B, 27), nine of red, of green, of blue in frame "sfsnet", as a light (B, 9, 3) in "dpr"."""
    light = ops.transpose(ops.reshape(numbers, (-1, 3, COEFFICIENTS)), (0, 2, 1))
    return harmonics.apply_map(frame_matrix("sfsnet", "dpr"), light)


class Decomposition(keras.layers.Layer):
    """SfSNet's body: a picture becomes normals, albedo and light.

    Attributes:
        width: channels of the first and the last convolutions, 64 in the paper; all between have twice as
            many.
    """

    def __init__(self, width: int, *, affine: bool = True, zero_border: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, wide = width, 2 * width
        self.conv1 = ConvNorm(3, width, 7, affine=affine, name="conv1")
        self.conv2 = ConvNorm(width, wide, 3, affine=affine, name="conv2")
        self.conv3 = StridedConv2D(wide, kernel_initializer=xavier(), name="conv3")
        self.normal_stack = ResidualStack(wide, affine=affine, name="normal_stack")
        self.albedo_stack = ResidualStack(wide, affine=affine, name="albedo_stack")
        ends: dict[str, Any] = {"affine": affine, "zero_border": zero_border}
        self.normal_generator = Generator(wide, width, **ends, name="normal_generator")
        self.albedo_generator = Generator(wide, width, start=0.5, **ends, name="albedo_generator")
        self.light_head = LightHead(3 * wide, wide, affine=affine, name="light_head")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for layer in (self.conv1, self.conv2, self.normal_stack, self.albedo_stack):
            layer.build()
        self.conv3.build((None, None, None, 2 * self.width))
        for head in (self.normal_generator, self.albedo_generator, self.light_head):
            head.build()

    def trunk(self, image: Any, training: bool) -> Any:
        """(B, H, W, 3), sides even -> (B, H/2, W/2, 2 width), neither normalised nor rectified."""
        return self.conv3(self.conv2(self.conv1(image, training=training), training=training))

    def features(self, image: Any, training: bool) -> tuple[Any, Any, Any]:
        """Return features of normals, of albedo, and of both before they part, each (B, H/2, W/2, C)."""
        shared = self.trunk(image, training)
        normal = self.normal_stack(shared, training=training)
        return normal, self.albedo_stack(shared, training=training), shared

    def call(self, image: Any, training: bool | None = None) -> dict[str, Any]:
        """(B, H, W, 3) sRGB 0..1, sides even -> {"raw_normal", "albedo", "source_light", "features"}.

        Normals and albedo are (B, H, W, 3), the light (B, 9, 3), the features (B, H/2, W/2, 6 width).
        """
        learning = bool(training)
        normal, albedo, shared = self.features(image, learning)
        features = ops.concatenate([normal, albedo, shared], axis=-1)
        return {
            "raw_normal": self.normal_generator(normal, training=learning),
            "albedo": self.albedo_generator(albedo, training=learning),
            "source_light": self.light_head(features, training=learning),
            "features": features,
        }


def even_sides(image: Any) -> Any:
    """Mirror a picture (B, H, W, C) at its ends so that `Decomposition` takes it; `crop_like` undoes it."""
    return pad_to_multiple(image, 2)


def unit(normal: Any) -> Any:
    """Return vectors (B, H, W, 3) at length 1."""
    # A sum by a product: the converter would make a sum into an operation that phones do not run whole.
    squares = ops.matmul(ops.square(normal), ops.ones((3, 1), normal.dtype))
    return normal * ops.rsqrt(squares + SHORTEST)


def shading_of(normal: Any, light: Any) -> Any:
    """Return the shading (B, H, W, 3) of normals (x right, y up, z toward the camera) in a light (B, 9, 3).

    Normals need not have length 1: the polynomials are homogeneous, as in the authors' release, where
    2 z^2 - x^2 - y^2 stands instead of 3 z^2 - 1.
    """
    return harmonics.shading(normal, light, axes="image", homogeneous=True)
