"""Clothes: MakeHuman's own, in their own or any other colours."""

from __future__ import annotations

import numpy as np

from tf_relight.rendering.humans.identity import Person
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import triangles
from tf_relight.rendering.humans.parts import Paint, Part
from tf_relight.rendering.humans.textures import look_up

LOWEST = 2.6
"""Height in decimetres below which clothes are left out."""


def clothes_part(
    library: Library, person: Person, body: np.ndarray, rng: np.random.Generator
) -> tuple[Part | None, np.ndarray]:
    """Return the clothes, or None for bare shoulders, and which of the body's vertices they hide, (V,) bool.

    Raises:
        AssetError: they are damaged.
    """
    hidden = np.zeros(len(body), bool)
    folders = library.folders("clothes/*")
    own = [folder for folder in folders if folder.rpartition("/")[2].startswith(person.gender)]
    pool = own if own and rng.random() < 0.93 else folders
    if not pool or rng.random() < 0.07:
        return None, hidden
    folder = pool[int(rng.integers(len(pool)))]
    proxy = library.proxy(folder)
    hidden[proxy.hides] = True
    vertices = proxy.fit(body)
    corners, uv = triangles(proxy.mesh.quads, proxy.mesh.uv)
    upper = vertices[corners][:, :, 1].max(axis=1) > LOWEST * _height(body)
    part = Part("cloth", vertices, corners[upper], uv[upper], vertices.copy(), _paint(library, folder, rng))
    part.gloss = float(rng.uniform(0, 0.15))
    part.smooth = corners
    return part, hidden


def _height(body: np.ndarray) -> float:
    return float(body[:, 1].max() / 8.49)


def _paint(library: Library, folder: str, rng: np.random.Generator) -> Paint:
    name = f"{folder}/{folder.rpartition('/')[2]}_diffuse.png"
    lightness = rng.uniform(0.05, 0.95) ** 2.2
    tint = np.exp(rng.normal(0, 0.25, 3))
    colour = np.clip(lightness * tint / tint.mean(), 0.008, 0.92).astype(np.float32)
    if library.folder.has(name) and rng.random() < 0.55:
        texture = library.texture(name, 512)
        gain = np.float32(np.exp(rng.normal(0, 0.35))) * np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
        channels = rng.permutation(3) if rng.random() < 0.6 else np.arange(3)
        return lambda uv, rest: np.clip(texture.at(uv)[:, channels] * gain, 0.004, 0.95)
    pattern = _pattern(rng)
    return lambda uv, rest: np.clip(
        colour * (look_up(pattern, uv * 3).astype(np.float32) / 128)[:, None], 0.004, 0.95
    )


def _pattern(rng: np.random.Generator) -> np.ndarray:
    """Weave (256, 256) uint8, 128 = plain: plain cloth, stripes or checks."""
    weave = 128 + rng.uniform(2, 9) * rng.normal(size=(256, 256))
    kind = rng.random()
    if kind < 0.35:
        period, dark = int(rng.integers(8, 64)), rng.uniform(0.3, 1.5)
        stripes = np.where(np.arange(256) % period < period * rng.uniform(0.2, 0.6), dark, 1.0)
        weave = weave * (stripes[:, None] if rng.random() < 0.5 else stripes[None, :])
        if kind < 0.12:
            weave = weave * np.roll(stripes, 5)[:, None]
    return np.clip(weave, 0, 255).astype(np.uint8)
