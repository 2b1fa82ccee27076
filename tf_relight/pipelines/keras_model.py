"""A trained network as a Keras model like any other: pictures in, pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tf_relight import methods
from tf_relight.contract.card import COEFFICIENTS
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.pipelines.colour_ops import lightness, with_lightness


@keras.saving.register_keras_serializable(package="tf_relight")
class PictureModel(keras.Model):
    """A method's network that takes and gives sRGB pictures.

    Takes (B, H, W, 3) float sRGB 0..1, and where the method takes a light a dict {"image": pictures,
    "light": (B, 9, C)}, the light as `lights` makes it. Gives (B, H, W, 3), float32 0..1; a method without a
    relit picture gives a dict of its outputs. `compile`, `fit`, `evaluate`, `predict`, `save` and
    `keras.saving.load_model` work as for every Keras model.
    """

    def __init__(self, method: str, config: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Build the network without trained weights; `load` fills it.

        Args:
            method: a name from the table of methods. config: values of its Config.
        """
        kwargs.setdefault("name", method)
        super().__init__(**kwargs)
        self.method_name = method
        self.settings = dict(config or {})
        chosen = methods.get(method)
        self.card = chosen.info
        self.network = chosen.build_model(chosen.config(self.settings))
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to be made."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Relight a batch.

        Raises:
            RelightError: a light that is missing, or pictures of another shape.
        """
        card = self.card
        given = inputs if isinstance(inputs, dict) else {"image": inputs}
        wanted = {"image"} | ({"light"} if card.light is not None else set())
        if set(given) != wanted:
            raise RelightError(
                f"'{self.method_name}' takes {' and '.join(sorted(wanted))}, not {', '.join(sorted(given))}."
                + (' Give {"image": pictures, "light": model.lights(...)}.' if "light" in wanted else "")
            )
        image = ops.cast(given["image"], "float32")
        if len(image.shape) != 4 or image.shape[-1] != 3:
            raise RelightError(f"Pictures come as (B, H, W, 3), not {tuple(image.shape)}.")
        named = {card.picture.name: lightness(image) if card.picture.kind == "lightness" else image}
        if card.light is not None:
            named[card.light.name] = ops.cast(given["light"], "float32")
        outputs = self.network.infer(named, training=bool(training))
        relit = card.output("relit")
        if relit is None:
            return outputs
        if relit.kind == "lightness":
            return with_lightness(image, outputs["relit"])
        return outputs["relit"] if training else ops.clip(outputs["relit"], 0.0, 1.0)

    def lights(self, lights: Light | Sequence[Light]) -> NDArray[np.float32]:
        """Return lights as the model takes them, (B, 9, C) float32.

        Raises:
            RelightError: the method takes no light.
        """
        port = self.card.light
        if port is None:
            raise RelightError(f"'{self.method_name}' takes no light: its light is fixed.")
        told = [lights] if isinstance(lights, Light) else list(lights)
        if not told:
            raise RelightError("There are no lights: give at least one.")
        if port.channels == 1:
            values = [each.grey(port.domain)[:, None] for each in told]
        else:
            values = [each.told_in(port.domain).coefficients for each in told]
        return np.stack(values).astype(np.float32).reshape(len(told), COEFFICIENTS, port.channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "method": self.method_name, "config": self.settings}


def load(name: Path | str) -> PictureModel:
    """Return a trained network as a Keras model that takes and gives sRGB pictures.

    Args:
        name: a method with weights that ship ("lit_unet"), known weights ("dmshn-scenes-256-v2"), or a
            weights file of a run.

    Raises:
        RelightError: no such name or file, or weights that are not here.

    Example:
        >>> import numpy as np
        >>> import tf_relight
        >>> model = tf_relight.load("lit_unet")
        >>> pictures = np.full((2, 64, 64, 3), 0.5, np.float32)
        >>> left = model.lights([tf_relight.Light.from_direction(-90, 20)] * 2)
        >>> model.predict({"image": pictures, "light": left}, verbose=0).shape
        (2, 64, 64, 3)
    """
    from tf_relight.methods.trained import load_model

    chosen: Path | str = name
    if str(name) in methods.names():
        info = methods.get(str(name)).info
        if info.default_weights is None:
            raise RelightError(f"No weights ship with '{name}': give a weights file, or train it.")
        chosen = info.default_weights
    loaded = load_model(chosen)
    model = PictureModel(loaded.method.name, loaded.config.model_dump(mode="json"))
    model.network.set_weights(loaded.model.get_weights())
    return model
