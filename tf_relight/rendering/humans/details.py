"""Eyes, teeth, brows and lashes."""

from __future__ import annotations

import cv2
import numpy as np

from tf_relight.rendering.humans import chromophores
from tf_relight.rendering.humans.identity import ANCESTRIES, Person
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import triangles
from tf_relight.rendering.humans.parts import Paint, Part, one_colour
from tf_relight.rendering.humans.subdivision import Subdivision

_EYES = "eyes/low-poly"
_FORWARD = np.array([0, 0, 0.02], np.float32)
"""Brows are lifted off the skin by so much."""


def eyes_part(library: Library, person: Person, body: np.ndarray, rng: np.random.Generator) -> Part:
    """Return both eyes, with irises from ice blue to black-brown.

    Raises:
        AssetError: the eyes are damaged.
    """
    proxy = library.proxy(_EYES)
    fine = library.made("fine eyes", lambda: Subdivision(len(proxy.weights), proxy.mesh.quads, proxy.mesh.uv))
    coarse = proxy.fit(body)
    vertices = _round(coarse, fine.refine(coarse))
    corners, uv = triangles(fine.quads, fine.uv)
    return Part("eye", vertices, corners, uv, vertices.copy(), _iris_paint(library, person, rng), gloss=0.8)


def _round(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Give each eye its size back: subdivision shrinks a coarse ball."""
    for left in (True, False):
        old, new = coarse[(coarse[:, 0] > 0) == left], (fine[:, 0] > 0) == left
        centre = old.mean(axis=0)
        wanted = np.linalg.norm(old - centre, axis=1).mean()
        found = np.linalg.norm(fine[new] - centre, axis=1).mean()
        fine[new] = centre + (fine[new] - centre) * (wanted / found)
    return fine


def _iris_paint(library: Library, person: Person, rng: np.random.Generator) -> Paint:
    names = library.folder.files("eyes/materials/*.png")
    brown = [name for name in names if "brown" in name]
    pale = rng.random() < 0.65 * person.ancestry[ANCESTRIES.index("caucasian")] and person.tone > 45
    pool = names if pale or not brown else brown
    texture = library.texture(pool[int(rng.integers(len(pool)))], 1024)
    melanin = float(rng.uniform(0.35, 1.1)) if pale else float(rng.uniform(0.5, 2.2))
    white = float(rng.uniform(0.65, 0.9))

    def paint(uv: np.ndarray, rest: np.ndarray) -> np.ndarray:
        colour = texture.at(uv)
        brightness = colour @ chromophores.LUMINANCE
        grey = brightness[:, None]
        spread = (colour.max(axis=1) - colour.min(axis=1)) / np.maximum(colour.max(axis=1), 1e-3)
        iris = np.clip(1.5 - 3 * brightness + spread, 0, 1)[:, None]
        calm = grey + (colour - grey) * np.float32(0.65)
        dark = calm * np.exp(-np.float32(melanin) * chromophores.MELANIN)
        return np.clip(calm * np.float32(white) * (1 - iris) + dark * iris, 0, 1)

    return paint


def teeth_part(library: Library, body: np.ndarray, rng: np.random.Generator) -> Part | None:
    """Return the teeth, or None where the folder has none.

    Raises:
        AssetError: they are damaged.
    """
    folders, name = library.folders("teeth/*"), "teeth/materials/teeth.png"
    if not folders or not library.folder.has(name):
        return None
    proxy = library.proxy(folders[int(rng.integers(len(folders)))])
    texture = library.texture(name, 512)
    yellow = np.array([1, 0.97, 0.86], np.float32) ** np.float32(rng.uniform(0.8, 2.5))
    stain = yellow * np.float32(rng.uniform(0.8, 1.05))
    corners, uv = triangles(proxy.mesh.quads, proxy.mesh.uv)
    vertices = proxy.fit(body)
    return Part(
        "teeth", vertices, corners, uv, vertices.copy(), lambda at, rest: texture.at(at) * stain, gloss=0.25
    )


def brow_parts(
    library: Library, person: Person, body: np.ndarray, hair: np.ndarray, rng: np.random.Generator
) -> list[Part]:
    """Return brows in a darker shade of the hair's linear RGB (3,), and lashes.

    Raises:
        AssetError: they are damaged.
    """
    parts = []
    shade = np.minimum(hair * rng.uniform(0.15, 0.7), 0.2)
    women = person.gender == "female"
    brows = _cards(library, "eyebrows/*", body + _FORWARD, rng)
    if brows is not None and brows.alpha is not None:
        brows.paint, brows.thinness = one_colour(shade), float(rng.uniform(0.6, 2.5))
        brows.alpha = cv2.GaussianBlur(brows.alpha, (0, 0), float(rng.uniform(1, 7)))
        parts.append(brows)
    lashes = _cards(library, "eyelashes/*", body, rng) if rng.random() < 0.9 else None
    if lashes is not None:
        lashes.paint = one_colour(np.full(3, 0.012))
        lashes.thinness = float(rng.uniform(0.5, 1.0) if women else rng.uniform(0.15, 0.6))
        parts.append(lashes)
    return parts


def _cards(library: Library, pattern: str, body: np.ndarray, rng: np.random.Generator) -> Part | None:
    folders = [
        folder
        for folder in library.folders(pattern)
        if library.folder.has(f"{folder}/{folder.rpartition('/')[2]}.png")
    ]
    if not folders:
        return None
    folder = folders[int(rng.integers(len(folders)))]
    proxy = library.proxy(folder)
    alpha = library.texture(f"{folder}/{folder.rpartition('/')[2]}.png", 512).alpha
    corners, uv = triangles(proxy.mesh.quads, proxy.mesh.uv)
    vertices = proxy.fit(body)
    return Part("brow", vertices, corners, uv, vertices.copy(), one_colour(np.zeros(3)), alpha=alpha)
