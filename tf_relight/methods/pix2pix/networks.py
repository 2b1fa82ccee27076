"""Pix2Pix and ShadAdv: the generator, one network trained in two ways."""

from __future__ import annotations

from typing import Any

import keras

from tf_relight.methods.pix2pix import Config
from tf_relight.networks.fixed_light import FixedLight
from tf_relight.networks.layers import ConvInstance, ReflectResidual, UpConvInstance
from tf_relight.networks.relight_model import RelightModel


@keras.saving.register_keras_serializable(package="tf_relight")
class Pix2Pix(FixedLight):
    """Encoder, residual blocks, decoder, without skips; 45,620,867 parameters at width 32.

    Takes (B, H, W, 3) sRGB 0..1, with 4 levels from 17 pixels on, and returns the same shape, float32 0..1.

    Source: global generator of pix2pixHD (Wang et al., CVPR 2018), as in DRN's release.
    """

    def __init__(self, width: int = 32, levels: int = 4, blocks: int = 9, **kwargs: Any) -> None:
        settings = {"width": width, "levels": levels, "blocks": blocks}
        # Mirroring the bottleneck needs two pixels; more than half of them fills up to whole ones.
        super().__init__(settings, multiple=2**levels, smallest=2**levels + 1, **kwargs)
        widths = [width * 2**level for level in range(levels + 1)]
        self.first = ConvInstance(3, width, 7, border="reflect", name="first")
        self.downs = [
            ConvInstance(n, 2 * n, strides=2, name=f"down{i + 1}") for i, n in enumerate(widths[:-1])
        ]
        self.residuals = [ReflectResidual(widths[-1], name=f"residual{i + 1}") for i in range(blocks)]
        self.ups = [
            UpConvInstance(n, n // 2, 3, name=f"up{i + 1}") for i, n in enumerate(reversed(widths[1:]))
        ]
        self.painter = ConvInstance(
            width, 3, 7, border="reflect", normalise=False, activation="tanh", name="painter"
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the input's size does not matter."""
        for part in self._parts():
            part.build()

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same; the network itself works in -1..1."""
        x = 2.0 * x - 1.0
        for part in self._parts():
            x = part(x)
        return (x + 1.0) / 2.0

    def _parts(self) -> list[Any]:
        return [self.first, *self.downs, *self.residuals, *self.ups, self.painter]


def build_model(config: Config) -> RelightModel:
    """Return the built network of `config`."""
    model = Pix2Pix(config.width, config.levels, config.blocks, name=config.variant)
    model.build()
    return model
