"""`RandomRelight`: relighting as augmentation, a Keras layer beside `keras.layers.RandomBrightness`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_relight import methods
from tf_relight.contract.card import COEFFICIENTS
from tf_relight.contract.usual import PORTRAIT_METHOD
from tf_relight.errors import RelightError
from tf_relight.light.lamps import USUAL_AMBIENT
from tf_relight.light.light import Light
from tf_relight.light.lightness_light import EXPONENT
from tf_relight.light.spherical_harmonics import BAND, basis, shading
from tf_relight.photo.transfer import LIGHTNESS_FOOT
from tf_relight.pipelines.colour_ops import lightness, luminance, luminance_ratio, multiplied
from tf_relight.pipelines.distribution import LightDistribution
from tf_relight.relighting.light_range import (
    BRIGHTER_SIDE,
    BRIGHTEST,
    FARTHEST,
    LEAST_READ,
    LEVELS,
    MOST_MORE,
    TRAINED_ON,
    USUAL_LEVEL,
    brightest,
    face_weights,
    on_a_face,
    visible_normals,
)
from tf_relight.relighting.light_tint import CALMED

BANK = 1024
"""Lights that a layer draws once and chooses from."""


@keras.saving.register_keras_serializable(package="tf_relight")
class RandomRelight(keras.layers.Layer):
    """Relights pictures of people by random lights; everything that belongs to them stays where it is.

    Takes pictures (H, W, 3) or (B, H, W, 3), or a dict with "images" and any of "labels", "bounding_boxes",
    "segmentation_masks", "landmarks" and others, as Keras' own augmentation layers do. Only "images" change:
    light moves nothing. It works inside a model and in `tf.data`'s `map`, quickest on batches. Outside
    training pictures pass unchanged. No gradient goes through it.

    The network sees the whole picture at `size`, and the change of light is brought to the picture's own
    size. It knows faces in the middle of a picture, as recognition uses them; `relight data augment` finds
    faces in photos of any kind.

    Example:
        >>> import numpy as np
        >>> layer = RandomRelight(value_range=(0, 1), rate=1.0, seed=3)
        >>> faces = np.full((2, 64, 64, 3), 0.5, np.float32)
        >>> layer(faces).shape == faces.shape
        True
        >>> bool(np.all(layer(faces, training=False) == faces))
        True
    """

    def __init__(
        self,
        lights: LightDistribution | Mapping[str, Any] | Path | str | None = None,
        rate: float = 0.5,
        value_range: Sequence[float] = (0, 255),
        weights: Path | str | None = None,
        size: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Draw the lights and load the network.

        Args:
            lights: which lights, see `LightDistribution`; None takes random lamps.
            rate: how often a picture is relit, 0..1.
            value_range: of the pictures, (0, 255) as in Keras' layers.
            weights: of a portrait method that reads the light; None takes those of `usual.PORTRAIT_METHOD`.
            size: long side in pixels at which the network works; None takes that of its training.
            seed: of the choice; None is another one each time.

        Raises:
            RelightError: a value out of range, an empty distribution, or weights of another kind of method.
        """
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise RelightError(f"The rate {rate:g} is outside 0..1.")
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise RelightError(
                f"The value_range is (least, most), such as (0, 255), not {tuple(value_range)}."
            )
        if size is not None and size < 16:
            raise RelightError(f"The size {size} is too small for the network: give at least 16.")
        self.lights = LightDistribution.of(lights)
        self.rate, self.seed = float(rate), seed
        self.value_range = (float(value_range[0]), float(value_range[1]))
        self.weights_name = None if weights is None else str(weights)
        self.generator = keras.random.SeedGenerator(seed)
        loaded = _loaded(self.weights_name)
        self._port = loaded.method.info
        self.size = int(size or loaded.metadata.get("size") or loaded.method.info.native_size)
        self._given_size = size
        self.network = loaded.model
        self.network.trainable = False
        if hasattr(self.network, "mirrored"):
            # Twice as fast; augmentation does not need the last bit of evenness.
            self.network.mirrored = False
        self._bank = _Bank(self.lights.draw(BANK, seed or 0))
        self.trainable = False

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to be made."""
        self.built = True

    def call(self, data: Any, training: bool = True) -> Any:
        """Relight pictures; see the class.

        Raises:
            RelightError: pictures of another rank, type or range (it says what was expected and what came).
        """
        if isinstance(data, dict) and "images" not in data:
            came = ", ".join(map(repr, data)) or "nothing"
            raise RelightError(f"RandomRelight takes a dict with 'images'; one with {came} came.")
        images = data["images"] if isinstance(data, dict) else data
        if images is None:
            raise RelightError("RandomRelight takes pictures (H, W, 3) or (B, H, W, 3); None came.")
        images = ops.convert_to_tensor(images)
        self._check(images)
        transformation = self.get_random_transformation(data, training=training)
        single = len(images.shape) == 3
        changed = self.transform_images(images[None] if single else images, transformation, training)
        changed = changed[0] if single else changed
        return {**data, "images": changed} if isinstance(data, dict) else changed

    def get_random_transformation(
        self, data: Any, training: bool = True, seed: Any = None
    ) -> dict[str, Any] | None:
        """Return what happens to each picture by name: light (B,) int32, strength (B,), applied (B,) bool."""
        if not training:
            return None
        images = data["images"] if isinstance(data, dict) else data
        shape = ops.shape(images)
        count = 1 if len(shape) == 3 else shape[0]
        seed = self.generator if seed is None else seed
        least, most = self.lights.strength
        return {
            "light": keras.random.randint((count,), 0, BANK, seed=seed),
            "strength": keras.random.uniform((count,), least, most, seed=seed),
            "applied": keras.random.uniform((count,), seed=seed) < self.rate,
        }

    def transform_images(
        self, images: Any, transformation: dict[str, Any] | None, training: bool = True
    ) -> Any:
        """Return pictures (B, H, W, 3) in `value_range` relit as `get_random_transformation` says."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        least, most = self.value_range
        seen = ops.clip((ops.cast(images, "float32") - least) / (most - least), 0.0, 1.0)
        relit = ops.cast(ops.stop_gradient(self._relit(seen, transformation)), "float32")
        relit = ops.cast(relit * (most - least) + least, images.dtype)
        return ops.where(transformation["applied"][:, None, None, None], relit, images)

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """Labels stay."""
        return labels

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any, training: bool = True
    ) -> Any:
        """Boxes stay."""
        return bounding_boxes

    def transform_segmentation_masks(self, masks: Any, transformation: Any, training: bool = True) -> Any:
        """Masks stay."""
        return masks

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The same."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "lights": self.lights.model_dump(mode="json"),
            "rate": self.rate,
            "value_range": self.value_range,
            "weights": self.weights_name,
            "size": self._given_size,
            "seed": self.seed,
        }

    def _relit(self, pixels: Any, transformation: dict[str, Any]) -> Any:
        """Return pictures (B, H, W, 3) 0..1 relit, as `PortraitRelighter` does for a whole picture."""
        before = lightness(self._small(pixels))
        bank = self._bank.of(transformation["light"])
        zero = ops.zeros((ops.shape(before)[0], COEFFICIENTS, 1))
        own = self._run(before, zero)["source_light"][..., 0]
        numbers, own_numbers, gain = _exposed(bank, own)
        both = self._run(
            ops.concatenate([before, before], axis=0),
            ops.concatenate([numbers, own_numbers], axis=0)[..., None],
        )["relit"]
        drawn, unchanged = ops.split(both, 2, axis=0)
        foot = LIGHTNESS_FOOT
        ratio = gain[:, None, None, None] * (drawn + foot) / (unchanged + foot)
        after = ops.clip(ratio * (before + foot) - foot, 0.0, 1.0)
        strength = transformation["strength"][:, None, None, None]
        factor = luminance_ratio(before, before + strength * (after - before))
        if self._bank.coloured:
            factor = factor * (1 + strength * (_tint(bank, factor) - 1))
        logs = ops.image.resize(
            ops.log(ops.maximum(factor, 1e-4)), ops.shape(pixels)[1:3], data_format="channels_last"
        )
        return multiplied(pixels, ops.exp(logs))

    def _small(self, pixels: Any) -> Any:
        height, width = pixels.shape[1:3]
        if height is None or width is None:
            side = (self.size, self.size)
        else:
            scale = min(1.0, self.size / max(height, width))
            side = (max(16, round(height * scale)), max(16, round(width * scale)))
            if side == (height, width):
                return pixels
        return ops.clip(ops.image.resize(pixels, side, antialias=True, data_format="channels_last"), 0.0, 1.0)

    def _run(self, before: Any, light: Any) -> dict[str, Any]:
        named = {self._port.picture.name: before, self._port.light.name: light}
        outputs = self.network.infer(named)
        source = self._port.source_light
        return {
            "relit": ops.cast(outputs["relit"], "float32"),
            "source_light": ops.cast(outputs[source.name], "float32"),
        }

    def _check(self, images: Any) -> None:
        if len(images.shape) not in (3, 4) or images.shape[-1] != 3:
            raise RelightError(
                f"RandomRelight takes pictures (H, W, 3) or (B, H, W, 3), not of shape {tuple(images.shape)}."
            )
        kind = keras.backend.standardize_dtype(images.dtype)
        if kind in ("bool", "string") or kind.startswith("complex"):
            raise RelightError(f"RandomRelight takes pictures of numbers, not of type {kind}.")
        if not hasattr(images, "numpy"):
            return  # symbolic: its values are not known yet
        try:
            values = np.asarray(images)
        except (TypeError, ValueError, NotImplementedError):
            return
        least, most = float(np.min(values, initial=0)), float(np.max(values, initial=0))
        wanted = self.value_range
        if not (np.isfinite(least) and np.isfinite(most)) or least < wanted[0] or most > wanted[1]:
            raise RelightError(
                f"RandomRelight was told value_range={wanted}, but the pictures lie in {least:g}..{most:g}: "
                "give the range that they have."
            )


