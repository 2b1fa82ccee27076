"""Hair: MakeHuman's ten styles made into many, in any colour; and short hair and beards, see `fuzz`.

A style is mirrored, made wider, wavier, thinner or shorter, and cut free of the face. Textures of other
styles stand in where a style has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.rendering.humans import chromophores, regions
from tf_relight.rendering.humans.fuzz import Fuzz, fuzz_parts, fuzz_texture
from tf_relight.rendering.humans.identity import ANCESTRIES, Person
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import triangles
from tf_relight.rendering.humans.parts import Keep, Paint, Part
from tf_relight.rendering.humans.textures import TO_LINEAR, look_up

TEXTURE_SIDE = 1024
LONG_STYLES = ("bob", "braid", "long", "ponytail")
"""Beginnings of the styles that more women than men wear."""
_STUBBLE_REPEATS = 3
"""How often the pattern of stubble repeats over the skin's texture."""
_TEMPLES = 7.2
"""Height on the neutral head from which the opening that hair leaves for the face closes in an arch."""


@dataclass(frozen=True)
class HairColour:
    """Pigments of a person's hair; `linear` is the colour of many strands, linear RGB (3,)."""

    eumelanin: float
    pheomelanin: float
    grey: float

    @property
    def linear(self) -> np.ndarray:
        """Colour of many strands together."""
        return chromophores.hair_colour(self.eumelanin, self.pheomelanin, self.grey)


def draw_colour(person: Person, rng: np.random.Generator) -> HairColour:
    """Draw the colour: from black to blond and red by ancestry and tone, grey by age, now and then dyed."""
    fair = person.ancestry[ANCESTRIES.index("caucasian")] * np.clip((person.tone - 45) / 20, 0, 1)
    if rng.random() < 0.85 * fair or rng.random() < 0.07:
        eumelanin = float(np.exp(rng.uniform(np.log(0.03), np.log(2.5))))
        pheomelanin = float(rng.uniform(0.4, 1.4)) if rng.random() < 0.15 else float(rng.uniform(0, 0.25))
    else:
        eumelanin, pheomelanin = (
            float(np.exp(rng.uniform(np.log(1.0), np.log(7.0)))),
            float(rng.uniform(0, 0.3)),
        )
    old = np.clip((person.age - 33) / 40, 0, 1)
    dyed = rng.random() < (0.55 if person.gender == "female" else 0.15)
    grey = 0.0 if dyed else float(np.clip(rng.normal(1.05 * old, 0.25 * old), 0, 1))
    return HairColour(eumelanin, pheomelanin, grey)


def hair_parts(
    library: Library,
    person: Person,
    body: np.ndarray,
    skin: Part,
    colour: HairColour,
    rng: np.random.Generator,
) -> tuple[list[Part], str]:
    """Return the hair on the head and the name of the style.

    Raises:
        AssetError: the style is damaged.
    """
    styles = styles_of(library)
    man, bald = person.gender == "male", 0.03
    if man:
        bald += 0.22 * person.oldness
    draw = rng.random()
    if draw < bald or not styles:
        return [], "bald"
    if draw < bald + (0.34 if man else 0.08):
        return _cropped(library, person, skin, colour, rng)
    weights = np.array([_liking(style, man) for style in styles])
    style = styles[int(rng.choice(len(styles), p=weights / weights.sum()))]
    parts = [_styled(library, style, body, colour, rng)]
    if rng.random() < 0.9:  # roots: no bare scalp between the cards
        parts += fuzz_parts(library, skin, colour.linear, Fuzz(0.02, 2, 0.9, regions.scalp), rng)
    return parts, style.rpartition("/")[2]


def styles_of(library: Library) -> list[str]:
    """Return the folders of the styles whose own texture may be used."""
    return [folder for folder in library.folders("hair/*") if library.folder.has(_texture_of(folder))]


