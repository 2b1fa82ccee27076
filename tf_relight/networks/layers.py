"""Layers that two or more methods use, in forms that export cleanly to TFLite.

All layers are channels-last, take any height and width, and set their weights' names by the names given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tf_relight.photo.transfer import SRGB_FOOT
from tf_relight.rounding.quantization import Conv2D, Range, Sum

LARGEST_RATIO = 6.0
"""Of a change of light: black can become grey, noise not a picture."""


def pad_to_multiple(image: Any, multiple: int) -> Any:
    """Pad (B, H, W, C) at the bottom and right to a multiple of `multiple` by mirroring.

    Works for any size from 1x1 on: the mirror repeats when the picture is smaller than the padding. Sizes
    that already divide add no operation to the graph.
    """
    for axis in (1, 2):
        static = image.shape[axis]
        if static is not None and static % multiple == 0:
            continue
        size = ops.shape(image)[axis]
        padded = (size + multiple - 1) // multiple * multiple
        period = ops.maximum(2 * (size - 1), 1)
        index = (size - 1) - ops.abs(ops.mod(ops.arange(padded, dtype="int32"), period) - (size - 1))
        image = ops.take(image, ops.maximum(index, 0), axis=axis)
    return image


def crop_like(image: Any, reference: Any) -> Any:
    """Crop (B, H, W, C) to the height and width of `reference`: undoes `pad_to_multiple`."""
    if None not in image.shape[1:3] and image.shape[1:3] == reference.shape[1:3]:
        return image
    height, width = ops.shape(reference)[1], ops.shape(reference)[2]
    return image[:, :height, :width, :]


def with_change(image: Any, drawn: Any, own: Any) -> Any:
    """Return a photo with the change of light that a network draws, its own detail kept.

    What the network draws wrong under the photo's own light it draws wrong under another one, too; the ratio
    of both is the light's doing.

    Args:
        image: (B, H, W, 3) sRGB 0..1. drawn: the network's picture under the new light, 0..1.
        own: its picture under the light that is there.
    """
    image, own = ops.cast(image, drawn.dtype), ops.clip(own, 0.0, 1.0)
    ratio = ops.minimum((drawn + SRGB_FOOT) / (own + SRGB_FOOT), LARGEST_RATIO)
    return ops.clip(ratio * (image + SRGB_FOOT) - SRGB_FOOT, 0.0, 1.0)


class Downsample2x(keras.layers.Layer):
    """Halve height and width; each output is the mean of a 2x2 block.

    Equals bilinear resizing by 0.5 with half-pixel centres for even sizes.
    """

    def call(self, x: Any) -> Any:
        """(B, 2H, 2W, C) -> (B, H, W, C)."""
        return ops.average_pool(x, 2, strides=2, padding="valid", data_format="channels_last")


class Upsample2x(keras.layers.Layer):
    """Double height and width bilinearly with half-pixel centres (`align_corners` false)."""

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> (B, 2H, 2W, C)."""
        if None not in x.shape[1:3]:
            size = (2 * x.shape[1], 2 * x.shape[2])
            resized = ops.image.resize(x, size, interpolation="bilinear", data_format="channels_last")
            return ops.cast(resized, x.dtype)
        # keras.ops.image.resize 3.15 cannot trace unknown sizes, so interpolate each axis by hand.
        return self._double(self._double(x, axis=1), axis=2)

    @staticmethod
    def _double(x: Any, axis: int) -> Any:
        """Output 2i lies a quarter pixel before input i, output 2i+1 a quarter after it."""
        size = ops.shape(x)[axis]
        index = ops.arange(size, dtype="int32")
        before = ops.take(x, ops.maximum(index - 1, 0), axis=axis)
        after = ops.take(x, ops.minimum(index + 1, size - 1), axis=axis)
        pairs = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        shape = list(ops.shape(x))
        shape[axis] = 2 * size
        return ops.reshape(pairs, shape)


