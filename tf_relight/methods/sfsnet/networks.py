"""The networks of SfSNet and SkipNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.methods.sfsnet import Config
from tf_relight.networks.decomposition import (
    Decomposition,
    batch_norm,
    even_sides,
    light_of_27,
    shading_of,
    unit,
)
from tf_relight.networks.layers import crop_like, repeat_over, resize_to, with_change
from tf_relight.networks.relight_model import RelightModel


def l1_sum(prediction: Any, target: Any) -> Any:
    """Return the sum of absolute errors of a picture, averaged over the batch: Caffe's L1."""
    difference = ops.cast(prediction, "float32") - ops.cast(target, "float32")
    return ops.sum(ops.abs(difference)) / _count(difference)


def half_l2_sum(prediction: Any, target: Any) -> Any:
    """Return half the sum of squared errors, averaged over the batch: Caffe's Euclidean loss."""
    difference = ops.cast(prediction, "float32") - ops.cast(target, "float32")
    return 0.5 * ops.sum(ops.square(difference)) / _count(difference)


def _count(tensor: Any) -> Any:
    return ops.cast(ops.shape(tensor)[0], "float32")


class FaceModel(RelightModel):
    """What SfSNet and SkipNet share: a face taken apart, and put together under another light.

    Takes {"image": (B, H, W, 3) sRGB 0..1, "light": (B, 9, 3) frame "dpr", told in lightness} and returns
    relit, normal, albedo, shading, rebuilt, each (B, H, W, 3), and source_light (B, 9, 3). Shading
    multiplies stored values, so the light is told in lightness. Normals have length 1 but for the losses.
    """

    own_losses: ClassVar[Mapping[str, Callable[..., Any]]] = {"l1_sum": l1_sum, "half_l2_sum": half_l2_sum}

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config

    def decompose(self, image: Any, training: bool) -> dict[str, Any]:
        """Return "raw_normal", "albedo" and "source_light" of pictures; normals signed, not yet unit."""
        raise NotImplementedError

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """As `infer`."""
        return self.infer(inputs, training=bool(training))

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """{"image", "light"} -> the outputs of the card."""
        found = self._taken_apart(inputs["image"], training)
        light = ops.cast(inputs["light"], "float32")
        relit = self._relit(inputs["image"], found, light)
        return {"relit": relit, **{name: found[name] for name in self._OUTPUTS}}

    _OUTPUTS = ("normal", "albedo", "shading", "rebuilt", "source_light")

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return the outputs and "raw_normal", the signed normals as they are before they are unit.

        Args:
            batch: image (B, H, W, 3); target_light (B, 9, 3) where the picture shall also be relit.
        """
        found = self._taken_apart(batch["image"], training)
        light = batch.get("target_light", found["source_light"])
        found["relit"] = self._relit(batch["image"], found, light)
        return found

    def _relit(self, image: Any, found: dict[str, Any], light: Any) -> Any:
        drawn = ops.clip(found["albedo"] * shading_of(found["shaded_normal"], light), 0.0, 1.0)
        return with_change(image, drawn, found["rebuilt"]) if self.config.keep_detail else drawn

    def _taken_apart(self, image: Any, training: bool) -> dict[str, Any]:
        found = self.decompose(image, training)
        raw = ops.cast(found["raw_normal"], "float32")
        albedo, light = ops.cast(found["albedo"], "float32"), ops.cast(found["source_light"], "float32")
        normal = unit(raw)
        shaded = normal if self.config.normals == "encoded" else raw
        shading = shading_of(shaded, light)
        return {
            "raw_normal": raw,
            "shaded_normal": shaded,
            "normal": normal,
            "albedo": albedo,
            "source_light": light,
            "shading": shading,
            "rebuilt": albedo * shading,
        }

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "config": self.config.model_dump()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FaceModel:
        """Return the model of `get_config`."""
        return cls(**{**config, "config": Config(**config["config"])})


@keras.saving.register_keras_serializable(package="tf_relight")
class SfSNet(FaceModel):
    """SfSNet; takes pictures of any size."""

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.body = Decomposition(
            config.width, affine=config.affine, zero_border=config.zero_border, name="body"
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.body.build()

    def decompose(self, image: Any, training: bool) -> dict[str, Any]:
        """See `FaceModel`."""
        found = self.body(even_sides(image), training=training)
        cropped = {name: crop_like(found[name], image) for name in ("raw_normal", "albedo")}
        if self.config.normals == "encoded":
            cropped["raw_normal"] = 2.0 * cropped["raw_normal"] - 1.0
        return {**cropped, "source_light": found["source_light"]}


class _Step(keras.layers.Layer):
    """A strided or transposed 4x4 convolution; batch normalisation and leaky ReLU where asked."""

    def __init__(
        self, channels: int, filters: int, *, up: bool = False, plain: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.filters = channels, filters
        kind = keras.layers.Conv2DTranspose if up else keras.layers.Conv2D
        self.conv = kind(filters, 4, strides=2, padding="same", name="conv")
        self.norm = None if plain else batch_norm("norm", affine=True)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.conv.build((None, None, None, self.channels))
        if self.norm is not None:
            self.norm.build((None, None, None, self.filters))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, channels) -> half or twice the sides, `filters` channels."""
        x = self.conv(x)
        if self.norm is None:
            return x
        return ops.leaky_relu(self.norm(x, training=training), negative_slope=0.2)


