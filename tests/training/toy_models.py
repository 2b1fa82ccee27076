"""Small networks for the trainer's tests: they trace in a second, where a real method takes ten.

The adversarial one tests the trainer's GAN side before a GAN method exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import keras

from tf_relight.contract.stage import Adversary, Check, LossTerm, Schedule, Stage
from tf_relight.networks.relight_model import RelightModel


class ToyNet(RelightModel):
    """Two convolutions."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.first = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name="first")
        self.last = keras.layers.Conv2D(3, 3, padding="same", name="last")

    def build(self, input_shape):
        self.first.build((None, None, None, 3))
        self.last.build((None, None, None, self.width))

    def call(self, image, training=None):
        return self.last(self.first(image))


def build_toy_net(width: int) -> ToyNet:
    model = ToyNet(width, name="toy_net")
    model.build((None, None, None, 3))
    return model


class SwitchedNet(ToyNet):
    """Two convolutions whose result is halved while the switch is on."""

    halve = False

    def set_switches(self, *, halve=False):
        self.halve = halve

    def call(self, image, training=None):
        output = super().call(image)
        return output / 2 if self.halve else output


@dataclass(frozen=True)
class Judge:
    """What a ToyDiscriminator is made of: nothing to choose."""

    def scores(self, side):
        return (side - 1) // 2 - 2


class ToyDiscriminator(keras.Model):
    """Two convolutions; returns scores and the features below them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Conv2D(4, 3, strides=2, activation="leaky_relu", name="first")
        self.last = keras.layers.Conv2D(1, 3, name="last")

    def build(self, input_shape=None):
        self.first.build((None, None, None, 6))
        self.last.build((None, None, None, 4))

    def call(self, x, training=None):
        features = self.first(x)
        return {"scores": self.last(features), "features": [features]}


class ToyGAN(RelightModel):
    """One convolution against a conditional discriminator."""

    own_discriminators: ClassVar = {Judge: lambda spec, name: ToyDiscriminator(name=name)}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.layers.Conv2D(3, 3, padding="same", name="generator")

    def build(self, input_shape):
        self.generator.build((None, None, None, 3))

    def call(self, image, training=None):
        return self.generator(image)


def build_toy_gan() -> ToyGAN:
    model = ToyGAN(name="toy_gan")
    model.build((None, None, None, 3))
    return model


def gan_stages(optimizer: str = "sgd", rate: float = 0.05) -> list[Stage]:
    adversary = Adversary("judge", Judge(), weight=0.1, condition="image", feature_matching=0.5)
    curve = Schedule(rate, rate / 10, kind="linear")
    losses = (LossTerm("l1"),)
    return [
        Stage(
            "adversarial", 1.0, losses, curve, (Check("psnr"),), optimizer=optimizer, adversaries=(adversary,)
        )
    ]
