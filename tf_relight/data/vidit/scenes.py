"""Which scenes of a VIDIT folder are complete for a pairing, and what the others lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tf_relight.data.pictures import look
from tf_relight.data.vidit.layout import SHADOW_FREE, ViditScene
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS, ViditLight

Kind = Literal["lights", "pairs", "pictures"]
"""How samples are made: from named lights, from input/target folders, or one from each picture."""


@dataclass
class Completeness:
    """The complete scenes of one kind, and a count of what is wrong with the rest."""

    kind: Kind
    needed: int
    """Files that each scene must have."""
    what: str
    """What these files are, such as "lights"."""
    complete: list[ViditScene] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    """Scene name to the number of needed files that are not there or unusable."""
    broken: dict[Path, str] = field(default_factory=dict)
    """Unusable file to the sentence about it."""
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    """(width, height) to the number of pictures with it, where a glance at the file tells."""

    def summary(self) -> str:
        """Such as "Image012 lacks 3 of 40 lights, 17 scenes incomplete"; empty if nothing is missing."""
        if not self.missing:
            return ""
        worst = max(self.missing, key=lambda name: self.missing[name])
        parts = [f"{worst} lacks {self.missing[worst]} of {self.needed} {self.what}"]
        count = len(self.missing)
        parts.append(f"{count} scene{'s' if count > 1 else ''} incomplete")
        if self.broken:
            parts.append(f"{len(self.broken)} file{'s' if len(self.broken) > 1 else ''} empty or truncated")
        return ", ".join(parts)


def needed_lights(
    pairing: str, source: ViditLight, target: ViditLight, mirror: bool
) -> tuple[ViditLight, ...]:
    """The lights that each scene must have for a pairing, in the order of their index.

    Mirroring shows the light E in a flipped picture taken under W, so it needs the mirrored lights too.
    """
    if pairing != "one_to_one":
        return ALL_LIGHTS
    lights = {source, target}
    if mirror:
        lights |= {source.mirrored(), target.mirrored()}
    return tuple(sorted(lights, key=lambda light: light.index))


def complete_scenes(
    scenes: Sequence[ViditScene],
    lights: tuple[ViditLight, ...],
    depth: bool,
    estimation: bool = False,
    shadow_free: bool = False,
) -> Completeness:
    """Keep the scenes that have every file a sample needs.

    Input/target folders are used where no scene has all of `lights` under their names.

    Args:
        scenes: the scenes of one split.
        lights: what each scene needs when its files name their lights.
        depth: whether each scene needs its depth file.
        estimation: for illumination estimation: every picture whose name gives its light counts.
        shadow_free: whether each scene needs its shadow-free picture.
    """
    extras = ["depth"] * depth + [SHADOW_FREE] * shadow_free
    if estimation:
        return _examine(scenes, "pictures", _named_pictures, 1, "named lights", extras)
    named = _examine(
        scenes,
        "lights",
        lambda scene: [scene.lights.get(light) for light in lights],
        len(lights),
        "lights",
        extras,
    )
    if named.complete:
        return named
    pairs = _examine(scenes, "pairs", _pair, 2, "pictures (input and target)", extras)
    return named if not pairs.complete and any(scene.lights for scene in scenes) else pairs


def usable(path: Path, found: Completeness) -> bool:
    """Look at a picture file; note its size, or what is wrong with it."""
    try:
        glance = look(path)
    except RelightError as error:
        found.broken[path] = str(error)
        return False
    size = (glance.width, glance.height)
    found.sizes[size] = found.sizes.get(size, 0) + 1
    return True


def _examine(
    scenes: Sequence[ViditScene],
    kind: Kind,
    pictures: Callable[[ViditScene], Sequence[Path | None]],
    needed: int,
    what: str,
    extras: Sequence[str],
) -> Completeness:
    """Sort scenes into complete and incomplete by the pictures (None: not there) and extras they need."""
    named = [name.replace("_", "-") for name in extras]
    found = Completeness(kind, needed + len(extras), " and ".join([what, *named]))
    for scene in scenes:
        good = sum(path is not None and usable(path, found) for path in pictures(scene))
        if "depth" in extras:
            good += _depth_there(scene.depth.get("input"), found)
        if SHADOW_FREE in extras:
            picture = scene.roles.get(SHADOW_FREE)
            good += picture is not None and usable(picture, found)
        if good >= found.needed:
            found.complete.append(scene)
        else:
            found.missing[scene.name] = found.needed - good
    return found


def _pair(scene: ViditScene) -> list[Path | None]:
    return [scene.roles.get("input"), scene.roles.get("target")]


def _named_pictures(scene: ViditScene) -> list[Path | None]:
    return list(scene.lights.values())


def _depth_there(path: Path | None, found: Completeness) -> bool:
    if path is None:
        return False
    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        found.broken[path] = f"Cannot read {path}: {error.strerror or error}."
        return False
    if empty:
        found.broken[path] = f"{path} is empty; copy or download it again."
    return not empty
