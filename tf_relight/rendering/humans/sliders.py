"""Face targets sorted into sliders: two opposite shapes, on both sides of the face where there are two."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tf_relight.rendering.humans.assets import AssetFolder

PLACES = ("head", "forehead", "eyebrows", "eyes", "ears", "nose", "cheek", "mouth", "chin", "neck")
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
UNWANTED = ("head-trans", "neck-trans", "ear-shape", "measure-")
"""What moves the whole head, or makes fairy-tale ears."""
_FREE, _PLAIN, _STRICT = 0.36, 0.29, 0.2
_STRICT_NAMES = (
    "head-scale",
    "head-age",
    "nose-scale",
    "nose-trans",
    "mouth-trans",
    "eye-trans",
    "ear-trans",
)
_FREE_PLACES = ("nose", "mouth", "chin", "cheek", "eyes")


@dataclass(frozen=True)
class Slider:
    """One way in which faces differ.

    Attributes:
        ends: for each side of the face, or for the whole face, the files of the two ends (less, more); the
            first is None where a shape has no opposite.
        spread: standard deviation of the amount among people.
    """

    ends: tuple[tuple[str | None, str | None], ...]
    spread: float


def face_sliders(folder: AssetFolder) -> list[Slider]:
    """Return the sliders of a folder's face targets, in a fixed order."""
    sides: dict[tuple[str, str, str], dict[str, dict[int, str]]] = {}
    for place in PLACES:
        for path in folder.files(f"targets/{place}/*.target.gz"):
            side, name = _split_side(path.rpartition("/")[2].removesuffix(".target.gz"))
            if name.startswith(UNWANTED):
                continue
            stem, pair, end = _split_end(name)
            sides.setdefault((place, stem, pair), {}).setdefault(side, {})[end] = path
    return [
        Slider(tuple((ends.get(0), ends.get(1)) for _, ends in sorted(found.items())), _spread(place, stem))
        for (place, stem, _), found in sorted(sides.items())
    ]


def _spread(place: str, stem: str) -> float:
    if stem.startswith(_STRICT_NAMES):
        return _STRICT
    return _FREE if place in _FREE_PLACES else _PLAIN


def _split_side(name: str) -> tuple[str, str]:
    match = re.match(r"([lr])-(.*)", name)
    return (match[1], match[2]) if match else ("", name)


def _split_end(name: str) -> tuple[str, str, int]:
    stem, _, last = name.rpartition("-")
    for pair in OPPOSITES:
        if last in pair:
            return stem, pair[0], pair.index(last)
    return name, "", 1
