"""MakeHuman's asset folder: which of its files may be used, and which are named and left out.

The layout is that of MakeHuman and of MPFB's data: `3dobjs/base.obj`, `targets/`, `skins/textures/`,
`hair/`, `eyebrows/`, `eyelashes/`, `eyes/`, `teeth/`, `clothes/`. A file is used when its licence is known
and free: by a `MANIFEST.tsv` (columns file, bytes, sha256, licence), else by the header of the mesh files
beside it, else by a `LICENSE.txt` at the top that is CC0.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tf_relight.errors import RelightError
from tf_relight.guarded.reading import read_bytes, read_gzip_text
from tf_relight.guarded.structured import read_csv

FREE_LICENCES = ("CC0-1.0",)
NEEDED = {
    "3dobjs/base.obj": "the body's mesh",
    "targets/macrodetails/*.target.gz": "the shapes of age and ancestry",
    "skins/textures/*.png": "a skin texture",
    "eyes/low-poly/low-poly.mhclo": "eyes",
    "eyes/materials/*.png": "an iris texture",
}
MANIFEST, LICENCE = "MANIFEST.tsv", "LICENSE.txt"
_HEADER_BYTES = 1500


LARGEST = 1 << 28
"""Bytes of an asset; those of MakeHuman have at most a tenth."""


class AssetError(RelightError):
    """An asset that cannot be used; the message is one sentence that names the file."""


class AssetFolder:
    """The usable files of an asset folder, by their paths inside it.

    Attributes:
        root: the folder.
        left_out: what is not used, {path: reason}.
    """

    def __init__(self, root: Path | str) -> None:
        """List the folder and check licences and, where a manifest gives them, sizes and hashes.

        Raises:
            RelightError: not a folder of this layout, or a manifest that cannot be read.
        """
        self.root = Path(root)
        if not self.root.is_dir():
            raise RelightError(f"There is no asset folder {self.root}; give MakeHuman's data with --assets.")
        found = sorted(p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file())
        found = [name for name in found if "/" in name and not name.startswith(".")]
        self.left_out: dict[str, str] = {}
        manifest = self.root / MANIFEST
        if manifest.is_file():
            self._names = self._by_manifest(found, _read_manifest(manifest))
        else:
            self._names = self._by_headers(found)
        self._set = set(self._names)
        for pattern, what in NEEDED.items():
            if not self.files(pattern):
                raise RelightError(
                    f"{self.root} has no usable {pattern} ({what}); give a folder of MakeHuman's layout "
                    "whose files carry a free licence."
                )

    def files(self, pattern: str) -> list[str]:
        """Return the usable files that match a glob pattern, sorted."""
        parts = pattern.split("/")
        return [name for name in self._names if _matches(name.split("/"), parts)]

    def has(self, name: str) -> bool:
        """Whether a file may be used."""
        return name in self._set

    def path(self, name: str) -> Path:
        """Return the place of a usable file.

        Raises:
            AssetError: the file is missing or was left out.
        """
        if name not in self._set:
            reason = self.left_out.get(name, "it is missing")
            raise AssetError(f"The asset {self.root / name} cannot be used: {reason}.")
        return self.root / name

    def _by_manifest(self, found: list[str], known: dict[str, dict[str, str]]) -> list[str]:
        names = []
        for name in found:
            entry = known.get(name)
            if entry is None:
                self.left_out[name] = "its licence is unknown, because the manifest does not list it"
            elif entry["licence"] not in FREE_LICENCES:
                self.left_out[name] = f"its licence is '{entry['licence']}', not {' or '.join(FREE_LICENCES)}"
            elif _sha256(self.root / name) != entry["sha256"]:
                self.left_out[name] = "it differs from the manifest's sha256"
            else:
                names.append(name)
        for name in sorted(set(known) - set(found)):
            self.left_out[name] = "it is missing"
        return names

    def _by_headers(self, found: list[str]) -> list[str]:
        licence = self.root / LICENCE
        all_free = licence.is_file() and "CC0 1.0" in _head(licence)
        free_folders = {
            name.rpartition("/")[0]
            for name in found
            if name.endswith((".mhclo", ".obj")) and "CC0" in _head(self.root / name)
        }
        names = []
        for name in found:
            if all_free or name.rpartition("/")[0] in free_folders:
                names.append(name)
            else:
                self.left_out[name] = "its licence is unknown"
        return names


def asset_bytes(path: Path) -> bytes:
    """Return the content of an asset.

    Raises:
        AssetError: it is missing, no regular file, or larger than any asset.
    """
    try:
        return read_bytes(path, LARGEST, what="an asset", advice="take another")
    except RelightError as error:
        raise AssetError(str(error)) from error


def asset_text(path: Path) -> str:
    """Return the text of an asset, unpacked if its name ends in .gz; bytes that are no text are marked.

    Raises:
        AssetError: as `asset_bytes`.
    """
    if path.suffix != ".gz":
        return asset_bytes(path).decode("utf-8", "replace")
    try:
        return read_gzip_text(path, LARGEST, what="an asset", advice="take another")
    except RelightError as error:
        raise AssetError(str(error)) from error


def _read_manifest(path: Path) -> dict[str, dict[str, str]]:
    names, rows = read_csv(path, what="the list of assets", advice="mend or remove it", delimiter="\t")
    if not {"file", "sha256", "licence"} <= set(names):
        raise RelightError(f"{path} has no columns file, sha256 and licence; mend or remove it.")
    return {row["file"]: {"sha256": row["sha256"], "licence": row["licence"]} for row in rows}


def _matches(parts: list[str], pattern: list[str]) -> bool:
    from fnmatch import fnmatchcase

    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _head(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEADER_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