def _loaded(weights: str | None) -> Any:
    """Return the loaded network, if it is one that the layer can use."""
    from tf_relight.methods.trained import load_model

    chosen = weights or methods.get(PORTRAIT_METHOD).info.default_weights
    assert chosen is not None, "the usual portrait method ships weights"
    loaded = load_model(chosen)
    info = loaded.method.info
    relit, light = info.output("relit"), info.light
    good = relit is not None and relit.kind == "lightness" and info.source_light is not None
    if not good or light is None or light.channels != 1 or light.domain != "lightness":
        raise RelightError(
            f"RandomRelight needs a portrait method that relights lightness and reads the light, such as "
            f"{PORTRAIT_METHOD}; '{loaded.method.name}' is none."
        )
    return loaded


class _Bank:
    """Lights as arrays: what the graph needs of each."""

    def __init__(self, lights: Sequence[Light]) -> None:
        told = [light.grey("lightness") for light in lights]
        scale = [(max(light.luminance[0], 1e-6) / USUAL_AMBIENT) ** EXPONENT for light in lights]
        sides = [_sides(light) for light in lights]
        self.coloured = any(np.ptp(side) >= 1e-3 * side.mean() for pair in sides for side in pair)
        self._columns = {
            "numbers": np.stack(told),
            "scale": np.array(scale),
            "face": np.array([on_a_face(each) for each in told]),
            "brightest": np.array([brightest(each) for each in told]),
            "shadow": np.stack([pair[0] for pair in sides]),
            "lit": np.stack([pair[1] for pair in sides]),
        }

    def of(self, places: Any) -> dict[str, Any]:
        """Return the columns of the lights at `places` (B,)."""
        return {
            name: ops.take(ops.convert_to_tensor(values.astype(np.float32)), places, axis=0)
            for name, values in self._columns.items()
        }