def untextured(library: Library) -> dict[str, str]:
    """Return the styles that cannot be used, {folder: reason}."""
    known = set(styles_of(library))
    return {
        folder: f"it has no usable texture {_texture_of(folder)}"
        for folder in library.folders("hair/*")
        if folder not in known
    }


def _texture_of(folder: str) -> str:
    return f"{folder}/{folder.rpartition('/')[2]}_diffuse.png"


def _liking(style: str, man: bool) -> float:
    long = style.rpartition("/")[2].startswith(LONG_STYLES)
    if man:
        return 0.12 if long else 1.0
    return 1.0 if long else 0.3


def _styled(
    library: Library, style: str, body: np.ndarray, colour: HairColour, rng: np.random.Generator
) -> Part:
    proxy = library.proxy(style)
    texture = library.texture(_texture_of(style), TEXTURE_SIDE)
    frame = regions.HeadFrame(body, library.body.vertices)
    rest = frame.to_neutral(proxy.fit(body))
    if rng.random() < 0.5:
        rest = rest * np.array([-1, 1, 1], np.float32)
    rest = _reshaped(rest, rng)
    corners, uv = triangles(proxy.mesh.quads, proxy.mesh.uv)
    vertices = frame.from_neutral(rest)
    part = Part("hair", vertices, corners, uv, rest, _strands(library, style, colour, rng))
    part.alpha, part.thinness = texture.alpha, float(rng.uniform(0.75, 1.0))
    part.keep = _cut(rest, rng)
    part.gloss = float(rng.uniform(0.1, 0.6))
    return part


