"""What surfaces are made of: base colours, roughness and gloss, and how they turn into albedo and normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_relight.rendering import textures


@dataclass(frozen=True)
class Substance:
    """The recipe from which materials of one kind are drawn; colours are linear sRGB albedo 0..1."""

    colour: tuple[float, float, float] | None = None  # None: a grey, drawn freely
    bump: float | None = None  # None: drawn from BUMP_RANGE
    glossy: bool = False
    tile: tuple[float, float] | None = None  # metres; None: no pattern
    joint: float = 0.0  # metres
    staggered: bool = False


SUBSTANCES: dict[str, Substance] = {
    "plain": Substance(),
    "paint": Substance(),
    "wood": Substance((0.31, 0.24, 0.17)),
    "planks": Substance((0.34, 0.28, 0.21), tile=(3.0, 0.22), joint=0.012, staggered=True),
    "brick": Substance((0.32, 0.20, 0.17), tile=(0.42, 0.14), joint=0.022, staggered=True),
    "tiles": Substance((0.37, 0.37, 0.38), glossy=True, tile=(0.8, 0.8), joint=0.022),
    "concrete": Substance((0.31, 0.32, 0.34), tile=(2.2, 1.6), joint=0.02),
    "stone": Substance((0.32, 0.32, 0.33), bump=0.3),
    "plaster": Substance((0.52, 0.51, 0.50)),
    "metal": Substance((0.19, 0.20, 0.21), glossy=True),
    "asphalt": Substance((0.09, 0.09, 0.095), bump=0.25),
    "grass": Substance((0.11, 0.15, 0.07), bump=0.4),
    "leaf": Substance((0.08, 0.13, 0.05), bump=0.5),
    "dirt": Substance((0.21, 0.18, 0.15), bump=0.4),
    "sand": Substance((0.44, 0.40, 0.33), bump=0.2),
    "snow": Substance((0.66, 0.70, 0.76), bump=0.2),
}
FREE_CHOICE = ("plain", "wood", "brick", "stone", "metal", "paint", "planks", "tiles")
BUMP_RANGE = (0.05, 0.3)
BUMP_HEIGHT = 0.030  # metres of relief for bump 1
COARSE_PERIODS = 0.11  # noise periods per metre, before the material's own frequency
FINE_PERIODS = 0.8
JOINT_SHADE = 0.42  # albedo in a joint, relative to the tile


@dataclass(frozen=True)
class Material:
    """One surface, drawn from a substance."""

    substance: Substance
    grain: bool  # wood rings
    colour: np.ndarray  # (3,) linear albedo
    stain: np.ndarray  # (3,) the second colour noise mixes in
    frequency: float
    bump: float
    variation: float
    specular: float  # strength of the Blinn lobe, 0 = matt
    gloss: float  # its exponent


def draw_material(rng: np.random.Generator, kind: str | None = None) -> Material:
    """Draw a material of the named substance, or of a freely chosen one."""
    kind = kind or str(rng.choice(FREE_CHOICE))
    substance = SUBSTANCES[kind]
    if kind == "paint":
        base = 0.05 + 0.55 * rng.random(3) ** 1.4
    elif substance.colour is None:
        base = np.full(3, rng.uniform(0.12, 0.55))
    else:
        base = np.asarray(substance.colour)
    colour = np.clip(base * rng.uniform(0.6, 1.35) * rng.uniform(0.9, 1.1, 3), 0.02, 0.82)
    stain = np.clip(colour * rng.uniform(0.45, 0.8) * rng.uniform(0.9, 1.1, 3), 0.015, 0.8)
    bump = rng.uniform(*BUMP_RANGE)
    if substance.glossy:
        specular = rng.uniform(0.1, 0.5)
    else:
        specular = rng.uniform(0, 0.12) if rng.random() < 0.4 else 0.0
    return Material(
        substance=substance,
        grain=kind == "wood",
        colour=colour.astype(np.float32),
        stain=stain.astype(np.float32),
        frequency=rng.uniform(0.5, 1.5),
        bump=bump if substance.bump is None else substance.bump,
        variation=rng.uniform(0.25, 0.9),
        specular=float(specular),
        gloss=rng.uniform(20, 120),
    )


def surfaces(
    materials: Sequence[Material],
    seeds: Sequence[int],
    counts: Sequence[int],
    points: np.ndarray,
    normals: np.ndarray,
    footprint: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Albedo and bumped normals of the points of several objects, one object after the other.

    Args:
        materials, seeds, counts: for each object its material, a number that shifts its noise (so that two
            objects of one material differ), and how many of the points are its own.
        points, normals: (N, 3) float32 in the axes of each point's object (metres, unit length).
        footprint: (N,) width in metres that one picture sample covers; detail finer than that is faded out,
            because it would only alias.

    Returns:
        albedo (N, 3) linear 0.01..0.9, shading normals (N, 3) in object axes.
    """

    def per_point(values):
        return np.repeat(np.asarray(values, np.float32), counts, axis=0)

    shift = per_point([(seed * 0.37 % 1, seed * 0.71 % 1, seed * 0.13 % 1) for seed in seeds])
    coarse_scale = per_point([COARSE_PERIODS * material.frequency for material in materials])
    fine_scale = per_point([FINE_PERIODS * material.frequency for material in materials])
    coarse = textures.coarse_noise()(points * coarse_scale[:, None] + shift)
    fine = textures.fine_noise()(points * fine_scale[:, None] + shift)
    grain_size = np.float32(2 / textures.fine_noise().cells) / fine_scale
    sharp = 1 / (1 + (footprint / grain_size) ** 2)

    variation = per_point([0.91 * material.variation for material in materials])
    mix = 0.5 + 0.5 * np.tanh(variation * coarse[:, 0] + 0.45 * sharp * fine[:, 0])
    colour = per_point([material.colour for material in materials])
    albedo = colour + (per_point([material.stain for material in materials]) - colour) * mix[:, None]
    albedo *= _patterns(materials, seeds, counts, points, normals, footprint, coarse[:, 0])[:, None]

    relief = coarse[:, 1:] * coarse_scale[:, None] + fine[:, 1:] * (0.5 * fine_scale * sharp)[:, None]
    relief -= (relief * normals).sum(1, keepdims=True) * normals
    bumped = normals - per_point([BUMP_HEIGHT * material.bump for material in materials])[:, None] * relief
    bumped /= np.sqrt((bumped * bumped).sum(1, keepdims=True))
    return np.clip(albedo, 0.01, 0.9), bumped


def _patterns(materials, seeds, counts, points, normals, footprint, coarse):
    """(N,) factor on the albedo from tiles of different brightness, their joints, and wood rings."""
    factor = np.ones(len(points), np.float32)
    stops = np.cumsum(counts)
    for material, seed, start, stop in zip(materials, seeds, stops - counts, stops, strict=True):
        own, substance = slice(start, stop), material.substance
        if substance.tile is not None:
            tile = (substance.tile[0] / material.frequency, substance.tile[1] / material.frequency)
            in_joint, tone = textures.tiling(
                points[own], normals[own], tile, substance.joint, substance.staggered, seed
            )
            # A joint thinner than the sample darkens only its share of it.
            darkness = (1 - JOINT_SHADE) * np.minimum(1, substance.joint / footprint[own])
            factor[own] = (1 + 0.3 * tone) * (1 - darkness * in_joint)
        elif material.grain:
            bent = points[own, 0] + 0.3 * points[own, 1] + 0.25 * coarse[own]
            factor[own] = 0.925 + 0.175 * np.sin(bent * np.float32(18 * material.frequency))
    return factor
