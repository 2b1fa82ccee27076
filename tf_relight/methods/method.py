"""The handle of a method: every other part of the toolkit works with it, and goes into networks through it.

A method lives in one folder `methods/<family>/`. Its `__init__.py` holds the data (VARIANTS, Config, Recipe,
stages, weight_map, and where it starts from other methods with more tensors `begin_from`), its `networks.py`
holds everything that needs Keras (build_model and the networks). Two hooks are optional there:
`predict(model, inputs, mode)` for methods with `MODES`, and `relight_paper(model, image_u8, light)`, the
recipe of an official demo.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from tf_relight.contract.card import COEFFICIENTS, MethodInfo, Port
from tf_relight.contract.stage import Stage
from tf_relight.errors import RelightError
from tf_relight.networks.prepared import PreparedNetwork
from tf_relight.networks.running import run_once
from tf_relight.photo.colour import lab_to_rgb, rgb_to_lab
from tf_relight.photo.picture import resize

if TYPE_CHECKING:
    import keras

_KERAS = threading.Lock()
"""Keras models are called by one thread at a time; prepared networks by any number."""


@dataclass(frozen=True)
class Method:
    """A row of the method table: the handle that every other part of the toolkit works with."""

    name: str
    module_name: str

    @property
    def module(self) -> ModuleType:
        """The family's data module; importing it does not import Keras."""
        return importlib.import_module(self.module_name)

    @property
    def networks(self) -> ModuleType:
        """The family's network module; importing it imports Keras."""
        return importlib.import_module(f"{self.module_name}.networks")

    @property
    def info(self) -> MethodInfo:
        """The card of this variant."""
        return self.module.VARIANTS[self.name]

    @property
    def config_class(self) -> type[BaseModel]:
        """Pydantic model of the network."""
        return self.module.Config

    @property
    def recipe_class(self) -> type[BaseModel]:
        """Pydantic model of the training recipe."""
        return self.module.Recipe

    def config(self, values: Mapping[str, Any] | None = None) -> BaseModel:
        """Return the network's Config: the variant's defaults, overridden by `values`.

        Raises:
            pydantic.ValidationError: an unknown key or a value out of range.
        """
        return self.config_class(**{**self.info.defaults, **(values or {})})

    def small_config(self) -> BaseModel:
        """Return the Config of a network for tests, quick on one core."""
        return self.config(self.info.small)

    def recipe(self, values: Mapping[str, Any] | None = None) -> BaseModel:
        """Return the training Recipe; raises pydantic.ValidationError like `config`."""
        return self.recipe_class(**(values or {}))

    def stages(self, config: BaseModel, recipe: BaseModel) -> list[Stage]:
        """Return the training stages in order."""
        return self.module.stages(config, recipe)

    def begin_from(
        self,
        tensors: Mapping[str, np.ndarray],
        theirs: Mapping[str, Any],
        config: BaseModel,
        fresh: Mapping[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Return the tensors that training begins with, from weights of a method of `info.starts_from`.

        They are the same tensors unless the family has a `begin_from` that knows better.

        Args:
            tensors: of the weights. theirs: their network's Config. config: of this network.
            fresh: of this network as it was made.

        Raises:
            RelightError: weights that this network cannot begin from.
        """
        own = getattr(self.module, "begin_from", None)
        return dict(tensors) if own is None else own(tensors, theirs, config, fresh)

    def weight_map(self, config: BaseModel) -> dict[str, str]:
        """Return {official tensor name: our variable path}."""
        return self.module.weight_map(config)

    def build_model(self, config: BaseModel | None = None) -> keras.Model:
        """Return the built network."""
        return self.networks.build_model(config or self.config())

    @property
    def modes(self) -> tuple[str, ...]:
        """How a picture may go through the network, for methods that know several ways."""
        return tuple(getattr(self.module, "MODES", ()))

    def check_mode(self, mode: str | None) -> None:
        """Raise RelightError, with the known ones, unless `mode` is None or one of `modes`; without Keras."""
        if mode is not None and mode not in self.modes:
            if not self.modes:
                raise RelightError(f"Method '{self.name}' has no modes: leave out '{mode}'.")
            raise RelightError(f"Method '{self.name}' knows the modes {', '.join(self.modes)}, not '{mode}'.")

    def needs(self, stages: Sequence[Stage]) -> tuple[str, ...]:
        """Return the fields that the batches of these stages must hold, those of the inputs first."""
        inputs = [port.batch_field for port in self.info.inputs if port.in_batches]
        others = {name for stage in stages for name in stage.needs(())} - set(inputs)
        return (*inputs, *sorted(others))

    def predict(
        self, model: keras.Model | PreparedNetwork, *, mode: str | None = None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Run the networks on one picture: the only call into them.

        Args:
            model: a `PreparedNetwork` runs squares of its sizes by LiteRT, and leaves the rest to Keras.
            mode: one of `modes`; None takes the method's usual way.
            inputs: a value for each input of the card, without a batch axis; see `Port`.

        Returns:
            the outputs of the card by name, float32, as the network gives them: not clipped.

        Raises:
            RelightError: an input that is missing, unknown or of another shape, a picture that is too small,
                an unknown mode, or networks that do not give what the card says.
        """
        self.check_mode(mode)
        ports = {port.name: port for port in self.info.inputs}
        wrong = sorted(set(ports) ^ set(inputs))
        if wrong:
            raise RelightError(f"Method '{self.name}' takes {', '.join(ports)}, not {', '.join(inputs)}.")
        given = {name: self._checked(port, inputs[name]) for name, port in ports.items()}
        shape = given[self.info.picture.name].shape[:2]
        small, smallest = min(shape), getattr(model, "smallest", 1)
        if small < smallest:
            raise RelightError(
                f"The picture has a side of {small} pixels, this network needs at least {smallest}."
            )
        found = model.run(given) if isinstance(model, PreparedNetwork) and mode is None else None
        if found is None:
            model = self._keras(model, f"pictures of {' x '.join(map(str, shape))}" if mode is None else mode)
            own = getattr(self.networks, "predict", None)
            with _KERAS:
                found = run_once(model, given) if own is None else own(model, given, mode)
        self._check_outputs({name: value.shape for name, value in found.items()})
        return found

    def check_networks(self, model: keras.Model) -> None:
        """Compare the card with the networks, on an empty picture.

        Raises:
            RelightError: they take or give something else than the card says.
        """
        side = max(getattr(model, "smallest", 1), 2 * self.info.size_multiple)
        shapes = {port.name: tuple(side if n is None else n for n in port.shape) for port in self.info.inputs}
        inputs = {name: np.zeros((1, *shape), np.float32) for name, shape in shapes.items()}
        try:
            outputs = model.infer(inputs, training=False)
        except KeyError as error:
            raise RelightError(
                f"The networks of '{self.name}' ask for an input {error}, which its card does not have: "
                f"it has {', '.join(shapes)}."
            ) from error
        self._check_outputs({name: tuple(value.shape[1:]) for name, value in outputs.items()})

    def _check_outputs(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for port in self.info.outputs:
            if port.name not in shapes or not port.fits(shapes[port.name]):
                got = shapes.get(port.name, "nothing")
                raise RelightError(
                    f"The card of '{self.name}' says that '{port.name}' is {port.kind} of shape "
                    f"{port.shape}, but its networks give {got}. Mend the card or the networks."
                )

    def _checked(self, port: Port, value: np.ndarray) -> np.ndarray:
        value = np.asarray(value, np.float32)
        if not port.fits(value.shape):
            raise RelightError(
                f"Method '{self.name}' takes '{port.name}' as {port.kind} of shape {port.shape}, not "
                f"{value.shape}."
            )
        return value

    def relight(
        self,
        model: keras.Model,
        image: np.ndarray,
        light: np.ndarray | None = None,
        *,
        mode: str | None = None,
    ) -> np.ndarray:
        """Relight one picture at its own size.

        Networks that relight lightness get L of Lab, and a and b stay.

        Args:
            image: (H, W, 3) float32 sRGB 0..1.
            light: (9, C) as the card's light, or (9,) for a grey one, for methods that take a light.
            mode: one of `modes`; None takes the method's usual way.

        Returns:
            (H, W, 3) float32 sRGB; colours that leave sRGB are clipped to 0..1.

        Raises:
            RelightError: a light for a method that takes none, or none for one that needs it, a method that
                does not relight, or what `predict` raises.
        """
        info = self.info
        if (light is None) == info.takes_light:
            wrong = "needs a light" if light is None else "takes no light: its light is fixed"
            raise RelightError(f"Method '{self.name}' {wrong}.")
        relit = info.output("relit")
        if relit is None:
            raise RelightError(
                f"Method '{self.name}' gives {', '.join(p.name for p in info.outputs)}, no relit picture."
            )
        inputs = {info.picture.name: self.picture_input(image)}
        if info.light is not None and light is not None:
            inputs[info.light.name] = light_input(info.light, light)
        output = self.predict(model, mode=mode, **inputs)["relit"]
        return (
            with_lightness(image, output[..., 0]) if relit.kind == "lightness" else np.clip(output, 0.0, 1.0)
        )

    def picture_input(self, image: np.ndarray) -> np.ndarray:
        """Return a picture (H, W, 3) sRGB 0..1 as the networks take it: itself, or its L of Lab (H, W, 1)."""
        if self.info.picture.kind == "srgb":
            return np.asarray(image, np.float32)
        return rgb_to_lab(np.clip(image, 0.0, 1.0))[..., :1] / np.float32(100.0)

    def estimate_light(self, model: keras.Model, image: np.ndarray) -> np.ndarray:
        """Return the light of a picture (H, W, 3) sRGB 0..1: (9, C) float32, frame "dpr", as the card says.

        Pictures larger than the method's native size are made smaller first.

        Raises:
            RelightError: the method does not estimate light.
        """
        port = self.info.source_light
        if port is None:
            raise RelightError(f"Method '{self.name}' does not estimate light. Use dpr512 or dpr1024.")
        image = np.clip(image, 0.0, 1.0).astype(np.float32)
        scale = min(1.0, self.info.native_size / max(image.shape[:2]))
        small = resize(image, tuple(max(1, round(side * scale)) for side in image.shape[:2]))
        inputs: dict[str, Any] = {self.info.picture.name: self.picture_input(small)}
        if self.info.light is not None:
            # The light is read before another one is written, so any target will do.
            inputs[self.info.light.name] = np.zeros((COEFFICIENTS, self.info.light.channels), np.float32)
        return self.predict(model, **inputs)[port.name]

    def relight_paper(self, model: keras.Model, image_u8: np.ndarray, light: np.ndarray) -> np.ndarray:
        """Relight a picture (H, W, 3) uint8 sRGB exactly as the official demo does; returns the same.

        Raises:
            RelightError: the method has no official demo.
        """
        demo = getattr(self.networks, "relight_paper", None)
        if demo is None:
            raise RelightError(f"Method '{self.name}' has no official demo to follow: leave out --paper.")
        return demo(self._keras(model, "the official demo"), image_u8, light)

    @staticmethod
    def _keras(model: Any, why: str) -> Any:
        return model.keras(why) if isinstance(model, PreparedNetwork) else model


def light_input(port: Port, light: np.ndarray) -> np.ndarray:
    """Return a light (9,), (9, 1) or (9, 3) as a port takes it.

    Raises:
        RelightError: another shape, or colour for a network that knows grey light only.
    """
    light = np.asarray(light, np.float32)
    light = light[:, None] if light.ndim == 1 else light
    if light.ndim == 2 and light.shape[1] == 1 and port.channels == 3:
        light = np.repeat(light, 3, axis=1)
    if not port.fits(light.shape):
        raise RelightError(f"The network takes a light of shape {port.shape}, not {light.shape}.")
    return light


def with_lightness(image: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) sRGB with another L of Lab, (H, W) 0..1; clipped to sRGB."""
    lab = rgb_to_lab(np.clip(image, 0.0, 1.0))
    lab[..., 0] = 100.0 * lightness
    return np.clip(lab_to_rgb(lab), 0.0, 1.0)
