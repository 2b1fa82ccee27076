"""What a method module exports, as plain data: no Keras, so that listing and checking stay fast.

A method lives in one folder `methods/<family>/`. Its `__init__.py` holds the data (VARIANTS, Config, Recipe,
stages, weight_map), its `networks.py` holds everything that needs Keras (build_model, relight).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tf_relight.contract.card import MethodInfo
from tf_relight.contract.stage import Stage
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    import keras
    import numpy as np


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

    def recipe(self, values: Mapping[str, Any] | None = None) -> BaseModel:
        """Return the training Recipe; raises pydantic.ValidationError like `config`."""
        return self.recipe_class(**(values or {}))

    def stages(self, config: BaseModel, recipe: BaseModel) -> list[Stage]:
        """Return the training stages in order."""
        return self.module.stages(config, recipe)

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

    def relight(
        self,
        model: keras.Model,
        image: np.ndarray,
        light: np.ndarray | None = None,
        *,
        mode: str | None = None,
    ) -> np.ndarray:
        """Relight one picture at its own size.

        Args:
            image: (H, W, 3) float32 sRGB 0..1.
            light: (9,) luminance coefficients, frame "dpr", for methods whose `info.light` is not "none".
            mode: one of `modes`; None takes the method's usual way.

        Returns:
            (H, W, 3) float32 sRGB 0..1.

        Raises:
            RelightError: a light for a method that takes none, or none for one that needs it, or a mode that
                the method does not know.
        """
        if (light is None) != (self.info.light == "none"):
            wrong = "needs a light" if light is None else "takes no light: its light is fixed"
            raise RelightError(f"Method '{self.name}' {wrong}.")
        self.check_mode(mode)
        if mode is None:
            return self.networks.relight(model, image, light)
        return self.networks.relight(model, image, light, mode=mode)

    def estimate_light(self, model: keras.Model, image: np.ndarray) -> np.ndarray:
        """Return the light of a picture (H, W, 3) sRGB 0..1: (9,) luminance coefficients, frame "dpr".

        Raises:
            RelightError: the method does not estimate light.
        """
        estimate = getattr(self.networks, "estimate_light", None)
        if estimate is None:
            raise RelightError(f"Method '{self.name}' does not estimate light. Use dpr512 or dpr1024.")
        return estimate(model, image)