def _sides(light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Return what the darkest and the brightest visible surface receive, as `light_tint` tells it."""
    told = CALMED[BAND][:, None] * light.told_in("linear").coefficients
    received = np.maximum(shading(visible_normals(), told), 0)
    brightness = received.mean(axis=1)
    return received[brightness.argmin()] + 1e-3, received[brightness.argmax()] + 1e-3


def _exposed(bank: dict[str, Any], own: Any) -> tuple[Any, Any, Any]:
    """As `light_range.exposed` for a batch: the lights (B, 9), the pictures' own (B, 9), and gains (B,)."""
    seen = ops.convert_to_tensor(basis(visible_normals()).astype(np.float32))
    weights = ops.convert_to_tensor(face_weights().astype(np.float32))

    def shades(light: Any) -> Any:
        return ops.matmul(light, ops.transpose(seen))

    def loudest(light: Any) -> Any:
        return ops.maximum(ops.max(shades(light), axis=-1), 1e-6)

    even = ops.convert_to_tensor(np.eye(1, COEFFICIENTS, dtype=np.float32) * USUAL_LEVEL)
    usual = ops.where(own[:, :1] < LEAST_READ, even, _in_range(own, loudest))
    exposure = ops.minimum(
        ops.sum(shades(usual) * weights, axis=-1) / ops.maximum(bank["face"], 1e-6),
        MOST_MORE * usual[:, 0] / ops.maximum(bank["numbers"][:, 0], 1e-6),
    )
    exposure = ops.minimum(exposure, BRIGHTER_SIDE * loudest(usual) / bank["brightest"])
    numbers, gain = _levelled(bank["numbers"] * (exposure * bank["scale"])[:, None], loudest)
    own_numbers, own_gain = _levelled(usual, loudest)
    return numbers, own_numbers, gain / own_gain


def _levelled(light: Any, loudest: Any) -> tuple[Any, Any]:
    first = ops.maximum(light[:, 0], 1e-6)
    scale = ops.minimum(ops.clip(first, *LEVELS) / first, BRIGHTEST / loudest(light))
    return light * scale[:, None], 1 / scale


def _in_range(light: Any, loudest: Any) -> Any:
    (least, most), (lowest, highest) = TRAINED_ON, FARTHEST
    first = ops.maximum(light[:, 0], 1e-6)
    above = highest - (highest - most) * ops.exp(ops.minimum(most - first, 0.0) / (highest - most))
    below = lowest + (least - lowest) * ops.exp(ops.minimum(first - least, 0.0) / (least - lowest))
    wanted = ops.where(first > most, above, ops.where(first < least, below, first))
    light = light * (wanted / first)[:, None]
    return light * ops.minimum(1.0, BRIGHTEST / loudest(light))[:, None]


def _tint(bank: dict[str, Any], factor: Any) -> Any:
    """Return the colour (B, h, w, 3), luminance 1, that the lights lend where light changes by `factor`."""
    full = ops.quantile(factor, 0.95, axis=(1, 2, 3), keepdims=True)
    shadow, lit = bank["shadow"][:, None, None, :], bank["lit"][:, None, None, :]
    darkest, most = luminance(shadow), luminance(lit)
    share = ops.clip((most * factor / full - darkest) / ops.maximum(most - darkest, 1e-3), 0.0, 1.0)
    colour = shadow + share * (lit - shadow)
    return colour / luminance(colour)
