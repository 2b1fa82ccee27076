"""Which pictures a run takes, and in what form: what all datasets share. Each adds its own `Options`."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler
from pydantic import field_validator as check_field
from pydantic import model_validator as check_model

from tf_relight.contract.values import FrozenModel, Place, Seed, Side, Whole
from tf_relight.data import DATASETS
from tf_relight.errors import RelightError, suggest
from tf_relight.light.vidit import ViditLight

SWITCHES = ("depth", "shadow_free")
"""Fields that datasets give only when an option of that name asks for them."""


class DataConfig(FrozenModel):
    """Which pictures, and in what form.

    Making one gives the `Options` of the dataset that `name` names, so that a key of another dataset is a
    mistake.

    Attributes:
        name: a dataset of `data.DATASETS`.
        root: folder of the pictures; embedded data render their own and need none.
        size: side in pixels that pictures are resized to; None keeps their own size.
        crop: side of random training crops; None trains on whole pictures.
        cache: folder for decoded pictures; None keeps them in memory.
        validation_scenes: scenes or subjects held out; where the root has a validation split of its own, that
            one counts.
        seed: of the held-out choice and of rendered pictures.

    Example:
        >>> DataConfig(name="heads", size=64, light_pairs=10).light_pairs
        10
    """

    name: str = "vidit"
    root: Place | None = None
    size: Side | None = 512
    crop: Side | None = None
    cache: Place | None = None
    validation_scenes: Annotated[Whole, Field(ge=0, le=10**9)] = 45
    seed: Seed = 0

    def giving(self, needs: Collection[str]) -> Self:
        """Return these options with every field switched on that is needed and has a switch of its name."""
        switches = {name: True for name in needs if type(self).model_fields.get(name) and name in SWITCHES}
        return self.model_copy(update=switches) if switches else self

    def __new__(cls, **values: Any) -> DataConfig:
        """Make the options of the dataset that is named."""
        return super().__new__(options_class(values.get("name", "vidit")) if cls is DataConfig else cls)

    @check_model(mode="wrap")
    @classmethod
    def _of_its_dataset(cls, values: Any, handler: ModelWrapValidatorHandler[DataConfig]) -> DataConfig:
        if not isinstance(values, Mapping):
            return handler(values)
        name = values.get("name", "vidit")
        own = options_class(name)
        if own is DataConfig:
            return handler({"name": name})
        if cls is DataConfig:
            return own.model_validate(values)
        return handler(_without_others(values, own))

    @check_field("name")
    @classmethod
    def _known_dataset(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"is not a dataset.{suggest(name, DATASETS)} Known: {', '.join(DATASETS)}")
        return name

    @check_field("input_light", "target_light", check_fields=False)
    @classmethod
    def _known_light(cls, name: str) -> str:
        try:
            return ViditLight.parse(name).name
        except RelightError as error:
            raise ValueError(str(error)) from error

    @check_model(mode="after")
    def _crop_fits(self) -> DataConfig:
        if self.size is not None and self.crop is not None and self.crop > self.size:
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        return self


def options_class(name: Any) -> type[DataConfig]:
    """Return the options of a dataset; those that all share where there is none of that name."""
    if not isinstance(name, str) or name not in DATASETS:
        return DataConfig
    return importlib.import_module(DATASETS[name]).Options


def owners(key: str) -> list[str]:
    """Return the datasets that have an option of this name."""
    return [name for name in DATASETS if key in options_class(name).model_fields]


def _without_others(values: Mapping[str, Any], own: type[DataConfig]) -> dict[str, Any]:
    """Leave out keys of other datasets that say nothing: files of before list them all, at their defaults."""
    kept = {}
    for key, value in values.items():
        if key not in own.model_fields:
            defaults = [options_class(name).model_fields[key].get_default() for name in owners(key)]
            if value in defaults:
                continue
        kept[key] = value
    return kept