class StridedConv2D(keras.layers.Layer):
    """3x3 convolution with stride 2 and one pixel of zero padding on every side.

    Keras' own "same" padding pads only bottom and right for even sizes, which shifts the result.
    """

    def __init__(self, filters: int, *, kernel_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pad = keras.layers.ZeroPadding2D(1, name="pad")
        self.conv = Conv2D(filters, 3, strides=2, kernel_initializer=kernel_initializer, name="conv")

    def make_int8(self, source: Range) -> Range:
        """See `quantization`."""
        return self.conv.make_int8(source)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for (B, H, W, C)."""
        self.conv.build(input_shape)

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> (B, H/2, W/2, filters) for even sizes."""
        return self.conv(self.pad(x))


class ResidualUnit(keras.layers.Layer):
    """conv 3x3, ReLU, conv 3x3, plus the input; no normalisation, no activation after the sum."""

    def __init__(
        self, filters: int, *, initializer: Callable[[int, int], Any] | None = None, **kwargs: Any
    ) -> None:
        """`initializer(kernel_size, filters)` gives a kernel initialiser; None keeps Keras' default."""
        super().__init__(**kwargs)
        self.filters = filters
        kernel = "glorot_uniform" if initializer is None else initializer(3, filters)
        self.conv1 = Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer=kernel, name="conv1"
        )
        kernel = "glorot_uniform" if initializer is None else initializer(3, filters)
        self.conv2 = Conv2D(filters, 3, padding="same", kernel_initializer=kernel, name="conv2")
        self.sum = Sum(name="sum")

    def make_int8(self, source: Range) -> Range:
        """See `quantization`."""
        return self.sum.make_int8(source, self.conv2.make_int8(self.conv1.make_int8(source)))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for (B, H, W, filters)."""
        self.conv1.build(input_shape)
        self.conv2.build(input_shape)

    def call(self, x: Any) -> Any:
        """(B, H, W, filters) -> the same shape."""
        return self.sum(x, self.conv2(self.conv1(x)))


def resize_to(picture: Any, height: Any, width: Any) -> Any:
    """Return pictures (B, h, w, C) at another size, bilinear; smaller ones are averaged first.

    Sizes may be unknown until run time. What lies outside counts as the nearest pixel.
    """
    if not (isinstance(height, int) and picture.shape[1] == height):
        picture = _resized_rows(picture, height)
    if not (isinstance(width, int) and picture.shape[2] == width):
        turned = _resized_rows(ops.transpose(picture, (0, 2, 1, 3)), width)
        picture = ops.transpose(turned, (0, 2, 1, 3))
    return picture


def _resized_rows(picture: Any, rows: Any) -> Any:
    """(B, h, W, C) -> (B, rows, W, C)."""
    batch, source, width = (ops.shape(picture)[axis] for axis in range(3))
    channels = picture.shape[3]
    weights = ops.cast(_resizing(source, rows), picture.dtype)
    flat = ops.matmul(weights, ops.reshape(picture, (batch, source, width * channels)))
    return ops.reshape(flat, (batch, rows, width, channels))


def _resizing(source: Any, target: Any) -> Any:
    """Return the matrix (target, source) of triangles as wide as a pixel of the coarser grid."""
    scale = ops.cast(source, "float32") / ops.cast(target, "float32")
    middle = (ops.arange(target, dtype="float32") + 0.5) * scale - 0.5
    middle = ops.clip(middle, 0.0, ops.cast(source, "float32") - 1.0)
    away = ops.abs(middle[:, None] - ops.arange(source, dtype="float32")[None, :])
    weights = ops.maximum(1.0 - away / ops.maximum(scale, 1.0), 0.0)
    return weights / ops.sum(weights, axis=1, keepdims=True)


class UpsampleNearest2x(keras.layers.Layer):
    """Double height and width by repeating each pixel; concatenation and depth-to-space run on edge GPUs."""

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> (B, 2H, 2W, C)."""
        return ops.depth_to_space(ops.concatenate([x] * 4, axis=-1), 2, data_format="channels_last")


class InstanceNorm(keras.layers.Layer):
    """Bring each channel of each picture to mean 0 and variance 1; no weights, no running statistics.

    Written out because Keras' GroupNormalization is slower and is refused by edge GPUs. The statistics are
    float32 whatever the layer computes in.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> the same shape."""
        centred = ops.cast(x, "float32")
        centred = centred - picture_mean(centred)
        variance = picture_mean(centred * centred)
        return ops.cast(centred * ops.rsqrt(variance + self.epsilon), x.dtype)


