"""Which pictures a run takes, and in what form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic import field_validator as check_field
from pydantic import model_validator as check_model

from tf_relight.contract.values import FrozenModel, Interval, Place, Seed, Side, Whole
from tf_relight.data import DATASETS
from tf_relight.errors import RelightError, suggest
from tf_relight.light.vidit import ViditLight

SHADOW_FREE_DATASETS = ("vidit", "scenes")
"""The values of `data.name` that know the scene without shadows."""


class DataConfig(FrozenModel):
    """Which pictures, and in what form.

    Attributes:
        name: "vidit", "folder", "portraits" (layout of the DPR dataset), "scenes" (the embedded renderer),
            "shards" (its TFRecord files) "heads" (embedded portraits) or
            "humans" (the folder of `relight data render humans`).
        root: folder of the pictures; "scenes" and "heads" render their own and need none.
        track: VIDIT challenge that the folder comes from; "auto" reads it off the file names.
        pairing: which lights are paired: one fixed pair, any input light to one target light, or any to any.
        input_light, target_light: VIDIT names such as "N_6500": direction and colour temperature in kelvin.
        size: side in pixels that pictures are resized to; None keeps their own size.
        crop: side of random training crops; None trains on whole pictures.
        mirror: adds pictures flipped left to right, with the light's direction flipped too.
        depth: also reads depth maps (NTIRE 2021).
        shadow_free: also gives each scene without its shadows; for "scenes", and for "vidit" after
            `relight data fuse`. Training switches it on for the methods that learn from it.
        cache: folder for decoded pictures; None keeps them in memory.
        scenes: how many of the rendered "scenes" or "heads" to train on.
        validation_scenes: scenes or subjects held out; for "vidit" only where the root has no validation
            folder, for "portraits" only where it has no list of validation pairs.
        seed: of the held-out choice and of the rendered scenes.
        antialias: for "scenes", rays per pixel side.
        light_pairs: for "heads" and "humans", pairs of lights of each training head; all are different.
        coloured_light: for "heads", lights have 9 x 3 coefficients instead of 9.
        ground_truth: for "heads", samples also have normal, albedo and mask; for "humans" normal and mask.
    """

    name: str = "vidit"
    root: Place | None = None
    track: Literal["auto", "aim_1", "aim_2", "aim_3", "ntire_1", "ntire_2"] = "auto"
    pairing: Literal["one_to_one", "any_to_one", "any_to_any"] = "one_to_one"
    input_light: str = "N_6500"
    target_light: str = "E_4500"
    size: Side | None = 512
    crop: Side | None = None
    mirror: bool = False
    depth: bool = False
    shadow_free: bool = False
    cache: Place | None = None
    scenes: Interval = 300
    validation_scenes: Annotated[Whole, Field(ge=0, le=10**9)] = 45
    seed: Seed = 0
    antialias: Annotated[Whole, Field(ge=1, le=8)] = 1
    light_pairs: Annotated[Whole, Field(ge=1, le=10**6)] = 1000
    coloured_light: bool = False
    ground_truth: bool = False

    @check_field("name")
    @classmethod
    def _known_dataset(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"is not a dataset.{suggest(name, DATASETS)} Known: {', '.join(DATASETS)}")
        return name

    @check_field("input_light", "target_light")
    @classmethod
    def _known_light(cls, name: str) -> str:
        try:
            return ViditLight.parse(name).name
        except RelightError as error:
            raise ValueError(str(error)) from error

    @check_model(mode="after")
    def _has_shadow_free(self) -> DataConfig:
        if self.shadow_free and self.name not in SHADOW_FREE_DATASETS:
            raise ValueError(
                f"shadow_free works with name {' and '.join(SHADOW_FREE_DATASETS)}, not with '{self.name}'"
            )
        return self

    @check_model(mode="after")
    def _crop_fits(self) -> DataConfig:
        if self.size is not None and self.crop is not None and self.crop > self.size:
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        return self
