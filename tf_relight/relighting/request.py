"""What a user asks of one relit picture, in one value that every command passes on."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, TypedDict

from tf_relight.errors import RelightError

if TYPE_CHECKING:
    from tf_relight.contract.card import MethodInfo
    from tf_relight.light.light import Light

SMALLEST_SIZE = 16
COLDEST, WARMEST = 15_000, 1_000
"""Kelvin; the range of the black-body fit in `colour.planckian_rgb`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RelightOptions:
    """How a picture is relit.

    Attributes:
        light: the new light, for methods that take one.
        strength: 0 returns the photo, 1 the full change.
        size: long side in pixels at which the network works; None takes the size it was trained at.
        temperature: colour of the new light in kelvin; 6500 is neutral, less is warmer. None takes the
            light's own colour.
        keep_background: change the person only.
        sphere: draw a ball under the new light into the lower right corner.
        paper: do exactly what the method's official demo does, on the whole picture.
        mode: how the picture goes through a network that knows several ways, such as DRN's "polyphase4"; None
            takes the usual one.
        strip: write pixels only, without what the photo's file says beside them (EXIF, XMP, IPTC, dpi, text).

    Raises:
        RelightError: a value out of range, or options that contradict one another.
    """

    light: Light | None = None
    strength: float = 1.0
    size: int | None = None
    temperature: float | None = None
    keep_background: bool = False
    sphere: bool = False
    paper: bool = False
    mode: str | None = None
    strip: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not isinstance(self.strength, Real) or not 0 <= self.strength <= 1:
            raise RelightError(f"Strength {self.strength} is outside 0..1.")
        if self.size is not None and self.size < SMALLEST_SIZE:
            raise RelightError(f"Size {self.size} is too small for a network. Give at least {SMALLEST_SIZE}.")
        if self.temperature is not None and not WARMEST <= self.temperature <= COLDEST:
            raise RelightError(
                f"Temperature {self.temperature:g} K is outside {WARMEST}..{COLDEST} K. "
                "6500 is neutral, 3000 is warm."
            )
        changed = {
            "--strength": self.strength != 1,
            "--size": self.size is not None,
            "--temperature": self.temperature is not None,
            "--keep-background": self.keep_background,
        }
        given = [name for name, is_given in changed.items() if is_given]
        if self.paper and given:
            raise RelightError(
                f"--paper repeats the official demo, which has no {' and no '.join(given)}. "
                f"Leave out --paper or {' and '.join(given)}."
            )

    def check_method(self, name: str, info: MethodInfo) -> None:
        """Raise RelightError when the method needs a light that is missing, or takes none.

        Args:
            name: of the method, for the sentence.
        """
        if info.takes_light:
            if self.light is None:
                raise RelightError(
                    f"Method '{name}' needs a light. Give --from (left, right, above, ...), --azimuth and "
                    "--elevation, --light (a preset, a file or a VIDIT code) or --light-from PHOTO."
                )
            return
        asked = {
            "other light": self.light is not None,
            "--temperature": self.temperature is not None,
            "--keep-background": self.keep_background,
            "--sphere": self.sphere,
            "--paper": self.paper,
        }
        given = [words for words, is_given in asked.items() if is_given]
        if given:
            raise RelightError(
                f"Method '{name}' makes the one light it was trained for; it takes no "
                f"{' and no '.join(given)}. Leave that out, or leave out --method for portraits."
            )


class ChangeOptions(TypedDict, total=False):
    """The fields of `RelightOptions` but for the light, as named arguments of a call."""

    strength: float
    size: int | None
    temperature: float | None
    keep_background: bool
    sphere: bool
    paper: bool
    mode: str | None
    strip: bool


class NamedOptions(ChangeOptions, total=False):
    """The fields of `RelightOptions` as named arguments of a call."""

    light: Light | None