@keras.saving.register_keras_serializable(package="tf_relight")
class SkipNet(FaceModel):
    """SkipNet: one encoder, a code of the face, two decoders with skips, and the light from the code."""

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        width = config.width
        ins, outs = [3, width, 2 * width, 4 * width, 4 * width], [width, *(n * width for n in (2, 4, 4, 4))]
        self.encoders = [
            _Step(a, b, plain=i == 0, name=f"encoder{i + 1}")
            for i, (a, b) in enumerate(zip(ins, outs, strict=True))
        ]
        code = 4 * width
        self.code = keras.layers.Dense(code, name="code")
        self.light = keras.layers.Dense(3 * COEFFICIENTS, name="light")
        sizes = [code, 4 * width, 4 * width, 2 * width, width, width]
        self.decoders = {
            kind: [
                _Step(a, b, up=True, name=f"{kind}_decoder{i + 1}")
                for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))
            ]
            for kind in ("normal", "albedo")
        }
        self.lasts = {
            kind: keras.layers.Conv2D(
                3, 1, bias_initializer=keras.initializers.Constant(start), name=f"{kind}_last"
            )
            for kind, start in (("normal", 0.0), ("albedo", 0.5))
        }

    @property
    def _grid(self) -> int:
        return self.config.size // 2 ** len(self.encoders)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        wide = 4 * self.config.width
        for step in (*self.encoders, *self.decoders["normal"], *self.decoders["albedo"]):
            step.build()
        self.code.build((None, self._grid**2 * wide))
        self.light.build((None, wide))
        for last in self.lasts.values():
            last.build((None, None, None, self.config.width))

    def decompose(self, image: Any, training: bool) -> dict[str, Any]:
        """See `FaceModel`."""
        side = self.config.size
        x = resize_to(image, side, side)
        skips = []
        for encoder in self.encoders:
            x = encoder(x, training=training)
            skips.append(x)
        # Channels first, as in PyTorch, where this network was first trained.
        flat = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, x.shape[-1] * self._grid**2))
        code = self.code(flat)
        found: dict[str, Any] = {"source_light": light_of_27(self.light(code))}
        for kind, name in (("normal", "raw_normal"), ("albedo", "albedo")):
            y = repeat_over(code[:, None, None, :], x)
            for decoder, skip in zip(self.decoders[kind], [*reversed(skips[:-1]), None], strict=True):
                y = decoder(y, training=training)
                y = y if skip is None else y + skip
            y = ops.cast(self.lasts[kind](y), "float32")
            found[name] = resize_to(y, ops.shape(image)[1], ops.shape(image)[2])
        return found


def build_model(config: Config) -> FaceModel:
    """Return the built network of `config`."""
    kind = SfSNet if config.network == "sfsnet" else SkipNet
    model = kind(config, name=config.network)
    model.build()
    return model
