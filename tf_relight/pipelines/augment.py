"""`relight data augment`: a folder of photos of people under random lights, with a manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.guarded.reading import NoSuchFile
from tf_relight.guarded.structured import parse_json, read_json
from tf_relight.photo.listing import find_pictures
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture
from tf_relight.pipelines.distribution import LightDistribution
from tf_relight.progress import track
from tf_relight.relighting.request import RelightOptions

MANIFEST = "manifest.json"
FORMAT = "tf_relight augmentation 1"
MOST_LIGHTS = 10_000


@dataclass
class Augmented:
    """What a run did: pictures written and found, and a sentence for each photo that failed."""

    written: int = 0
    kept: int = 0
    failures: list[str] = field(default_factory=list)


def augment(
    root: Path | str,
    out: Path | str,
    *,
    lights: int,
    distribution: LightDistribution | None = None,
    seed: int = 0,
    keep_background: bool = False,
    weights: str | None = None,
    progress: bool = True,
) -> Augmented:
    """Relight every photo below `root` by `lights` random lights each into `out`, as PNG files.

    The lights of a photo follow from the seed and its name, so that a run that was stopped goes on with the
    same ones, and a photo that is added changes no other.

    Raises:
        RelightError: no photos, a number out of range, or a folder that was begun with other settings.
    """
    root, out = Path(root), Path(out)
    if not root.is_dir():
        raise RelightError(f"There is no folder {root} of photos.")
    if not 1 <= lights <= MOST_LIGHTS:
        raise RelightError(f"--lights {lights} is not a number from 1 to {MOST_LIGHTS}.")
    if out.resolve() == root.resolve():
        raise RelightError("Give another folder for the results than that of the photos.")
    distribution = distribution or LightDistribution()
    found = find_pictures([root], recursive=True, without=out)
    settings = {
        "format": FORMAT,
        "lights": lights,
        "seed": seed,
        "keep_background": keep_background,
        "weights": weights,
        "distribution": distribution.model_dump(mode="json"),
    }
    entries = _begun(out, settings)
    from tf_relight.contract.usual import PORTRAIT_METHOD
    from tf_relight.relighting.photos import load_for
    from tf_relight.relighting.portraits import PortraitRelighter

    loaded = load_for(None if weights else PORTRAIT_METHOD, weights)
    if not loaded.method.info.takes_light:
        raise RelightError(f"'{loaded.method.name}' takes no light: give weights of a portrait method.")
    done = Augmented()
    for source in track(found.pictures, lambda path: path.name, show=progress):
        inside = source.relative_to(root)
        files = [inside.with_name(f"{inside.stem}_light{number:03d}.png") for number in range(lights)]
        missing = [
            n for n, file in enumerate(files) if file.as_posix() not in entries or not (out / file).is_file()
        ]
        done.kept += lights - len(missing)
        if not missing:
            continue
        drawn, strengths = _lights_of(inside, lights, distribution, seed)
        try:
            relighter = PortraitRelighter(read_picture(source), loaded)
            if keep_background and not relighter.faces:
                raise RelightError("no face was found, so the background cannot be kept.")
            for number in missing:
                options = RelightOptions(
                    light=drawn[number], strength=strengths[number], keep_background=keep_background
                )
                write_picture(out / files[number], relighter.relight(options), strip=True)
                azimuth, elevation = drawn[number].angles
                entries[files[number].as_posix()] = {
                    "source": inside.as_posix(),
                    "azimuth": round(azimuth, 2),
                    "elevation": round(elevation, 2),
                    "strength": round(strengths[number], 4),
                    "faces": len(relighter.faces),
                    "light": [
                        [round(value, 6) for value in row] for row in drawn[number].coefficients.tolist()
                    ],
                }
                done.written += 1
        except RelightError as error:
            said = str(error)
            done.failures.append(said if str(source) in said else f"{source}: {said}")
        _write(out, settings, entries)
    return done


def _lights_of(
    inside: Path, count: int, distribution: LightDistribution, seed: int
) -> tuple[list[Any], list[float]]:
    """Return the lights and the strengths of one photo."""
    digest = hashlib.sha256(f"{seed} {inside.as_posix()}".encode(errors="backslashreplace")).digest()
    own = int.from_bytes(digest[:4], "big")
    random = np.random.default_rng(own + 1)
    return distribution.draw(count, own), [
        float(random.uniform(*distribution.strength)) for _ in range(count)
    ]


def _begun(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a folder that was begun with these settings; none for a new folder.

    Raises:
        RelightError: it was begun with others, or holds other files.
    """
    path = out / MANIFEST
    try:
        content = read_json(path, what="the manifest", advice="give a new folder")
    except NoSuchFile:
        if out.is_dir() and any(out.iterdir()):
            raise RelightError(f"{out} holds other files: give a new folder.") from None
        return {}
    kept = content if isinstance(content, dict) else {}
    differs = [
        name
        for name in settings
        if kept.get(name) != parse_json(json.dumps(settings[name]), source="the settings")
    ]
    files = kept.get("files")
    if differs or not isinstance(files, dict):
        raise RelightError(
            f"{out} was begun with other settings ({', '.join(differs) or 'files'}): give the same ones, "
            "or a new folder."
        )
    return files


def _write(out: Path, settings: dict[str, Any], entries: dict[str, Any]) -> None:
    write_text(
        out / MANIFEST, json.dumps({**settings, "files": dict(sorted(entries.items()))}, indent=1) + "\n"
    )
