"""The networks of the Siamese auto-encoder."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.light.spherical_harmonics import ImageOperation, frame_matrix, image_map
from tf_relight.methods.siamese import Config
from tf_relight.methods.siamese.recipe import RENDERED
from tf_relight.networks import harmonics
from tf_relight.networks.layers import (
    InstanceNorm,
    StridedConv2D,
    UpsampleNearest2x,
    crop_like,
    pad_to_multiple,
    repeat_over,
    with_change,
)
from tf_relight.networks.relight_model import RelightModel

WIDEST = 16
"""Channels over `width` beyond which no level grows."""
AUGMENTATIONS: tuple[ImageOperation, ...] = ("hflip", "vflip", "rot90", "rot180", "rot270", "invert")
_BLOCKS = {"amount": (0,), "across": (2, 3), "mixed": (5, 6), "squares": (7,), "corner": (8,)}
"""Coefficients of frame "image" that flips and turns move among themselves: each block has one factor."""
_DEPTH = (1, 4)
"""The two coefficients that no flip and no turn in the picture moves; they may mix."""


def augmented(pictures: Any, operation: ImageOperation) -> Any:
    """Return pictures (B, S, S, C) 0..1 changed by an operation of `AUGMENTATIONS`."""
    if operation == "hflip":
        return ops.flip(pictures, axis=2)
    if operation == "vflip":
        return ops.flip(pictures, axis=1)
    if operation == "rot180":
        return ops.flip(ops.flip(pictures, axis=1), axis=2)
    if operation == "rot90":
        return ops.flip(ops.transpose(pictures, (0, 2, 1, 3)), axis=1)
    if operation == "rot270":
        return ops.flip(ops.transpose(pictures, (0, 2, 1, 3)), axis=2)
    return 1.0 - pictures


def light_maps() -> np.ndarray:
    """Return what each of `AUGMENTATIONS` does to a light of frame "dpr", (6, 9, 9).

    Inverting a picture turns its light around; how much there is in all stays.
    """
    return np.stack([image_map(operation) for operation in AUGMENTATIONS]).astype(np.float32)


class Residual(keras.layers.Layer):
    """Twice convolution, instance normalisation, leaky ReLU; plus the input."""

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.convs = [_conv(filters, f"conv{i}") for i in (1, 2)]
        self.norms = [InstanceNorm(name=f"norm{i}") for i in (1, 2)]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for part in (*self.convs, *self.norms):
            part.build((None, None, None, self.filters))

    def call(self, x: Any) -> Any:
        """(B, H, W, filters) -> the same shape."""
        y = _rectified(self.norms[0](self.convs[0](x)))
        return x + self.norms[1](self.convs[1](y))


class Encoder(keras.layers.Layer):
    """From a picture to its content, the levels on the way, and its light."""

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes = _sizes(config)
        self.sizes, self.content_channels, self.fixed = sizes, config.content, config.fixed_ambient
        self.first = keras.layers.Conv2D(sizes[0], 7, padding="same", name="first")
        self.blocks = [Residual(n, name=f"block{i}") for i, n in enumerate(sizes[:-1])]
        self.halvings = [StridedConv2D(n, name=f"halving{i}") for i, n in enumerate(sizes[1:])]
        self.last = Residual(sizes[-1], name="last")
        self.content = keras.layers.Conv2D(config.content, 1, name="content")
        self.light1 = keras.layers.Dense(256, name="light1")
        self.light2 = keras.layers.Dense(3 * COEFFICIENTS, kernel_initializer=_small(), name="light2")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.first.build((None, None, None, 3))
        for block, halving, channels in zip(self.blocks, self.halvings, self.sizes, strict=False):
            block.build()
            halving.build((None, None, None, channels))
        self.last.build()
        self.content.build((None, None, None, self.sizes[-1]))
        self.light1.build((None, self.sizes[-1]))
        self.light2.build((None, 256))

    def call(self, image: Any) -> tuple[Any, list[Any], Any]:
        """(B, H, W, 3) -> content (B, h, w, C), the levels from the inmost, light (B, 9, 3)."""
        x = _rectified(self.first(image))
        levels = []
        for block, halving in zip(self.blocks, self.halvings, strict=True):
            x = block(x)
            levels.append(x)
            x = _rectified(halving(x))
        # Instance normalisation would take the mean out, which is what the light is read from.
        light = self.light2(_rectified(self.light1(ops.mean(x, axis=(1, 2)))))
        light = ops.reshape(ops.cast(light, "float32"), (-1, COEFFICIENTS, 3))
        # 1, or 1 and what is read; by sums and products, which phones run whole.
        ambient = np.eye(COEFFICIENTS, 1, dtype=np.float32)
        light = (light * (1.0 - ambient) if self.fixed else light) + ambient
        return self.content(self.last(x)), levels[::-1], light


class Decoder(keras.layers.Layer):
    """From content, inner levels and a light to a picture 0..1."""

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes = _sizes(config)[::-1]
        self.sizes, self.content_channels, self.skips = sizes, config.content, config.skips
        self.light1 = keras.layers.Dense(128, name="light1")
        self.slope1 = keras.layers.PReLU(shared_axes=[1, 2], name="slope1")
        self.light2 = keras.layers.Dense(sizes[0], name="light2")
        self.join = keras.layers.Conv2D(sizes[0], 1, name="join")
        self.middle = Residual(sizes[0], name="middle")
        self.up = UpsampleNearest2x(name="up")
        self.convs = [_conv(n, f"conv{i}") for i, n in enumerate(sizes[1:])]
        self.blocks = [Residual(n, name=f"block{i}") for i, n in enumerate(sizes[1:])]
        self.films = [
            keras.layers.Dense(2 * n, kernel_initializer=_small(), name=f"film{i}")
            for i, n in enumerate(sizes[1:])
        ]
        self.last = keras.layers.Conv2D(3, 3, padding="same", name="last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.light1.build((None, 3 * COEFFICIENTS))
        self.slope1.build((None, 1, 1, 128))
        self.light2.build((None, 128))
        self.join.build((None, None, None, self.content_channels + self.sizes[0]))
        self.middle.build()
        for conv, block, film, channels in zip(self.convs, self.blocks, self.films, self.sizes, strict=False):
            conv.build((None, None, None, channels))
            block.build()
            film.build((None, 128))
        self.last.build((None, None, None, self.sizes[-1]))

    def call(self, content: Any, levels: list[Any], light: Any) -> Any:
        """Content (B, h, w, C), levels from the inmost, light (B, 9, 3) -> (B, H, W, 3)."""
        told = self.slope1(self.light1(ops.reshape(light, (-1, 1, 1, 3 * COEFFICIENTS))))
        x = ops.concatenate([content, repeat_over(self.light2(told), content)], axis=-1)
        x = self.middle(self.join(x))
        parts = zip(self.convs, self.blocks, self.films, levels, strict=True)
        for number, (conv, block, film, level) in enumerate(parts):
            x = conv(self.up(x))
            if number < self.skips:
                x = x + level
            x = block(x)
            changes = film(told)
            scale, shift = ops.split(changes, 2, axis=-1)
            x = _rectified(x * (1.0 + scale) + shift)
        return ops.sigmoid(ops.cast(self.last(x), "float32"))


class Calibration(keras.layers.Layer):
    """What the embedding's numbers mean: a factor a block, and a mixture of the two that look into the depth.

    Flips and turns tell each block only up to a factor, whose sign tells left from right.
    """

    def build(self, input_shape: Any = None) -> None:
        """Make the weights: at first the embedding is taken as it is."""
        self.factors = self.add_weight(shape=(len(_BLOCKS),), initializer="ones", name="factors")
        self.depth = self.add_weight(shape=(2, 2), initializer="identity", name="depth")

    def call(self, embedding: Any) -> Any:
        """Embedding (B, 9, 3) -> the light, frame "dpr"."""
        depth = ops.convert_to_tensor(self.depth)
        return self._mapped(embedding, ops.convert_to_tensor(self.factors), depth)

    def undone(self, light: Any) -> Any:
        """A light (B, 9, 3) -> the embedding that means it."""
        factors, depth = ops.convert_to_tensor(self.factors), ops.convert_to_tensor(self.depth)
        a, b, c, d = depth[0, 0], depth[0, 1], depth[1, 0], depth[1, 1]
        adjugate = ops.stack([ops.stack([d, -b]), ops.stack([-c, a])])
        return self._mapped(light, 1.0 / factors, adjugate / (a * d - b * c))

    @staticmethod
    def _mapped(light: Any, factors: Any, depth: Any) -> Any:
        numbers = ops.concatenate([factors, ops.reshape(depth, (4,))])
        parts = ops.convert_to_tensor(_map_parts(), dtype=numbers.dtype)
        matrix = ops.reshape(ops.matmul(numbers[None], parts), (COEFFICIENTS, COEFFICIENTS))
        return harmonics.apply_map(matrix, light)


@functools.cache
def _map_parts() -> np.ndarray:
    """Return (factors and 4, 81): the map of a light, by what each number of the calibration adds to it."""
    there, back = frame_matrix("dpr", "image"), frame_matrix("image", "dpr")
    parts = []
    for places in _BLOCKS.values():
        own = np.zeros((COEFFICIENTS, COEFFICIENTS))
        own[list(places), list(places)] = 1.0
        parts.append(own)
    for row in _DEPTH:
        for column in _DEPTH:
            own = np.zeros((COEFFICIENTS, COEFFICIENTS))
            own[row, column] = 1.0
            parts.append(own)
    return np.stack([(back @ own @ there).ravel() for own in parts]).astype(np.float32)


@keras.saving.register_keras_serializable(package="tf_relight")
class SiameseAutoEncoder(RelightModel):
    """Content and light of a picture, and the picture under another light.

    Takes {"image": (B, H, W, 3) sRGB 0..1, "light": (B, 9, 3) frame "dpr"} of any height and width and
    returns {"relit": (B, H, W, 3), "source_light": (B, 9, 3)}.
    """

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.encoder = Encoder(config, name="encoder")
        self.decoder = Decoder(config, name="decoder")
        self.calibration = Calibration(name="calibration")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.encoder.build()
        self.decoder.build()
        self.calibration.build()

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """As `infer`."""
        return self.infer(inputs, training=bool(training))

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """{"image", "light"} -> {"relit", "source_light"}."""
        image = inputs["image"]
        content, levels, read = self.encoder(pad_to_multiple(image, 2**self.config.halvings))
        asked = self.calibration.undone(ops.cast(inputs["light"], "float32"))
        relit = crop_like(self.decoder(content, levels, asked), image)
        if self.config.keep_detail:
            relit = with_change(image, relit, crop_like(self.decoder(content, levels, read), image))
        return {"relit": relit, "source_light": self.calibration(read)}

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return what the losses of `recipe.stages` compare.

        Args:
            batch: image (B, S, S, 3); sample (B,), whose number chooses the augmentation; target_light
                (B, 9, 3) for "relit", else each picture is relit by its own light; rendered.image for the
                calibration.
        """
        image = batch["image"]
        content, levels, read = self.encoder(image)
        found = {"rebuilt": self.decoder(content, levels, read), "source_light": self.calibration(read)}
        if f"{RENDERED}.image" in batch:
            found["rendered_light"] = self.calibration(self.encoder(batch[f"{RENDERED}.image"])[2])
        asked = batch.get("target_light")
        asked = read if asked is None else self.calibration.undone(ops.cast(asked, "float32"))
        found["relit"] = self.decoder(content, levels, asked)
        if self.config.keep_detail:
            found["relit"] = with_change(image, found["relit"], found["rebuilt"])
        given = ops.stop_gradient(ops.roll(read, 1, axis=0))
        relit = self.decoder(content, levels, given)
        relit_content, relit_levels, again = self.encoder(relit)
        # A validation looks at single pictures that have no number.
        number = ops.cast(batch.get("sample", ops.zeros(ops.shape(image)[:1])), "int32")
        choice = ops.one_hot(ops.mod(number, len(AUGMENTATIONS)), len(AUGMENTATIONS))
        augmented_content, augmented_levels, other = self.encoder(_chosen(image, choice))
        found |= {
            "relit_raw": relit,
            "given_light": given,
            "light_again": again,
            "cycled": self.decoder(relit_content, relit_levels, ops.stop_gradient(read)),
            "augmented_light": _mapped_by_choice(read, choice),
            "light_of_augmented": other,
            "augmented_relit": _chosen(relit, choice),
            "relit_augmented": self.decoder(
                augmented_content, augmented_levels, _mapped_by_choice(given, choice)
            ),
        }
        return found

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "config": self.config.model_dump()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SiameseAutoEncoder:
        """Return the model of `get_config`."""
        return cls(**{**config, "config": Config(**config["config"])})


def _chosen(pictures: Any, choice: Any) -> Any:
    """Return each picture (B, S, S, C) under the augmentation that its row of `choice` (B, 6) marks."""
    variants = ops.stack([augmented(pictures, operation) for operation in AUGMENTATIONS], axis=1)
    return ops.sum(variants * ops.cast(choice, variants.dtype)[:, :, None, None, None], axis=1)


def _mapped_by_choice(light: Any, choice: Any) -> Any:
    maps = ops.einsum("bk,kij->bij", ops.cast(choice, light.dtype), ops.cast(light_maps(), light.dtype))
    return ops.einsum("bij,bjc->bic", maps, light)


def _sizes(config: Config) -> list[int]:
    return [config.width * min(2**i, WIDEST) for i in range(config.halvings + 1)]


def _small() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02)


def _rectified(x: Any) -> Any:
    return ops.leaky_relu(x, negative_slope=0.2)


def _conv(filters: int, name: str) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(filters, 3, padding="same", name=name)


def build_model(config: Config) -> SiameseAutoEncoder:
    """Return the built network of `config`."""
    model = SiameseAutoEncoder(config, name="siamese")
    model.build()
    return model