def picture_mean(x: Any) -> Any:
    """Return the mean of each channel, (B, 1, 1, C).

    Along one axis after the other: TensorFlow adds up in one running float32 sum on CPUs, which loses four
    more bits over the 262,144 pixels of a whole picture.
    """
    return ops.mean(ops.mean(x, axis=2, keepdims=True), axis=1, keepdims=True)


def repeat_over(vector: Any, picture: Any) -> Any:
    """Return (B, 1, 1, C) repeated to the height and width of `picture` (B, H, W, D).

    Multiplication by ones, because edge GPUs refuse the operation that broadcasts.
    """
    return vector * ops.ones_like(picture[..., :1])


def torch_uniform() -> keras.initializers.Initializer:
    """PyTorch's first weights of convolutions: uniform within 1 / sqrt(fan in)."""
    return keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")


# -- Blocks of image-to-image networks -----------------------------------------------------------------------


def small_normal_002() -> keras.initializers.Initializer:
    """N(0, 0.02): the first weights of convolutions in pix2pix and what came after it."""
    return keras.initializers.RandomNormal(stddev=0.02)


class ReflectPad(keras.layers.Layer):
    """Mirror `pixels` rows and columns outwards at each side, without the border itself."""

    def __init__(self, pixels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pixels = pixels

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> (B, H + 2p, W + 2p, C); H and W must be above p."""
        side = (self.pixels, self.pixels)
        return ops.pad(x, [(0, 0), side, side, (0, 0)], mode="reflect")


class ConvInstance(keras.layers.Layer):
    """Convolution with bias, instance normalisation, and the activation unless it is left out.

    Args:
        border: "zero" or "reflect"; the padding keeps the size, with stride 2 it halves even sizes.
        normalise: False leaves the normalisation out.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        dilation: int = 1,
        border: str = "zero",
        normalise: bool = True,
        activation: str | None = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        padding = dilation * (kernel_size - 1) // 2
        # Written out: Keras' own "same" shifts strided convolutions by half a pixel.
        self.pad = (
            None
            if padding == 0
            else ReflectPad(padding, name="pad")
            if border == "reflect"
            else keras.layers.ZeroPadding2D(padding, name="pad")
        )
        self.conv = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            dilation_rate=dilation,
            kernel_initializer=small_normal_002(),
            name="conv",
        )
        self.norm = InstanceNorm(name="norm") if normalise else None
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.conv.build((None, None, None, self.channels))

    def call(self, x: Any) -> Any:
        """(B, H, W, channels) -> (B, H / strides, W / strides, filters)."""
        x = self.conv(x if self.pad is None else self.pad(x))
        return self.activation(x if self.norm is None else self.norm(x))


class UpConvInstance(keras.layers.Layer):
    """Transposed convolution that doubles the size, instance normalisation, ReLU.

    Kernel 4 is PyTorch's padding 1; kernel 3 its padding 1 with output padding 1.
    """

    def __init__(self, channels: int, filters: int, kernel_size: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.kernel_size = channels, kernel_size
        self.conv = keras.layers.Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same" if kernel_size == 4 else "valid",
            kernel_initializer=small_normal_002(),
            name="conv",
        )
        self.norm = InstanceNorm(name="norm")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.conv.build((None, None, None, self.channels))

    def call(self, x: Any) -> Any:
        """(B, H, W, channels) -> (B, 2H, 2W, filters)."""
        y = self.conv(x)
        if self.kernel_size == 3:
            y = y[:, 1:, 1:, :]
        return ops.relu(self.norm(y))


class ReflectResidual(keras.layers.Layer):
    """conv 3x3, instance norm, ReLU, conv 3x3, instance norm, plus the input; borders are mirrored."""

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv1 = ConvInstance(filters, filters, border="reflect", name="conv1")
        self.conv2 = ConvInstance(filters, filters, border="reflect", activation=None, name="conv2")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.conv1.build()
        self.conv2.build()

    def call(self, x: Any) -> Any:
        """(B, H, W, filters) -> the same shape; H and W at least 2."""
        return x + self.conv2(self.conv1(x))
