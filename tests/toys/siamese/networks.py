"""The networks of the toy auto-encoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tests.toys.siamese import Config
from tf_relight.light.spherical_harmonics import image_map
from tf_relight.networks import harmonics
from tf_relight.networks.layers import crop_like, pad_to_multiple
from tf_relight.networks.relight_model import RelightModel


@keras.saving.register_keras_serializable(package="tests")
class ToySiamese(RelightModel):
    """Content and light from one encoder; the decoder takes any light."""

    def __init__(self, width: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.encoder = keras.layers.Conv2D(width, 3, 2, padding="same", activation="relu", name="encoder")
        self.light_head = keras.layers.Dense(9, bias_initializer="ones", name="light_head")
        self.light_in = keras.layers.Dense(width, name="light_in")
        self.decoder = keras.layers.Conv2DTranspose(3, 4, 2, padding="same", name="decoder")

    def build(self, input_shape: Any = None) -> None:
        self.encoder.build((None, None, None, 3))
        self.light_head.build((None, self.width))
        self.light_in.build((None, 9))
        self.decoder.build((None, None, None, self.width))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        return self.infer(inputs)

    def encode(self, image: Any) -> tuple[Any, Any]:
        content = self.encoder(pad_to_multiple(image, 2))
        return content, self.light_head(ops.mean(content, axis=(1, 2)))[..., None]

    def decode(self, content: Any, light: Any, like: Any) -> Any:
        lit = content * (1.0 + ops.tanh(self.light_in(light[..., 0])))[:, None, None, :]
        return crop_like(ops.sigmoid(self.decoder(lit)), like)

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        content, source = self.encode(inputs["image"])
        relit = self.decode(content, inputs["light"], inputs["image"])
        return {"relit": relit, "source_light": source}

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        image = batch["image"]
        content, source = self.encode(image)
        _, mirrored = self.encode(ops.flip(image, axis=2))
        given = ops.stop_gradient(ops.roll(source, 1, axis=0))
        relit = self.decode(content, given, image)
        return {
            "relit": relit,
            "source_light": source,
            "rebuilt": self.decode(content, source, image),
            "mirrored_light": mirrored,
            "expected_light": harmonics.apply_map(image_map("hflip"), source[..., 0])[..., None],
            "given_light": given,
            "read_light": self.encode(relit)[1],
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def build_model(config: Config) -> ToySiamese:
    model = ToySiamese(config.width, name="toy_siamese")
    model.build()
    return model
