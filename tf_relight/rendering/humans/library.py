"""Everything read from the assets, read once: body, morphs, proxies, textures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from tf_relight.rendering.humans.assets import AssetError, AssetFolder
from tf_relight.rendering.humans.meshes import Mesh, read_obj, triangles
from tf_relight.rendering.humans.morphs import Morph, read_morph
from tf_relight.rendering.humans.proxies import Proxy, read_proxy
from tf_relight.rendering.humans.subdivision import Subdivision
from tf_relight.rendering.humans.textures import Texture, read_texture

Item = TypeVar("Item")

HIPS = -0.5
"""Height in decimetres below which the neutral body is left out: no portrait shows it."""


class Library:
    """The assets in memory; what is not asked for is not read.

    Attributes:
        folder: the asset folder.
        body: the neutral body with its faces from the hips upwards.
    """

    def __init__(self, folder: AssetFolder) -> None:
        """Read the body.

        Raises:
            AssetError: it cannot be read.
        """
        self.folder = folder
        whole = read_obj(folder.path("3dobjs/base.obj"), group="body")
        upper = whole.vertices[whole.quads][:, :, 1].min(axis=1) > HIPS
        self.body = Mesh(whole.vertices, whole.quads[upper], whole.uv[upper])
        self._read: dict[tuple[str, ...], object] = {}

    @cached_property
    def fine_body(self) -> Subdivision:
        """The body's finer version."""
        return Subdivision(len(self.body.vertices), self.body.quads, self.body.uv)

    @cached_property
    def neutral(self) -> np.ndarray:
        """Vertices of the finer neutral body: where on the body a point is, whoever's body it is."""
        return self.fine_body.refine(self.body.vertices)

    @cached_property
    def fine_triangles(self) -> tuple[np.ndarray, np.ndarray]:
        """Triangles of the whole finer body, for its normals."""
        return triangles(self.fine_body.quads, self.fine_body.uv)

    def morph(self, name: str) -> Morph:
        """Return a morph target by its path in the folder.

        Raises:
            AssetError: it is missing or damaged.
        """
        return self._once(("morph", name), lambda: read_morph(self._path(name), len(self.body.vertices)))

    def proxy(self, folder: str) -> Proxy:
        """Return the proxy of a folder such as "hair/long01", whose files carry its name.

        Raises:
            AssetError: it is missing or damaged.
        """
        stem = f"{folder}/{folder.rpartition('/')[2]}"
        count = len(self.body.vertices)
        return self._once(
            ("proxy", folder),
            lambda: read_proxy(self._path(f"{stem}.mhclo"), self._path(f"{stem}.obj"), count),
        )

    def texture(self, name: str, side: int) -> Texture:
        """Return a texture by its path in the folder, made at most `side` pixels wide.

        Raises:
            AssetError: it is missing or damaged.
        """
        return self._once(("texture", name, str(side)), lambda: read_texture(self._path(name), side))

    def made(self, name: str, make: Callable[[], Item]) -> Item:
        """Return a thing derived from the assets, made once."""
        return self._once(("made", name), make)

    def folders(self, pattern: str) -> list[str]:
        """Return the folders, such as "hair/*", whose mesh may be used, sorted."""
        found = [name.rpartition("/")[0] for name in self.folder.files(f"{pattern}/*.mhclo")]
        return [name for name in found if self.folder.has(f"{name}/{name.rpartition('/')[2]}.obj")]

    def _path(self, name: str) -> Path:
        return self.folder.path(name)

    def _once(self, key: tuple[str, ...], make: Callable[[], Item]) -> Item:
        if key not in self._read:
            self._read[key] = make()
        return self._read[key]  # type: ignore[return-value]


__all__ = ["AssetError", "Library"]
