"""Puts the networks into the apps, each checked against its manifest.

    python -m mobile_demo.place_models BUILD --web --android [--portrait METHOD] [--scene METHOD]

BUILD is a folder that `python -m export tflite` wrote. The apps' own `manifest.json` says for each file its
role, sha256, sizes and licence; the apps refuse a file that is another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.litert.manifest import FileRecord, Manifest, Quantisation, read_manifest
from export.litert.older_form import older_form
from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path, write_text
from tf_relight.photo.small_networks import NETWORKS, content_of

HERE = Path(__file__).parent


@dataclass(frozen=True)
class App:
    """Where an app keeps its networks, and how their files are rounded; it uses the quickest for people."""

    folder: Path
    portraits: tuple[Quantisation, ...]
    scenes: tuple[Quantisation, ...] = ()
    older: bool = False  # whether its runtime is TensorFlow Lite 2.16.1


APPS = {
    "web": App(HERE / "web" / "models", ("dynamic_int8", "fp16"), ("static_int8",)),
    "android": App(
        HERE / "android" / "app" / "src" / "main" / "assets", ("fp16", "dynamic_int8"), older=True
    ),
}
SMALL = ("faces_near", "faces_far", "people")
PORTRAIT, SCENE = "lit_unet", "dmshn"


def place(build: Path, app: App, *, portrait: str = PORTRAIT, scene: str = SCENE) -> list[dict[str, Any]]:
    """Copy the files of an app and write its manifest; returns the entries.

    Args:
        portrait, scene: the methods that relight people and scenes.

    Raises:
        RelightError: a file is missing or is not the one that its manifest describes, or the apps cannot run
            the method.
    """
    manifest = read_manifest(build)
    _check(portrait, "portrait")
    wanted = [("portrait", _made(manifest, portrait, kind)) for kind in app.portraits]
    if app.scenes:
        _check(scene, "scene")
        wanted += [("scene", _made(manifest, scene, kind)) for kind in app.scenes]
    folder = app.folder
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for role, record in wanted:
        content = (build / record.name).read_bytes()
        if app.older:
            content = older_form(content)
        with atomic_path(folder / record.name) as temporary:
            temporary.write_bytes(content)
        entries.append(
            {
                "name": record.name,
                "role": role,
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_bytes": len(content),
                "method": record.method,
                "quantisation": record.quantisation,
                "sizes": record.sizes,
                "mirrored": record.mirrored,
                "licence": record.weights.licence,
                "source": record.weights.name,
            }
        )
    for name in SMALL:
        network, content = NETWORKS[name], content_of(name)
        if app.older:
            content = older_form(content)
        with atomic_path(folder / network.file) as temporary:
            temporary.write_bytes(content)
        entries.append(
            {
                "name": network.file,
                "role": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_bytes": len(content),
                "sizes": [network.side],
                "licence": "Apache-2.0",
                "source": network.source,
            }
        )
    write_text(folder / "manifest.json", json.dumps({"files": entries}, indent=2) + "\n")
    named = {entry["name"] for entry in entries}
    for old in folder.glob("*.tflite"):
        if old.name not in named:
            old.unlink()
    return entries


def _check(method: str, role: str) -> None:
    """Refuse a method whose pictures or lights the apps do not know."""
    info = methods.get(method).info
    kinds = [(port.kind, port.channels, port.domain) for port in info.inputs]
    if role == "portrait" and kinds != [("lightness", 1, "linear"), ("light", 1, "lightness")]:
        raise RelightError(
            f"The apps relight portraits by lightness and nine numbers of light, which '{method}' does not "
            f"take; {PORTRAIT} and dpr512 do."
        )
    if role == "scene" and kinds != [("srgb", 3, "linear")]:
        raise RelightError(
            f"The page relights scenes from a colour picture alone, and '{method}' takes more; dmshn and "
            "stacked_dmshn do not."
        )


def _made(manifest: Manifest, method: str, kind: Quantisation) -> FileRecord:
    for record in manifest.files:
        if (record.method, record.quantisation) == (method, kind):
            return record
    known = ", ".join(record.name for record in manifest.files) or "nothing"
    raise RelightError(
        f"The build folder holds no {kind} file of '{method}', only {known}. Write it with `python -m export "
        f"tflite --method {method} --quantisation {kind}`."
    )


def main() -> int:
    """Place the networks of one app, or of both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("build", type=Path, metavar="BUILD", help="folder with the exported files")
    for name, app in APPS.items():
        parser.add_argument(f"--{name}", action="store_true", help=f"into {app.folder.relative_to(HERE)}")
    parser.add_argument(
        "--portrait", default=PORTRAIT, metavar="METHOD", help="for people; default %(default)s"
    )
    parser.add_argument("--scene", default=SCENE, metavar="METHOD", help="for scenes; default %(default)s")
    given = parser.parse_args()
    try:
        for name, app in APPS.items():
            if getattr(given, name):
                for entry in place(given.build, app, portrait=given.portrait, scene=given.scene):
                    print(f"{name}: {entry['name']}, {entry['size_bytes'] / 1e6:.2f} MB, {entry['licence']}")
    except RelightError as error:
        print(f"place_models: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
