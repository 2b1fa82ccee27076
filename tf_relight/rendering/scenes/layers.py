"""A rendered scene as linear light layers, from which the picture of any lamp is formed on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError, suggest
from tf_relight.files import atomic_path
from tf_relight.guarded.arrays import read_npz
from tf_relight.light.vidit import DIRECTIONS
from tf_relight.photo.colour import planckian_rgb
from tf_relight.rendering.scenes.tone import encode

HALF_LIMIT = 60000.0  # below the largest float16


@dataclass(frozen=True)
class SceneLayers:
    """Linear light of one scene: light adds up, so a picture is a sum of layers.

    Attributes:
        direct: direction to (H, W, 3) light of a white lamp there, float16 or float32, linear sRGB >= 0.
        ambient: (H, W, 3) light that no lamp moves; it does not take the lamp's colour.
        exposure: factor that direct and ambient already include, one for the scene: an exposure for each
            picture would hide which light is which.
        depth: (H, W) float32, nearest point 0, farthest 1, as VIDIT gives it; nothing hit counts as farthest.
    """

    direct: dict[str, np.ndarray]
    ambient: np.ndarray
    exposure: float
    depth: np.ndarray

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that can be shown."""
        return tuple(self.direct)

    def linear(self, direction: str, temperature: float) -> np.ndarray:
        """(H, W, 3) float32 linear light under a lamp of `temperature` kelvin at `direction`.

        Raises:
            RelightError: the scene was not rendered for that direction.
        """
        if direction not in self.direct:
            raise RelightError(
                f"The scene holds no light from '{direction}'.{suggest(str(direction), self.direct)} "
                f"It holds: {', '.join(self.direct)}."
            )
        return self._coloured(self.direct[direction].astype(np.float32, copy=False), temperature)

    def image(self, direction: str, temperature: float) -> np.ndarray:
        """(H, W, 3) uint8 sRGB picture under a lamp of `temperature` kelvin at `direction`."""
        return encode(self.linear(direction, temperature))

    def shadow_free(self, temperature: float = 6500) -> np.ndarray:
        """(H, W, 3) uint8: the mean of all eight lights, taken in linear light.

        Every point that some lamp reaches is lit and no hard black shadow is left, yet the picture is a real
        lighting of the scene: eight lamps at an eighth of the power. With the occlusion switched off instead,
        light would pass through walls, which no photo could show.

        Raises:
            RelightError: the scene was not rendered for all eight directions.
        """
        if set(self.direct) != set(DIRECTIONS):
            raise RelightError("A shadow-free picture needs the scene rendered for all eight directions.")
        mean = np.zeros(self.ambient.shape, np.float32)
        for name in DIRECTIONS:
            mean += self.direct[name]
        return encode(self._coloured(mean / len(DIRECTIONS), temperature))

    def _coloured(self, white: np.ndarray, temperature: float) -> np.ndarray:
        """Give a white lamp's light its colour and add the ambient light."""
        height, width, _ = white.shape
        # Whole rows at once: NumPy is several times slower along a last axis of 3.
        light = white.reshape(height, -1) * np.tile(planckian_rgb(temperature), width)
        light += self.ambient.reshape(height, -1)
        return light.reshape(white.shape)

    def half(self) -> SceneLayers:
        """The same in float16: half the memory, pictures at most one step of 255 apart."""
        direct = {
            name: np.minimum(light, HALF_LIMIT).astype(np.float16) for name, light in self.direct.items()
        }
        return SceneLayers(direct, self.ambient.astype(np.float16), self.exposure, self.depth)

    def save(self, path: Path) -> None:
        """Write an uncompressed .npz without pickles; each direction is an array of its own.

        Raises:
            RelightError: the disk is full or the folder cannot be written.
        """
        arrays = {f"direct_{name}": light for name, light in self.direct.items()}
        arrays |= {"ambient": self.ambient, "exposure": np.array(self.exposure), "depth": self.depth}
        with atomic_path(path) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path, directions: Sequence[str]) -> SceneLayers:
        """Read what `save` wrote, and of the directions only the named ones.

        Raises:
            RelightError: the file is missing, damaged or something else, or lacks a direction.
        """
        try:
            names = [*(f"direct_{name}" for name in directions), "ambient", "exposure", "depth"]
            stored = read_npz(path, names, what="the layers", advice="delete it")
            direct = {name: stored[f"direct_{name}"] for name in directions}
            return cls(direct, stored["ambient"], float(stored["exposure"]), stored["depth"])
        except (RelightError, ValueError, TypeError) as error:
            raise RelightError(
                f"{path} does not hold the scene layers wanted; delete it, and it is rendered again."
            ) from error
