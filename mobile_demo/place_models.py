"""Puts the networks into the apps, each checked against its manifest.

    python -m mobile_demo.place_models BUILD --web | --android

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

from export.litert.manifest import read_manifest
from export.litert.older_form import older_form
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path, write_text
from tf_relight.photo.small_networks import NETWORKS, content_of

HERE = Path(__file__).parent
FOLDERS = {"web": HERE / "web" / "models", "android": HERE / "android" / "app" / "src" / "main" / "assets"}
OLDER = {"android"}
"""Apps whose runtime is TensorFlow Lite 2.16.1."""
SMALL = ("faces_near", "faces_far", "people")


@dataclass(frozen=True)
class Wanted:
    """A file of an app: its name in the build folder, and what it is for."""

    name: str
    role: str


WANTED = {
    "web": (
        Wanted("lit_unet_dynamic_int8.tflite", "portrait"),
        Wanted("lit_unet_fp16.tflite", "portrait"),
        Wanted("dmshn_static_int8.tflite", "scene"),
    ),
    "android": (
        Wanted("lit_unet_fp16.tflite", "portrait"),
        Wanted("lit_unet_dynamic_int8.tflite", "portrait"),
    ),
}


def place(build: Path, app: str) -> list[dict[str, Any]]:
    """Copy the files of an app and write its manifest; returns the entries.

    Raises:
        RelightError: a file is missing or is not the one that its manifest describes.
    """
    manifest = read_manifest(build)
    folder = FOLDERS[app]
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for wanted in WANTED[app]:
        record = manifest.file(wanted.name)
        content = (build / record.name).read_bytes()
        if app in OLDER:
            content = older_form(content)
        with atomic_path(folder / record.name) as temporary:
            temporary.write_bytes(content)
        entries.append(
            {
                "name": record.name,
                "role": wanted.role,
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
        if app in OLDER:
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


def main() -> int:
    """Place the networks of one app, or of both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("build", type=Path, metavar="BUILD", help="folder with the exported files")
    for app in FOLDERS:
        parser.add_argument(f"--{app}", action="store_true", help=f"into {FOLDERS[app].relative_to(HERE)}")
    given = parser.parse_args()
    try:
        for app in FOLDERS:
            if getattr(given, app):
                for entry in place(given.build, app):
                    print(f"{app}: {entry['name']}, {entry['size_bytes'] / 1e6:.2f} MB, {entry['licence']}")
    except RelightError as error:
        print(f"place_models: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
