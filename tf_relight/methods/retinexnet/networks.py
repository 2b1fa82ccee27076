"""Retinex-Net: one network splits a picture into reflectance and illumination, another changes the light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from tf_relight.methods.retinexnet import VARIANTS, Config
from tf_relight.methods.retinexnet.losses import illumination_smoothness
from tf_relight.networks.fixed_light import FixedLight
from tf_relight.networks.layers import UpsampleNearest2x, crop_like, pad_to_multiple

LEVELS = 3
"""How often the relighting network halves its picture."""


def _conv(
    filters: int, kernel_size: int, name: str, *, strides: int = 1, relu: bool = False
) -> keras.layers.Conv2D:
    # Keras' own start and TensorFlow's "same" borders, as in the release.
    activation = "relu" if relu else None
    return keras.layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", activation=activation, name=name
    )


class Decomposition(keras.layers.Layer):
    """Split a picture into reflectance (B, H, W, 3) and illumination (B, H, W, 1), both in 0..1.

    Source: paper, figure 1; the release begins with a 9x9 convolution of the picture and its maximum.
    """

    def __init__(self, width: int, layers: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = _conv(width, 9, "first")
        self.inner = [_conv(width, 3, f"inner{i + 1}", relu=True) for i in range(layers)]
        self.last = _conv(4, 3, "last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.first.build((None, None, None, 4))
        for conv in (*self.inner, self.last):
            conv.build((None, None, None, self.width))

    def call(self, picture: Any) -> tuple[Any, Any]:
        """(B, H, W, 3) sRGB 0..1 -> reflectance and illumination."""
        brightest = ops.max(picture, axis=-1, keepdims=True)
        x = self.first(ops.concatenate([brightest, picture], axis=-1))
        for conv in self.inner:
            x = conv(x)
        x = ops.sigmoid(self.last(x))
        return x[..., :3], x[..., 3:]


class Relighting(keras.layers.Layer):
    """Make a new illumination (B, H, W, 1) from reflectance and illumination; not bounded.

    Source: paper, section 3.3 and figure 1.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = _conv(width, 3, "first")
        self.downs = [_conv(width, 3, f"down{i + 1}", strides=2, relu=True) for i in range(LEVELS)]
        self.ups = [_conv(width, 3, f"up{i + 1}", relu=True) for i in range(LEVELS)]
        self.double = UpsampleNearest2x(name="double")
        self.join = _conv(width, 1, "join")
        self.last = _conv(1, 3, "last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.first.build((None, None, None, 4))
        for conv in (*self.downs, *self.ups, self.last):
            conv.build((None, None, None, self.width))
        self.join.build((None, None, None, LEVELS * self.width))

    def call(self, reflectance: Any, illumination: Any) -> Any:
        """(B, H, W, 3) and (B, H, W, 1) of any size -> (B, H, W, 1)."""
        given = ops.concatenate([reflectance, illumination], axis=-1)
        x = self.first(pad_to_multiple(given, VARIANTS["retinexnet"].size_multiple))
        skips = []
        for conv in self.downs:
            skips.append(x)
            x = conv(x)
        found: list[Any] = []
        for conv in self.ups:
            x = conv(self.double(x)) + skips.pop()
            found = [*(self.double(each) for each in found), x]
        return crop_like(self.last(self.join(ops.concatenate(found, axis=-1))), given)


@keras.saving.register_keras_serializable(package="tf_relight")
class RetinexNet(FixedLight):
    """Decomposition, relighting of the illumination, and the product; 444,613 parameters at width 64.

    Takes (B, H, W, 3) sRGB 0..1 of any size and returns the same shape, float32, not clipped.

    Source: paper, section 3. Differs: without the denoising of the reflectance, which is no network.
    """

    own_losses: ClassVar[Mapping[str, Callable[..., Any]]] = {"smoothness": illumination_smoothness}

    def __init__(self, width: int = 64, layers: int = 5, **kwargs: Any) -> None:
        # Only the relighting halves its picture, and it pads for itself.
        super().__init__({"width": width, "layers": layers}, multiple=1, **kwargs)
        self.decomposition = Decomposition(width, layers, name="decomposition")
        self.relighting = Relighting(width, name="relighting")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        self.decomposition.build()
        self.relighting.build()

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same."""
        reflectance, illumination = self.decomposition(x)
        return reflectance * self.relighting(reflectance, illumination)

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return "relit" and what the stages' losses compare, (B, H, W, 3) or (B, H, W, 1), float32.

        Args:
            batch: image, target (B, H, W, 3) sRGB 0..1.
        """
        low_reflectance, low_illumination = self.decomposition(batch["image"])
        high_reflectance, high_illumination = self.decomposition(batch["target"])
        relit = self.relighting(low_reflectance, low_illumination)
        outputs = {
            "relit": low_reflectance * relit,
            "relit_illumination": relit,
            "low_reflectance": low_reflectance,
            "high_reflectance": high_reflectance,
            "low_illumination": low_illumination,
            "high_illumination": high_illumination,
            "low_rebuilt": low_reflectance * low_illumination,
            "high_rebuilt": high_reflectance * high_illumination,
            "low_exchanged": high_reflectance * low_illumination,
            "high_exchanged": low_reflectance * high_illumination,
        }
        return {name: ops.cast(value, "float32") for name, value in outputs.items()}


def build_model(config: Config) -> RetinexNet:
    """Return the built network of `config`."""
    model = RetinexNet(config.width, config.layers, name="retinexnet")
    model.build()
    return model
