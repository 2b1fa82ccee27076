"""The networks of the toy decomposition."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tests.toys.sfsnet_like import Config
from tf_relight.networks import harmonics
from tf_relight.networks.layers import Upsample2x, crop_like, pad_to_multiple
from tf_relight.networks.relight_model import RelightModel


class Trunk(keras.layers.Layer):
    """Two convolutions, the first with batch normalisation."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = keras.layers.Conv2D(width, 5, strides=2, padding="same", name="first")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.second = keras.layers.Conv2D(2 * width, 3, padding="same", activation="relu", name="second")

    def build(self, input_shape: Any = None) -> None:
        self.first.build((None, None, None, 3))
        self.norm.build((None, None, None, self.width))
        self.second.build((None, None, None, self.width))

    def call(self, image: Any, training: bool | None = None) -> Any:
        return self.second(ops.relu(self.norm(self.first(image), training=training)))


@keras.saving.register_keras_serializable(package="tests")
class ToySfSNet(RelightModel):
    """Normals, albedo and light of a picture, and the picture under another light."""

    def __init__(self, width: int = 12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.trunk = Trunk(width, name="trunk")
        self.normal_head = keras.layers.Conv2D(3, 3, padding="same", name="normal_head")
        self.albedo_head = keras.layers.Conv2D(3, 3, padding="same", name="albedo_head")
        self.light_head = keras.layers.Dense(27, bias_initializer="ones", name="light_head")
        self.up = Upsample2x(name="up")

    def build(self, input_shape: Any = None) -> None:
        self.trunk.build()
        for head in (self.normal_head, self.albedo_head):
            head.build((None, None, None, 2 * self.width))
        self.light_head.build((None, 2 * self.width))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        return self.infer(inputs, training=bool(training))

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        image, light = inputs["image"], inputs["light"]
        features = self.trunk(pad_to_multiple(image, 4), training=training)
        up = self.up(features)
        raw = crop_like(self.normal_head(up), image) + ops.convert_to_tensor([0.0, 0.0, 1.0])
        normal = raw * ops.rsqrt(ops.sum(raw * raw, axis=-1, keepdims=True) + 1e-8)
        albedo = ops.sigmoid(crop_like(self.albedo_head(up), image))
        source = ops.reshape(self.light_head(ops.mean(features, axis=(1, 2))), (-1, 9, 3))
        # Normals face the camera along z; lights have it along -y.
        facing = ops.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], axis=-1)
        shading = harmonics.shading(facing, source)
        relit = ops.clip(albedo * harmonics.shading(facing, light), 0.0, 1.0)
        return {
            "relit": relit,
            "normal": normal,
            "albedo": albedo,
            "shading": shading,
            "source_light": source,
        }

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        inputs = {"image": batch["image"], "light": batch["target_light"]}
        outputs = self.infer(inputs, training=training)
        return {**outputs, "rebuilt": outputs["albedo"] * outputs["shading"]}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def build_model(config: Config) -> ToySfSNet:
    model = ToySfSNet(config.width, name="toy_sfsnet")
    model.build()
    return model
