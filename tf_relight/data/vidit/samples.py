"""The samples of a VIDIT folder: which picture, flipped or not, is which field of which sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.data.pictures import read_rgb, resized
from tf_relight.data.source import Part, assemble, files_fingerprint
from tf_relight.data.vidit.depth import read_depth
from tf_relight.data.vidit.layout import SHADOW_FREE, ViditScene
from tf_relight.data.vidit.options import PairedOptions
from tf_relight.data.vidit.scenes import Completeness, needed_lights
from tf_relight.errors import RelightError
from tf_relight.light.vidit import LIGHT_COUNT, ViditLight

if TYPE_CHECKING:
    pass

_PAIRS = {"one_to_one": 1, "any_to_one": LIGHT_COUNT, "any_to_any": LIGHT_COUNT**2}


class ViditSource:
    """Complete VIDIT scenes as samples.

    Samples are numbered by arithmetic: (mirrored * scenes + scene) * pairs + pair, where a
    scene has 1 pair (one-to-one), 40 (any-to-one: pair = input light) or 1600 (any-to-any: pair = 40 * input
    light + target light). Mirrored samples are flipped pictures of the mirrored lights, labelled with the
    light they then show.

    Fields: `image`, `target`; `light` and `target_light` where the file names give them; `guide` for
    any-to-any: another scene under the target light (AIM 2020 track 3), or the guide file of a pair; `depth`
    and `shadow_free` when asked. For illumination estimation (track aim_2) only `image` and `light`.
    """

    def __init__(self, root: Path, found: Completeness, config: PairedOptions, mirror: bool) -> None:
        self._root, self._scenes, self._size = root, found.complete, config.size
        self._kind, self._pairing, self._depth, self._mirror = (
            found.kind,
            config.pairing,
            config.depth,
            mirror,
        )
        self._light, self._target = (
            ViditLight.parse(config.input_light),
            ViditLight.parse(config.target_light),
        )
        self._lights = needed_lights(config.pairing, self._light, self._target, mirror)
        self._slot = {light: slot for slot, light in enumerate(self._lights)}
        self._pairs = _PAIRS[config.pairing]
        self._roles: tuple[str, ...] = ("input", "target")
        if config.pairing == "any_to_any" and all("guide" in scene.roles for scene in self._scenes):
            self._roles = ("input", "target", "guide")
        self._pictures, self._picture_scenes = self._list_pictures()
        self._depths = [scene.depth["input"] for scene in self._scenes] if self._depth else []
        self._shadow_free: list[Path] = []
        if getattr(config, "shadow_free", False) and all(
            SHADOW_FREE in scene.roles for scene in self._scenes
        ):
            self._shadow_free = [scene.roles[SHADOW_FREE] for scene in self._scenes]
        self._files = {"picture": self._pictures, "depth": self._depths, SHADOW_FREE: self._shadow_free}
        self.pools = {pool: len(files) for pool, files in self._files.items() if files}
        self.fields = tuple(self.parts(0))
        if config.size is None and len(found.sizes) > 1:
            sizes = ", ".join(f"{width}x{height}" for width, height in sorted(found.sizes))
            raise RelightError(f"The pictures under {root} differ in size ({sizes}); set data.size.")

    def __len__(self) -> int:
        """Number of samples."""
        return self._per_side() * (2 if self._mirror else 1)

    def key(self, index: int) -> str:
        """Scene, then what tells its samples apart, such as "Image012_6500_N-4500_E_mirrored"."""
        mirrored, scene, light, target = self._place(index)
        name = self._scenes[scene].name.replace("/", "_")
        if self._kind == "pictures" or (self._kind == "lights" and self._pairing != "one_to_one"):
            assert light is not None
            name += f"_{light.temperature}_{light.direction}"
        if self._kind == "lights" and self._pairing == "any_to_any":
            assert target is not None
            name += f"-{target.temperature}_{target.direction}"
        return name + ("_mirrored" if mirrored else "")

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Decode the files of one sample."""
        return assemble(self.parts(index), self.load)

    def load(self, pool: str, number: int) -> np.ndarray:
        """Decode one picture or depth file, resized to `size`."""
        if pool != "depth":
            return read_rgb(self._files[pool][number], self._size)
        depth = read_depth(self._depths[number])
        return depth if self._size is None else resized(depth, self._size)

    def origin(self, pool: str, number: int) -> str:
        """The file of an array."""
        return str(self._files[pool][number])

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """Where the fields of one sample lie."""
        mirrored, scene, light, target = self._place(index)
        if self._kind == "pictures":
            assert light is not None
            number = index % self._per_side()
            parts: dict[str, Part | np.ndarray] = {
                "image": Part("picture", number, mirrored),
                "light": np.asarray(light.index, np.int32),
            }
        elif self._kind == "pairs":
            names = {"input": "image", "target": "target", "guide": "guide"}
            parts = {
                names[role]: Part("picture", scene * len(self._roles) + place)
                for place, role in enumerate(self._roles)
            }
        else:
            assert light is not None and target is not None
            parts = self._lit_parts(index, mirrored, scene, light, target)
        if self._depth:
            parts["depth"] = Part("depth", scene, mirrored)
        if self._shadow_free:
            parts[SHADOW_FREE] = Part(SHADOW_FREE, scene, mirrored)
        return parts

    def fingerprint(self) -> str:
        """Hash of names, sizes and times of the files, and of the size they are decoded to."""
        paths = [path for files in self._files.values() for path in files]
        return files_fingerprint(self._root, paths, f"vidit/{self._size}")

    def _lit_parts(
        self, index: int, mirrored: bool, scene: int, light: ViditLight, target: ViditLight
    ) -> dict[str, Part | np.ndarray]:
        parts: dict[str, Part | np.ndarray] = {
            "image": self._lit(scene, light, mirrored),
            "target": self._lit(scene, target, mirrored),
            "light": np.asarray(light.index, np.int32),
            "target_light": np.asarray(target.index, np.int32),
        }
        if self._pairing == "any_to_any":
            # a multiplicative hash walks the other scenes evenly and is the same in every run
            others = max(1, len(self._scenes) - 1)
            step = 1 + (index * 2654435761 % 2**32 >> 7) % others
            parts["guide"] = self._lit((scene + step) % len(self._scenes), target, mirrored)
        return parts

    def _lit(self, scene: int, light: ViditLight, mirrored: bool) -> Part:
        """The picture that shows `light`: its own file, or the flipped file of the mirrored light."""
        taken = light.mirrored() if mirrored else light
        return Part("picture", scene * len(self._lights) + self._slot[taken], mirrored)

    def _place(self, index: int) -> tuple[bool, int, ViditLight | None, ViditLight | None]:
        """Sample number to (mirrored, scene number, light shown, target light)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        side, rest = divmod(index, self._per_side())
        mirrored = bool(side)
        if self._kind == "pictures":
            scene, light = self._picture_scenes[rest]
            return mirrored, scene, light.mirrored() if mirrored else light, None
        if self._kind == "pairs":
            return mirrored, rest, None, None
        scene, pair = divmod(rest, self._pairs)
        if self._pairing == "one_to_one":
            return mirrored, scene, self._light, self._target
        if self._pairing == "any_to_one":
            return mirrored, scene, ViditLight.from_index(pair), self._target
        first, second = divmod(pair, LIGHT_COUNT)
        return mirrored, scene, ViditLight.from_index(first), ViditLight.from_index(second)

    def _per_side(self) -> int:
        if self._kind == "pictures":
            return len(self._pictures)
        return len(self._scenes) * (1 if self._kind == "pairs" else self._pairs)

    def _list_pictures(self) -> tuple[list[Path], list[tuple[int, ViditLight]]]:
        """All picture files in the order of their numbers, and for single pictures what each shows."""
        if self._kind == "pairs":
            return [scene.roles[role] for scene in self._scenes for role in self._roles], []
        if self._kind == "lights":
            return [scene.lights[light] for scene in self._scenes for light in self._lights], []
        named = [(place, light) for place, scene in enumerate(self._scenes) for light in _sorted(scene)]
        return [self._scenes[place].lights[light] for place, light in named], named


def _sorted(scene: ViditScene) -> list[ViditLight]:
    return sorted(scene.lights, key=lambda light: light.index)
