"""Which lights augmentation draws from, as data: lamps, presets and environment maps, and how strongly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, Field, ModelWrapValidatorHandler, ValidationError, ValidationInfo
from pydantic import field_validator as check_field
from pydantic import model_validator as check_model

from tf_relight.config.file import read_mapping
from tf_relight.config.mistakes import sentence
from tf_relight.contract.values import FrozenModel, Place, Real
from tf_relight.errors import RelightError, many, suggest
from tf_relight.light.lamps import Lamp, kelvin_tint, mixed
from tf_relight.light.light import Light
from tf_relight.light.presets import PRESETS

Range = tuple[Real, Real]
"""Least and most; equal for a value that does not vary."""
_BOUNDS = {
    "azimuth": (-180.0, 180.0),
    "elevation": (-90.0, 90.0),
    "softness": (0.0, 1.0),
    "ambient": (0.0, 1.0),
    "temperature": (1000.0, 15000.0),
    "strength": (0.0, 1.0),
}


def _in_bounds(name: str, given: Range) -> Range:
    least, most = _BOUNDS[name]
    if not least <= given[0] <= given[1] <= most:
        raise ValueError(f"{name} {list(given)} is no range within {least:g}..{most:g}: write [least, most]")
    return given


class Lamps(FrozenModel):
    """Random lamps over even light, told as `Light.from_direction` is.

    Attributes:
        azimuth, elevation: degrees; 0 is the camera, 90 the picture's right; elevation goes up.
        softness: 0 is the sun, 1 half of the sky.
        ambient: share of even light.
        temperature: kelvin of each lamp; None is neutral.
        second: how often a second, weaker lamp is added, 0..1.
    """

    azimuth: Range = (-90.0, 90.0)
    elevation: Range = (-20.0, 60.0)
    softness: Range = (0.0, 0.4)
    ambient: Range = (0.1, 0.4)
    temperature: Range | None = None
    second: Annotated[Real, Field(ge=0, le=1)] = 0.25

    @check_field("azimuth", "elevation", "softness", "ambient", "temperature")
    @classmethod
    def _within(cls, given: Range | None, info: Any) -> Range | None:
        return None if given is None else _in_bounds(info.field_name, given)


_ITSELF = "The light distribution"
_TOLD_BY_OF = {"told by": "of"}
"""What `of` gives along, as it names the file where the values came from one."""


class LightDistribution(FrozenModel):
    """Lights to draw from.

    Attributes:
        lamps: random lamps, or None for none.
        presets: names of `Light.from_preset`; ["*"] takes all.
        maps: environment maps (.hdr, .exr); each is turned at random.
        shares: how often lamps, presets and maps are drawn, beside one another.
        strength: how much of the change is shown; 1 is all of it.

    Example:
        >>> lights = LightDistribution(lamps=None, presets=["rembrandt", "split"])
        >>> [round(light.angles[0]) for light in lights.draw(3, seed=1)]
        [-90, -90, -55]
    """

    lamps: Lamps | None = Lamps()
    presets: tuple[str, ...] = ()
    maps: tuple[Place, ...] = ()
    shares: dict[str, Annotated[Real, Field(ge=0)]] = Field(
        default_factory=lambda: {"lamps": 1.0, "presets": 1.0, "maps": 1.0}
    )
    strength: Range = (0.6, 1.0)

    @check_field("presets")
    @classmethod
    def _known_presets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(PRESETS) if names == ("*",) else names
        for name in names:
            if name not in PRESETS:
                raise ValueError(f"'{name}' is no preset.{suggest(name, PRESETS)} See `relight light --list`")
        return names

    @check_field("strength")
    @classmethod
    def _strength_within(cls, given: Range) -> Range:
        return _in_bounds("strength", given)

    @check_field("shares")
    @classmethod
    def _known_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        for name in shares:
            if name not in ("lamps", "presets", "maps"):
                raise ValueError(f"shares are those of lamps, presets and maps, not of '{name}'")
        return shares

    @check_model(mode="after")
    def _not_empty(self) -> LightDistribution:
        if not self._kinds():
            raise ValueError(
                "the light distribution is empty: give lamps, presets or maps, and a share above 0"
            )
        return self

    @check_model(mode="wrap")
    @classmethod
    def _told(cls, values: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Say in our sentences what is wrong, unless `of` asks, which says where they come from."""
        try:
            return handler(values)
        except ValidationError as error:
            if info.context == _TOLD_BY_OF:
                raise
            raise many(f"{_ITSELF} has mistakes:", cls._sentences(error)) from error

    @classmethod
    def _sentences(cls, error: ValidationError) -> list[str]:
        known: dict[str, type[BaseModel]] = {"": cls, "lamps": Lamps}
        return [sentence(mistake, (), known) for mistake in error.errors()]

    def _kinds(self) -> dict[str, float]:
        here = {"lamps": self.lamps is not None, "presets": bool(self.presets), "maps": bool(self.maps)}
        return {
            name: self.shares.get(name, 0.0) for name in here if here[name] and self.shares.get(name, 0.0)
        }

    @classmethod
    def of(cls, given: LightDistribution | Mapping[str, Any] | Path | str | None) -> LightDistribution:
        """Return the distribution that is meant: one, its values, a YAML file, or None for the usual one.

        Raises:
            RelightError: a sentence per mistake, all together.
        """
        if given is None:
            return cls()
        if isinstance(given, LightDistribution):
            return given
        name = _ITSELF
        problems: list[str] = []
        if isinstance(given, str | Path):
            name = str(given)
            values, problems = read_mapping(
                Path(given), what="a light distribution", needs="one of 'lamps', 'presets' and 'maps'"
            )
        elif isinstance(given, Mapping):
            values = dict(given)
        else:
            raise RelightError(
                "Lights are a LightDistribution, its values as a dict, or a YAML file; "
                f"a {type(given).__name__} came."
            )
        try:
            found = cls.model_validate(values, context=_TOLD_BY_OF)
        except ValidationError as error:
            problems += cls._sentences(error)
        if problems:
            raise many(f"{name} has mistakes:", problems)
        return found

    def draw(self, count: int, seed: int) -> list[Light]:
        """Return so many lights; the same seed always gives the same ones, and more of them begin alike.

        Raises:
            RelightError: an environment map cannot be read.
        """
        random = np.random.default_rng(seed)
        kinds = self._kinds()
        shares = np.array(list(kinds.values()))
        maps = [Light.from_hdr(path) for path in self.maps] if "maps" in kinds else []
        drawn: list[Light] = []
        while len(drawn) < count:
            kind = random.choice(list(kinds), p=shares / shares.sum())
            if kind == "presets":
                drawn.append(Light.from_preset(str(random.choice(self.presets))))
            elif kind == "maps":
                drawn.append(maps[random.integers(len(maps))].rotate(azimuth=random.uniform(-180, 180)))
            else:
                drawn.append(self._of_lamps(random))
        return drawn

    def _of_lamps(self, random: np.random.Generator) -> Light:
        told = self.lamps
        assert told is not None
        count = 2 if random.random() < told.second else 1
        lamps = [
            Lamp(
                random.uniform(*told.azimuth),
                random.uniform(*told.elevation),
                1.0 if place == 0 else random.uniform(0.2, 0.6),
                None if told.temperature is None else random.uniform(*told.temperature),
                softness=random.uniform(*told.softness),
            )
            for place in range(count)
        ]
        return Light(mixed(lamps, random.uniform(*told.ambient), kelvin_tint(None)))