def _reshaped(vertices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fuller, wavier, and blown to a side, more so away from the scalp."""
    top, middle = vertices[:, 1].max(), np.array([0, 7.5, 0.2], np.float32)
    away = np.clip((top - 0.9 - vertices[:, 1]) / 1.5, 0, 1)[:, None]
    fuller = rng.uniform(1.0, 1.07, 3) + np.array([rng.uniform(0, 0.15), 0, 0]) * away
    shaped = middle + (vertices - middle) * fuller
    if rng.random() < 0.6:
        size, length = rng.uniform(0.01, 0.07), rng.uniform(0.25, 0.9)
        phase = vertices[:, 1:2] * (2 * np.pi / length) + rng.uniform(0, 6, 3) + 3 * vertices[:, :1]
        shaped = shaped + size * away * np.sin(phase)
    shaped[:, 0] += rng.normal(0, 0.06) * away[:, 0] ** 2
    return shaped.astype(np.float32)


def _cut(vertices: np.ndarray, rng: np.random.Generator) -> Keep:
    """Keep the face free, and cut the ends: what remains of the strands at a place."""
    fringe = float(rng.choice([8.05, rng.uniform(7.55, 8.0)], p=[0.65, 0.35]))
    width, soft = float(rng.uniform(0.46, 0.62)), float(rng.uniform(0.05, 0.15))
    tilt = float(rng.normal(0, 0.12))
    lowest = float(vertices[:, 1].min())
    length = float(rng.uniform(lowest, 6.9)) if rng.random() < 0.45 and lowest < 6.4 else lowest - 1

    def keep(rest: np.ndarray) -> np.ndarray:
        x, y, z = rest.T
        in_front = regions.step(z, 0.75, 0.95)
        high = np.maximum(y - _TEMPLES - tilt * x, 0) / (fringe - _TEMPLES)
        within = regions.step(np.hypot(x / width, high), 1 + soft, 1 - soft)
        return (1 - in_front * within) * regions.step(y, length - 0.05, length + 0.05)

    return keep


def _strands(library: Library, style: str, colour: HairColour, rng: np.random.Generator) -> Paint:
    texture = library.texture(_texture_of(style), TEXTURE_SIDE)

    def typical() -> float:
        seen = texture.colour[texture.alpha > 127][::7]
        return float(np.median(TO_LINEAR[seen] @ chromophores.LUMINANCE))

    middle = library.made(f"typical {style}", typical)
    contrast, linear = np.float32(rng.uniform(0.35, 0.8)), colour.linear
    tips = np.float32(rng.uniform(0.0, 0.8) if rng.random() < 0.25 else 0.0)
    mottle, streaks = fuzz_texture(library, 0), np.float32(rng.uniform(0.1, 0.5))

    def paint(uv: np.ndarray, rest: np.ndarray) -> np.ndarray:
        light = np.maximum(texture.at(uv) @ chromophores.LUMINANCE, 1e-3)
        shade = np.clip((light / middle) ** contrast, 0.35, 1.8)
        noise = look_up(mottle, uv * 1.5).astype(np.float32) / 255
        shade *= 1 + streaks * (noise - 0.5)
        bright = tips * np.clip((7.3 - rest[:, 1]) / 1.2, 0, 1)
        return np.clip(linear * shade[:, None] * (1 + 3 * bright[:, None]), 0, 0.9)

    return paint


def _cropped(
    library: Library, person: Person, skin: Part, colour: HairColour, rng: np.random.Generator
) -> tuple[list[Part], str]:
    """Hair of a few millimetres, or a cloud of curls."""
    recession = float(rng.uniform(0, 0.45) * person.oldness) if person.gender == "male" else 0.0
    curls = rng.random() < 0.25 + 0.5 * person.ancestry[ANCESTRIES.index("african")]
    long = float(np.exp(rng.uniform(np.log(0.12), np.log(0.7)))) if curls else float(rng.uniform(0.02, 0.12))

    def grows(place: np.ndarray) -> np.ndarray:
        return regions.scalp(place, recession)

    shells = 8 if curls else 4
    found = fuzz_parts(library, skin, colour.linear, Fuzz(long, shells, 1.0, grows), rng)
    return found, "curls" if curls else "cropped"


def beard_parts(
    library: Library, person: Person, skin: Part, colour: HairColour, rng: np.random.Generator
) -> tuple[list[Part], str]:
    """Return a man's beard, from stubble to a full one, and its name; nothing for women and children."""
    if person.gender != "male" or person.age < 19 or rng.random() < 0.42:
        return [], "none"
    kind = str(rng.choice(["full", "goatee", "moustache", "chin"], p=[0.68, 0.16, 0.1, 0.06]))
    stubble = rng.random() < 0.5
    darker = HairColour(colour.eumelanin * 1.3 + 0.1, colour.pheomelanin, min(1.0, colour.grey * 1.1))

    def grows(place: np.ndarray) -> np.ndarray:
        return regions.beard(place, kind)

    if stubble:
        skin.paint = _stubbled(library, skin.paint, grows, darker.linear, rng)
        return [], f"{kind} stubble"
    long = float(np.exp(rng.uniform(np.log(0.03), np.log(0.3))))
    fuzz = Fuzz(long, 6, float(rng.uniform(0.75, 1.0)), grows)
    parts = fuzz_parts(library, skin, darker.linear, fuzz, rng)
    for part in parts:
        part.kind = "beard"
    return parts, kind


def _stubbled(
    library: Library, bare: Paint, grows: Keep, linear: np.ndarray, rng: np.random.Generator
) -> Paint:
    """Return skin with strands too short to stand off it: a veil of the hair's linear RGB (3,)."""
    thick, uneven = np.float32(rng.uniform(0.15, 0.7)), np.float32(rng.uniform(0.2, 0.9))
    mottle = fuzz_texture(library, 1 + int(rng.integers(4)))

    def paint(uv: np.ndarray, rest: np.ndarray) -> np.ndarray:
        noise = look_up(mottle, uv * _STUBBLE_REPEATS).astype(np.float32) / 128 - 1
        veil = np.clip(thick * grows(rest) * (1 + uneven * noise), 0, 1)[:, None].astype(np.float32)
        return bare(uv, rest) * (1 - veil) + linear.astype(np.float32) * veil

    return paint
