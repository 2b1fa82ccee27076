"""The forty lights of VIDIT: eight directions on a ring, five colour temperatures."""

from __future__ import annotations

from dataclasses import dataclass

from tf_relight.errors import RelightError, suggest

DIRECTIONS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
"""Where the light stands: N = far side, E = image right, S = camera side, W = image left."""

TEMPERATURES = (2500, 3500, 4500, 5500, 6500)
"""Colour temperatures in kelvin."""

LIGHT_COUNT = len(DIRECTIONS) * len(TEMPERATURES)
"""Number of lights per scene: 40."""

_MIRROR = {"E": "W", "W": "E"}


@dataclass(frozen=True)
class ViditLight:
    """One of the forty lights, such as N_6500.

    Source: El Helou et al., "VIDIT: Virtual Image Dataset for Illumination Transfer", 2020, section 2.
    """

    direction: str
    temperature: int

    def __post_init__(self) -> None:
        """Refuse a light that VIDIT does not have."""
        if self.direction not in DIRECTIONS or self.temperature not in TEMPERATURES:
            raise RelightError(_unknown(f"{self.direction}_{self.temperature}"))

    @classmethod
    def parse(cls, text: str) -> ViditLight:
        """Read "NW_4500"; "4500_NW" as in file names is accepted too.

        Raises:
            RelightError: the text names no VIDIT light.
        """
        parts = str(text).strip().upper().split("_")
        if len(parts) == 2 and parts[0].isdigit():
            parts.reverse()
        if len(parts) != 2 or not parts[1].isdigit():
            raise RelightError(_unknown(str(text)))
        direction, temperature = parts[0], int(parts[1])
        if direction not in DIRECTIONS or temperature not in TEMPERATURES:
            raise RelightError(_unknown(str(text)))
        return cls(direction, temperature)

    @classmethod
    def from_index(cls, index: int) -> ViditLight:
        """The light whose `index` is given, 0..39."""
        if not 0 <= index < LIGHT_COUNT:
            raise RelightError(
                f"Light number {index} does not exist; VIDIT lights are 0 to {LIGHT_COUNT - 1}."
            )
        direction, temperature = divmod(index, len(TEMPERATURES))
        return cls(DIRECTIONS[direction], TEMPERATURES[temperature])

    @property
    def name(self) -> str:
        """The written form, such as "N_6500"."""
        return f"{self.direction}_{self.temperature}"

    @property
    def index(self) -> int:
        """A number 0..39: five times the direction's place plus the temperature's place."""
        return DIRECTIONS.index(self.direction) * len(TEMPERATURES) + TEMPERATURES.index(self.temperature)

    @property
    def angle(self) -> int:
        """Degrees clockwise on the ring as seen from above, N = 0, E = 90."""
        return 45 * DIRECTIONS.index(self.direction)

    def mirrored(self) -> ViditLight:
        """The light in a picture flipped left to right: E and W change places."""
        return ViditLight("".join(_MIRROR.get(letter, letter) for letter in self.direction), self.temperature)


ALL_LIGHTS = tuple(ViditLight.from_index(index) for index in range(LIGHT_COUNT))
"""The forty lights in the order of their `index`."""


def _unknown(text: str) -> str:
    names = [f"{direction}_{temperature}" for direction in DIRECTIONS for temperature in TEMPERATURES]
    return (
        f"'{text}' is no VIDIT light.{suggest(text.upper(), names)} Write one of {', '.join(DIRECTIONS)}, "
        f"an underscore, and one of {', '.join(map(str, TEMPERATURES))}, such as N_6500."
    )
