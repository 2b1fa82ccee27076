"""VIDIT: the AIM 2020 and NTIRE 2021 relighting data, and everything written under the same names.

Source: El Helou et al., "VIDIT: Virtual Image Dataset for Illumination Transfer", 2020; "AIM 2020: Scene
Relighting and Illumination Estimation Challenge"; "NTIRE 2021 Depth Guided Image Relighting Challenge".
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tf_relight.data.lights import ViditLight
from tf_relight.data.splits import choose_split
from tf_relight.data.vidit_layout import FoundFile, collect, find_files
from tf_relight.data.vidit_samples import ViditSource
from tf_relight.data.vidit_scenes import Completeness, complete_scenes, needed_lights
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    from tf_relight.config import DataConfig

_LOG = logging.getLogger("tf_relight.data")

_PREFERRED_TRACKS = {"one_to_one": (1, 3, 2), "any_to_one": (2, 3, 1), "any_to_any": (3, 2, 1)}
"""Which track's folders to use for a pairing when the root holds several and `track` is auto."""


def open(data_config: DataConfig, split: Literal["train", "validation"]) -> ViditSource:
    """Open a VIDIT folder.

    Incomplete scenes are left out with one counted warning. A root without a validation folder gives
    `data_config.validation_scenes` scenes to validation, chosen by a hash of (seed, name), never by image.

    Raises:
        RelightError: nothing recognised, no complete scene, too few scenes to hold out, or lights that the
            pairing or the mirroring needs are not in this data.
    """
    if data_config.root is None:
        raise RelightError("data.root is not set; use the folder that holds the VIDIT pictures.")
    root = Path(data_config.root)
    files = choose_files(list(find_files(root)), data_config.track, data_config.pairing)
    if not files:
        raise RelightError(
            f"{root} holds no VIDIT pictures (such as Image000_6500_N.png, or input/Image000.png with "
            "target/Image000.png); check data.root, or use data.name=folder for other pictures."
        )
    scenes = choose_split(
        collect(files),
        split,
        root,
        data_config.validation_scenes,
        data_config.seed,
        lambda scene: scene.group,
    )
    mirror = data_config.mirror and split == "train"
    source, target = ViditLight.parse(data_config.input_light), ViditLight.parse(data_config.target_light)
    lights = needed_lights(data_config.pairing, source, target, mirror)
    found = complete_scenes(scenes, lights, data_config.depth, estimation=data_config.track == "aim_2")
    if not found.complete:
        raise RelightError(_none_complete(len(scenes), found, lights, data_config.depth))
    if mirror and found.kind == "pairs":
        raise RelightError(
            "data.mirror cannot work on input and target folders: flipping changes E into W, so a mirrored "
            f"pair for {target.name} needs a picture under {target.mirrored().name}, which is not here. "
            "Set data.mirror=false, or use the full 40-light data."
        )
    if found.missing:
        _LOG.warning("%s (%s): %s; %d scenes are used.", root, split, found.summary(), len(found.complete))
    return ViditSource(root, found, data_config, mirror)


def _none_complete(count: int, found: Completeness, lights: tuple[ViditLight, ...], depth: bool) -> str:
    if found.kind == "pairs":
        wanted = "an input and a target picture"
    else:
        wanted = " and ".join(light.name for light in lights) if len(lights) < 5 else f"{len(lights)} lights"
    return (
        f"None of the {count} scenes is complete: {found.summary()}. Each needs {wanted}"
        f"{' and its depth file' if depth else ''}; finish the download, or choose another data.pairing."
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
