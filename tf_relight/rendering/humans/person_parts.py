"""All parts of one person, before they are posed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.humans.clothes import clothes_part
from tf_relight.rendering.humans.details import brow_parts, eyes_part, teeth_part
from tf_relight.rendering.humans.glasses import glasses_part
from tf_relight.rendering.humans.hair import beard_parts, draw_colour, hair_parts
from tf_relight.rendering.humans.identity import Person, shape
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.parts import Part
from tf_relight.rendering.humans.regions import CHIN_VERTEX
from tf_relight.rendering.humans.skin import skin_part

GLASSES = 0.14
"""Share of people with glasses."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A person's parts and landmarks.

    Attributes:
        parts: the skin first.
        eyes, chin: (3,) places. face: height from chin to hairline, decimetres.
        hair, beard: names of what was chosen. glasses: whether there are any.
    """

    parts: list[Part]
    eyes: np.ndarray
    chin: np.ndarray
    face: float
    hair: str
    beard: str
    glasses: bool


def build_figure(library: Library, person: Person, rng: np.random.Generator) -> Figure:
    """Return the person in MakeHuman's rest pose.

    Raises:
        AssetError: an asset that the person needs is damaged.
    """
    body = shape(library, person)
    cloth, hidden = clothes_part(library, person, body, rng)
    skin = skin_part(library, person, body, hidden, rng)
    eyes = eyes_part(library, person, body, rng)
    colour = draw_colour(person, rng)
    hair, style = hair_parts(library, person, body, skin, colour, rng)
    beard, beard_name = beard_parts(library, person, skin, colour, rng)
    parts = [skin, eyes, *brow_parts(library, person, body, colour.linear, rng), *hair, *beard]
    teeth = teeth_part(library, body, rng)
    parts += [part for part in (cloth, teeth) if part is not None]
    glasses = bool(rng.random() < GLASSES)
    if glasses:
        parts.append(glasses_part(eyes.vertices, rng))
    middle, chin = eyes.vertices.mean(axis=0), skin.vertices[CHIN_VERTEX]
    face = float(middle[1] - chin[1]) * 1.65
    return Figure(parts, middle, chin, face, style, beard_name, glasses)
