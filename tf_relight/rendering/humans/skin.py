"""The body's surface: one or two skin textures mixed, at any tone."""

from __future__ import annotations

import numpy as np

from tf_relight.rendering.humans import chromophores, regions
from tf_relight.rendering.humans.identity import Person
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import triangles
from tf_relight.rendering.humans.parts import Part
from tf_relight.rendering.humans.textures import TO_LINEAR, Texture, look_up, smooth_noise

TEXTURE_SIDE = 2048
_FACE = ((0.42, 0.56), (0.84, 0.94))
"""Rows and columns of a skin texture, as shares, that show the cheeks: its typical colour is taken there."""


def skin_part(
    library: Library, person: Person, body: np.ndarray, covered: np.ndarray, rng: np.random.Generator
) -> Part:
    """Return the skin.

    Args:
        body: (V, 3) vertices of the person. covered: (V,) bool, vertices under clothes.

    Raises:
        AssetError: a texture is damaged.
    """
    fine = library.fine_body
    bare = np.repeat(~covered[library.body.quads].all(axis=1), 4)
    corners, uv = triangles(fine.quads[bare], fine.uv[bare])
    return Part(
        "skin",
        fine.refine(body),
        corners,
        uv,
        library.neutral,
        _SkinPaint(library, person, rng),
        gloss=float(rng.uniform(0.15, 0.6)),
        smooth=library.fine_triangles[0],
    )


class _SkinPaint:
    """Skin colour at a place: mixed textures' deviations, tone, freckles, blotches."""

    def __init__(self, library: Library, person: Person, rng: np.random.Generator) -> None:
        names = _choose(library, person, rng)
        share = rng.uniform(0.55, 1.0) if len(names) > 1 else 1.0
        self._layers = [
            (library.texture(name, TEXTURE_SIDE), _typical(library, name), weight)
            for name, weight in zip(names, (share, 1 - share), strict=False)
        ]
        self._melanin = chromophores.melanin_for(person.tone)
        self._blood = float(np.clip(rng.normal(0.13, 0.09), -0.1, 0.35))
        self._contrast = float(rng.uniform(0.75, 1.15))
        self._freckles = float(rng.uniform(0.15, 0.6)) if rng.random() < 0.15 else 0.0
        self._blotches = float(rng.uniform(0.0, 0.05) + 0.06 * person.oldness * rng.random())
        self._moles = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.5 else 0.0
        painted = person.gender == "female" and person.age > 15 and rng.random() < 0.6
        self._lips = float(rng.uniform(0.15, 0.8)) if painted else float(rng.uniform(-0.05, 0.12))
        self._spots = _spots(library, int(rng.integers(8)))
        self._shift = rng.random(2)

    def __call__(self, uv: np.ndarray, rest: np.ndarray) -> np.ndarray:
        deviation = np.zeros((len(uv), 3), np.float32)
        for texture, typical, weight in self._layers:
            deviation += np.float32(weight) * (chromophores.density(texture.at(uv)) - typical)
        found = look_up(self._spots, uv * 2 + self._shift).astype(np.float32)
        fine, coarse, moles = (found[:, i] / np.float32(40) - np.float32(3.2) for i in range(3))
        melanin = self._blotches * coarse + self._freckles * np.clip(fine - 1.1, 0, 1.2)
        melanin += self._moles * np.clip((moles - 2.6) * 4, 0, 1)
        deviation += melanin[:, None] * chromophores.MELANIN
        rouge = self._lips * regions.lips(rest)
        deviation += rouge[:, None].astype(np.float32) * chromophores.HAEMOGLOBIN
        return chromophores.skin_colour(deviation, self._melanin, self._blood, self._contrast)


def _choose(library: Library, person: Person, rng: np.random.Generator) -> list[str]:
    """Two textures: of the person's age and gender where there are any, and of any tone."""
    names = library.folder.files("skins/textures/*.png")
    age = "young" if person.age < 38 else "middleage" if person.age < 62 else "old"
    near = {"young": ("young",), "middleage": ("middleage",), "old": ("old", "middleage")}[age]
    words = [set(name.rpartition("/")[2].removesuffix(".png").split("_")) for name in names]
    weights = np.array(
        [(3.0 if w & set(near) else 0.4) * (4.0 if person.gender in w else 0.35) for w in words]
    )
    if person.gender == "female":  # a shaved chin and a painted scalp show through
        weights *= np.array([0.25 if "darkskinned" in w else 1.0 for w in words])
    first = int(rng.choice(len(names), p=weights / weights.sum()))
    second = int(rng.choice(len(names), p=weights / weights.sum()))
    return [names[first]] if first == second else [names[first], names[second]]


def _typical(library: Library, name: str) -> np.ndarray:
    def make() -> np.ndarray:
        texture: Texture = library.texture(name, TEXTURE_SIDE)
        height, width = texture.colour.shape[:2]
        rows, columns = (
            slice(int(part[0] * size), int(part[1] * size))
            for part, size in zip(_FACE, (height, width), strict=True)
        )
        colours = texture.colour[rows, columns].reshape(-1, 3)
        return np.median(chromophores.density(TO_LINEAR[colours]), axis=0).astype(np.float32)

    return library.made(f"typical {name}", make)


def _spots(library: Library, which: int) -> np.ndarray:
    """Noise of three sizes, (1024, 1024, 3) uint8: freckles, blotches, moles; (value + 3.2) * 40."""

    def make() -> np.ndarray:
        rng = np.random.default_rng([which, 0x5707])
        layers = [
            smooth_noise(rng, (1024, 1024), scale, octaves) for scale, octaves in ((9, 1), (120, 4), (16, 1))
        ]
        return np.clip((np.stack(layers, axis=-1) + 3.2) * 40, 0, 255).astype(np.uint8)

    return library.made(f"spots {which}", make)
