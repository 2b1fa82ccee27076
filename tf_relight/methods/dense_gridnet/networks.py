"""Dense-GridNet: residual dense blocks in a grid of scales and columns, joined by learnt weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tf_relight.methods.dense_gridnet import Config
from tf_relight.networks.fixed_light import FixedLight
from tf_relight.networks.layers import torch_uniform

# -- Blocks --------------------------------------------------------------------------------------------------


class TorchConv(keras.layers.Layer):
    """Convolution that starts as PyTorch's do, weights and bias within 1 / sqrt(fan in), and a ReLU.

    Args:
        kind: "same" keeps the size, "down" halves it, "up" doubles it with a transposed convolution.
        relu: False leaves the activation out.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int = 3,
        *,
        kind: str = "same",
        relu: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.kind, self.relu = channels, kind, relu
        # PyTorch counts the outgoing channels of a transposed convolution.
        fan_in = (filters if kind == "up" else channels) * kernel_size**2
        layer = keras.layers.Conv2DTranspose if kind == "up" else keras.layers.Conv2D
        self.pad = keras.layers.ZeroPadding2D(1, name="pad") if kind == "down" else None
        self.conv = layer(
            filters,
            kernel_size,
            strides=1 if kind == "same" else 2,
            padding="same" if kind == "same" else "valid",
            kernel_initializer=torch_uniform(),
            bias_initializer=keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5),
            name="conv",
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.conv.build((None, None, None, self.channels))

    def call(self, x: Any) -> Any:
        """(B, H, W, channels) -> (B, h, w, filters)."""
        x = self.conv(x if self.pad is None else self.pad(x))
        if self.kind == "up":
            x = x[:, 1:, 1:, :]
        return ops.relu(x) if self.relu else x


class ResidualDenseBlock(keras.layers.Layer):
    """Layers that each see all before them, joined by a 1x1 convolution, plus the input.

    Source: paper, section 3.2.
    """

    def __init__(self, channels: int, layers: int, growth: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = [TorchConv(channels + i * growth, growth, name=f"dense{i + 1}") for i in range(layers)]
        self.join = TorchConv(channels + layers * growth, channels, 1, relu=False, name="join")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        for part in (*self.dense, self.join):
            part.build()

    def call(self, x: Any) -> Any:
        """(B, H, W, channels) -> the same shape."""
        found = x
        for layer in self.dense:
            found = ops.concatenate([found, layer(found)], axis=-1)
        return self.join(found) + x


class Rescale(keras.layers.Layer):
    """Two convolutions: to half the size and twice the channels, or the other way round."""

    def __init__(self, channels: int, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        filters = 2 * channels if kind == "down" else channels // 2
        self.resize = TorchConv(channels, channels, kind=kind, name="resize")
        self.widen = TorchConv(channels, filters, name="widen")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.resize.build()
        self.widen.build()

    def call(self, x: Any) -> Any:
        """(B, H, W, channels) -> (B, H/2, W/2, 2 channels) or (B, 2H, 2W, channels/2)."""
        return self.widen(self.resize(x))


# -- Network -------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="tf_relight")
class DenseGridNet(FixedLight):
    """Grid of residual dense blocks, 958,051 parameters at width 16, 3 rows and 6 columns.

    Takes (B, H, W, 3) sRGB 0..1 of any size and returns the same shape, float32, not below 0.

    Source: paper, figure 2; the release has a ReLU behind the last convolution.
    """

    def __init__(
        self,
        width: int = 16,
        rows: int = 3,
        columns: int = 6,
        dense_layers: int = 4,
        growth: int = 16,
        **kwargs: Any,
    ) -> None:
        settings = {
            "width": width,
            "rows": rows,
            "columns": columns,
            "dense_layers": dense_layers,
            "growth": growth,
        }
        super().__init__(settings, multiple=2 ** (rows - 1), **kwargs)
        self.rows, self.columns = rows, columns
        self.widths = [width * 2**row for row in range(rows)]
        middle = columns // 2

        def block(row: int, name: str) -> ResidualDenseBlock:
            return ResidualDenseBlock(self.widths[row], dense_layers, growth, name=name)

        self.first = TorchConv(3, width, relu=False, name="first")
        self.block_in, self.block_out = block(0, "block_in"), block(0, "block_out")
        self.blocks = [
            [block(row, f"block{row}_{column}") for column in range(1, columns)] for row in range(rows)
        ]
        self.downs = [
            [Rescale(self.widths[row], "down", name=f"down{row}_{column}") for column in range(middle)]
            for row in range(rows - 1)
        ]
        self.ups = [
            [
                Rescale(self.widths[row + 1], "up", name=f"up{row}_{column}")
                for column in range(middle, columns)
            ]
            for row in range(rows - 1)
        ]
        self.last = TorchConv(width, 3, name="last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        for part in (self.first, self.block_in, self.block_out, self.last):
            part.build()
        grid: list[list[Any]] = [*self.blocks, *self.downs, *self.ups]
        for row in grid:
            for part in row:
                part.build()
        # As released: of the two weights of each place only those that two ways lead to are used.
        self.attention = self.add_weight(
            shape=(self.rows, self.columns, 2, self.widths[-1]), initializer="ones", name="attention"
        )

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same; the network sees -1..1 and gives 0..1."""
        middle = self.columns // 2
        column = [self.block_in(self.first(2.0 * x - 1.0))]
        for row in range(1, self.rows):
            column.append(self.downs[row - 1][0](column[-1]))
        for number in range(1, middle):
            column = self._downwards(column, number)
        for number in range(middle, self.columns):
            column = self._upwards(column, number)
        return self.last(self.block_out(column[0]))

    def _downwards(self, before: list[Any], number: int) -> list[Any]:
        found = [self.blocks[0][number - 1](before[0])]
        for row in range(1, self.rows):
            along = self.blocks[row][number - 1](before[row])
            found.append(self._join(along, self.downs[row - 1][number](found[-1]), row, number))
        return found

    def _upwards(self, before: list[Any], number: int) -> list[Any]:
        found = [self.blocks[-1][number - 1](before[-1])]
        for row in reversed(range(self.rows - 1)):
            along = self.blocks[row][number - 1](before[row])
            across = self.ups[row][number - self.columns // 2](found[0])
            found.insert(0, self._join(along, across, row, number))
        return found

    def _join(self, along: Any, across: Any, row: int, number: int) -> Any:
        """Weigh what comes along the row and what comes from the next row, channel by channel."""
        weights = ops.cast(self.attention[row, number, :, : self.widths[row]], along.dtype)
        return weights[0] * along + weights[1] * across


def build_model(config: Config) -> DenseGridNet:
    """Return the built network of `config`."""
    model = DenseGridNet(**config.model_dump(), name="dense_gridnet")
    model.build()
    return model
