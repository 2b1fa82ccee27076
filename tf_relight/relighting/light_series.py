"""One photo under many lights: naming the lights, and a photo made ready for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tf_relight.errors import RelightError, shortened, suggest
from tf_relight.guarded.reading import is_file
from tf_relight.light.directions import SIDES, angles_from
from tf_relight.light.light import Light
from tf_relight.light.presets import PRESETS
from tf_relight.photo.picture import Picture, resize
from tf_relight.relighting.request import RelightOptions

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

Relighter = Callable[[Light], Picture]
"""Returns the photo under a light."""
Axis = Literal["vertical", "view"]


@dataclass(frozen=True, eq=False)
class NamedLight:
    """A light with the word it was asked for by."""

    name: str
    light: Light


def named_light(word: str, *, up: float | None = None, folder: Path | None = None) -> Light:
    """Return the light of a word: a side ("left"), or whatever `Light.parse` knows.

    Args:
        up: degrees by which lights from a side are raised; the other words have their own height.
        folder: where light files stand that are not found from the current folder.

    Raises:
        RelightError: the word means no light.
    """
    word = word.strip()
    if word in SIDES:
        return Light.from_direction(*angles_from(word, up if SIDES[word][1] == 0 else None))
    if folder is not None and not is_file(word) and is_file(folder / word):
        return Light.parse(str(folder / word))
    if suggest(word, SIDES) and not suggest(word, PRESETS) and not Path(word).suffix:
        raise RelightError(f"'{shortened(word, 60)}' is no light.{suggest(word, SIDES)}")
    return Light.parse(word)


def named_lights(words: str, up: float | None = None) -> list[NamedLight]:
    """Return the lights of words between commas, for example "left,rembrandt,my_light.txt".

    Raises:
        RelightError: a word that means no light, the same word twice, or no words.
    """
    listed = [word.strip() for word in words.split(",") if word.strip()]
    if not listed:
        raise RelightError("Name at least one light, for example --lights left,right,rembrandt.")
    twice = next((word for word in listed if listed.count(word) > 1), None)
    if twice is not None:
        raise RelightError(f"The light '{twice}' is given twice.")
    return [NamedLight(_caption(word), named_light(word, up=up)) for word in listed]


def _caption(word: str) -> str:
    return Path(word).stem if Path(word).suffix or "/" in word else word.replace("_", " ")


def once_around(light: Light, count: int, axis: Axis = "vertical") -> list[Light]:
    """Return a light turned once around in equal steps; the first is the light itself.

    Args:
        axis: "vertical" goes around the person, to the picture's right first, passing behind; "view" goes
            around the face like the hand of a clock and stays in front, as in DPR's demo.
    """
    steps = [360.0 * index / count for index in range(count)]
    if axis == "view":
        return [light.rotate(roll=step) for step in steps]
    return [light.rotate(azimuth=step) for step in steps]


def prepare(
    picture: Picture, loaded: LoadedModel, options: RelightOptions
) -> tuple[Relighter, tuple[str, ...]]:
    """Return what relights a photo, which was made ready once, and sentences for the user.

    Args:
        loaded: of a method that takes a light.
        options: all but the light, which each call brings.
    """
    # Imported here: the names of lights need none of it.
    from tf_relight.relighting.portraits import PortraitRelighter

    relighter = PortraitRelighter(picture, loaded, size=options.size)
    return lambda light: relighter.relight(replace(options, light=light)), relighter.notes


def on_white(picture: Picture) -> Picture:
    """Return an opaque picture, over white where it was transparent."""
    if picture.alpha is None:
        return picture
    pixels = picture.pixels * picture.alpha + (1 - picture.alpha)
    return replace(picture, stored=pixels, alpha=None)


def at_most(picture: Picture, long_side: int) -> Picture:
    """Return the picture made smaller so that its long side is at most so many pixels."""
    scale = long_side / max(picture.size)
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.size)
    alpha = None if picture.alpha is None else resize(picture.alpha, (height, width))
    return replace(picture, stored=resize(picture.stored, (height, width)), alpha=alpha)
