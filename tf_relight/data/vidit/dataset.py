"""VIDIT: the AIM 2020 and NTIRE 2021 relighting data, and everything written under the same names.

Source: El Helou et al., "VIDIT: Virtual Image Dataset for Illumination Transfer", 2020; "AIM 2020: Scene
Relighting and Illumination Estimation Challenge"; "NTIRE 2021 Depth Guided Image Relighting Challenge".
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from tf_relight.data.source import Split
from tf_relight.data.splits import choose_split
from tf_relight.data.vidit.layout import SHADOW_FREE, FoundFile, ViditScene, collect, find_files
from tf_relight.data.vidit.options import Options
from tf_relight.data.vidit.samples import ViditSource
from tf_relight.data.vidit.scenes import Completeness, complete_scenes, needed_lights
from tf_relight.errors import RelightError
from tf_relight.light.vidit import LIGHT_COUNT, ViditLight

_LOG = logging.getLogger("tf_relight.data")

_PREFERRED_TRACKS = {"one_to_one": (1, 3, 2), "any_to_one": (2, 3, 1), "any_to_any": (3, 2, 1)}
"""Which track's folders to use for a pairing when the root holds several and `track` is auto."""


FIELDS = ("image", "target", "light", "target_light", "guide", "depth", "shadow_free")
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> ViditSource:
    """Open a VIDIT folder.

    Incomplete scenes are left out with one counted warning. A root without a validation folder gives
    `data_config.validation_scenes` scenes to validation, chosen by a hash of (seed, name), never by image.

    With `data_config.shadow_free`, a scene without its shadow-free picture is incomplete. Validation scenes
    that nobody can fuse, because their forty pictures are not there, do without, with a warning.

    Raises:
        RelightError: nothing recognised, no complete scene, too few scenes to hold out, or lights that the
            pairing or the mirroring needs are not in this data, or no shadow-free pictures.

    Example:
        >>> import tempfile
        >>> from tf_relight.rendering.scenes.write import render_scenes
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = render_scenes(root, scenes=2, validation_scenes=1, size=16, layout="one2one", progress=False)
        >>> source = open(Options(name="vidit", root=root, size=16), "validation")
        >>> len(source), source.read(0)["target"].shape
        (1, (16, 16, 3))
    """
    data_config = data_config.giving(needs)
    if data_config.root is None:
        raise RelightError("data.root is not set; use the folder that holds the VIDIT pictures.")
    root = Path(data_config.root)
    files = choose_files(list(find_files(root)), data_config.track, data_config.pairing)
    if all(found.role == SHADOW_FREE for found in files):
        raise RelightError(
            f"{root} holds no VIDIT pictures (such as Image000_6500_N.png, or input/Image000.png with "
            "target/Image000.png); check data.root, or use data.name=folder for other pictures."
        )
    scenes = choose_split(
        {name: _pictured(scenes) for name, scenes in collect(files).items()},
        split,
        root,
        data_config.validation_scenes,
        data_config.seed,
        lambda scene: scene.group,
    )
    mirror = data_config.mirror and split == "train"
    source, target = ViditLight.parse(data_config.input_light), ViditLight.parse(data_config.target_light)
    lights = needed_lights(data_config.pairing, source, target, mirror)
    shadow_free = data_config.shadow_free and _has_shadow_free(root, split, scenes)
    estimation = data_config.track == "aim_2"
    found = complete_scenes(scenes, lights, data_config.depth, estimation, shadow_free)
    if not found.complete:
        raise RelightError(_none_complete(root, len(scenes), found, lights, data_config.depth, shadow_free))
    if mirror and found.kind == "pairs":
        raise RelightError(
            "data.mirror cannot work on input and target folders: flipping changes E into W, so a mirrored "
            f"pair for {target.name} needs a picture under {target.mirrored().name}, which is not here. "
            "Set data.mirror=false, or use the full 40-light data."
        )
    if found.missing:
        advice = f" `relight data fuse {root}` makes shadow-free pictures." if shadow_free else ""
        summary = found.summary()
        _LOG.warning("%s (%s): %s; %d scenes are used.%s", root, split, summary, len(found.complete), advice)
    return ViditSource(root, found, data_config, mirror)


def _pictured(scenes: dict[str, ViditScene]) -> dict[str, ViditScene]:
    """The scenes that have more than a shadow-free picture."""
    return {
        name: scene
        for name, scene in scenes.items()
        if scene.lights or scene.depth or set(scene.roles) - {SHADOW_FREE}
    }


def _has_shadow_free(root: Path, split: str, scenes: Sequence[ViditScene]) -> bool:
    """Whether to read shadow-free pictures; False for validation scenes from which none can be made.

    Raises:
        RelightError: there are none, though they can be made or training needs them.
    """
    if any(SHADOW_FREE in scene.roles for scene in scenes):
        return True
    if split == "train" or any(len(scene.lights) == LIGHT_COUNT for scene in scenes):
        raise RelightError(
            f"{root} has no shadow-free pictures of its {split} scenes; `relight data fuse {root}` makes "
            f"them from the {LIGHT_COUNT} pictures of each scene."
        )
    _LOG.warning(
        "%s (%s): the scenes lack the %d pictures that a shadow-free one is made from, so nothing that is "
        "trained on shadow-free pictures can be validated.",
        root,
        split,
        LIGHT_COUNT,
    )
    return False


def _none_complete(
    root: Path,
    count: int,
    found: Completeness,
    lights: tuple[ViditLight, ...],
    depth: bool,
    shadow_free: bool,
) -> str:
    if found.kind == "pairs":
        wanted = "an input and a target picture"
    else:
        wanted = " and ".join(light.name for light in lights) if len(lights) < 5 else f"{len(lights)} lights"
    return (
        f"None of the {count} scenes is complete: {found.summary()}. Each needs {wanted}"
        f"{' and its depth file' if depth else ''}"
        f"{f' and its shadow-free picture (`relight data fuse {root}`)' if shadow_free else ''}; "
        "finish the download, or choose another data.pairing."
    )


def choose_files(files: list[FoundFile], track: str, pairing: str) -> list[FoundFile]:
    """Keep the files of one challenge, and one track for training and one for validation.

    A file whose folders name no challenge or track belongs to all. With `track` "auto" each split takes the
    track that fits the pairing best, because some people keep training pictures of track 2 beside validation
    pictures of track 1. Test pictures have no targets and are left out.

    Raises:
        RelightError: the track asked for is not there, or both challenges are and none was asked for.
    """
    challenge, number = track.split("_") if track != "auto" else (None, None)
    if challenge is None and len({found.challenge for found in files} - {None}) > 1:
        raise RelightError(
            "The folder holds AIM and NTIRE data; set data.track to one of aim_1, aim_2, aim_3, ntire_1, "
            "ntire_2."
        )
    files = [found for found in files if challenge is None or found.challenge in (None, challenge)]
    tracks = {found.track for found in files} - {None}
    if number is not None and tracks and int(number) not in tracks:
        listed = ", ".join(str(track) for track in sorted(track for track in tracks if track))
        raise RelightError(f"data.track {track} is not in this folder; it holds track {listed}.")
    training = [found for found in files if found.split in ("train", None)]
    validation = [found for found in files if found.split == "validation"]
    order = _PREFERRED_TRACKS[pairing] if number is None else (int(number),)
    return _of_track(training, order) + _of_track(validation, order)


def _of_track(files: list[FoundFile], order: tuple[int, ...]) -> list[FoundFile]:
    tracks = {found.track for found in files}
    chosen = next((number for number in order if number in tracks), None)
    return [found for found in files if found.track in (None, chosen)]
