"""`manifest.json`: what stands in a folder of .tflite files, for whoever puts them into an app.

A file alone says neither what its numbers mean nor whose its weights are; the manifest says both, for every
file, with the sha256 that ties the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.guarded.reading import NoSuchFile
from tf_relight.guarded.structured import read_json
from tf_relight.weights.checksum import sha256_of

NAME = "manifest.json"
Quantisation = Literal["fp32", "fp16", "dynamic_int8", "static_int8"]
QUANTISATIONS: tuple[Quantisation, ...] = ("fp32", "fp16", "dynamic_int8", "static_int8")
"""What a file's weights and sums are made of:

    fp32            everything float32
    fp16            weights stored as float16; a GPU also adds in float16, a CPU in float32
    dynamic_int8    weights int8; each layer's input is rounded to 8 bits while it runs
    static_int8     weights and pictures int8, with ranges found beforehand on calibration pictures
"""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TensorRecord(_Part):
    """One input or output of a signature; `meaning` says what the numbers are, and their range."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    meaning: str


class SignatureRecord(_Part):
    """One entry of a file, for square pictures of `size` pixels."""

    size: int = Field(ge=1)
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]


class WeightsOrigin(_Part):
    """Whose weights are inside; `sha256` is that of the weights file, None for a model made in memory."""

    name: str
    sha256: str | None = None
    licence: str


class CalibrationRecord(_Part):
    """The pictures whose ranges the int8 file keeps.

    Attributes:
        source: "embedded scenes", "embedded heads" or "folder".
        pictures: how many. seed: of the rendered ones and of the lights.
        sha256: of the pixels and lights.
        sides: sizes at which they went through the network.
    """

    source: Literal["embedded scenes", "embedded heads", "folder"]
    pictures: int = Field(ge=1)
    seed: int
    sha256: str
    sides: tuple[int, ...]


class FileRecord(_Part):
    """One .tflite file.

    Attributes:
        size_bytes, sha256: of the file.
        signatures: by name. All share one set of weights.
        rounded_layers: which layers are rounded to the quantisation, in words; None where nothing is. Where
            rounding spoils the picture most, at full resolution and at the end, layers stay float32 or, in
            static_int8, round like dynamic_int8.
        calibration: for static_int8.
        mirrored: False where the mean with the mirrored picture under the mirrored light, which the network
            takes by itself elsewhere, is left to the app; None for networks without it.
        scores: what `relight export check` measured; None before.
    """

    name: str
    sha256: str
    size_bytes: int = Field(ge=1)
    method: str
    quantisation: Quantisation
    weights: WeightsOrigin
    sizes: tuple[int, ...]
    signatures: dict[str, SignatureRecord]
    colour_space: str
    light_layout: str | None = None
    rounded_layers: str | None = None
    calibration: CalibrationRecord | None = None
    mirrored: bool | None = None
    versions: dict[str, str]
    scores: dict[str, float] | None = None


class Manifest(_Part):
    """The whole folder."""

    format: Literal["tf_relight tflite 1"] = "tf_relight tflite 1"
    files: tuple[FileRecord, ...]

    def file(self, name: str) -> FileRecord:
        """Return the record of the file called `name`.

        Raises:
            RelightError: there is none.
        """
        for record in self.files:
            if record.name == name:
                return record
        known = ", ".join(record.name for record in self.files) or "nothing"
        raise RelightError(f"The manifest describes no file '{name}', only {known}.")

    def with_files(self, records: tuple[FileRecord, ...]) -> Manifest:
        """Return a manifest with `records` added; those of the same name take the place of older ones."""
        names = {record.name for record in records}
        kept = tuple(record for record in self.files if record.name not in names)
        return Manifest(files=(*kept, *records))


def read_manifest(folder: Path | str, *, check_files: bool = True) -> Manifest:
    """Read the manifest of a folder.

    Args:
        check_files: also compare every file with its size and sha256.

    Raises:
        RelightError: no manifest, one that is damaged or of another kind, a file that is missing or is not
            the one described.
    """
    path = Path(folder) / NAME
    try:
        content = read_json(path, what="the manifest", advice="export the files again")
    except NoSuchFile as error:
        raise RelightError(
            f"{folder} holds no {NAME}. Write the files with `relight export tflite --out {folder}`."
        ) from error
    except RelightError as error:
        raise RelightError(f"{path} is damaged: {error}") from error
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise RelightError(f"{path} is damaged: {place}: {first['msg']}. Export the files again.") from error
    for record in manifest.files if check_files else ():
        _check(Path(folder), record)
    return manifest


def write_manifest(folder: Path | str, manifest: Manifest) -> Path:
    """Write the manifest of a folder and return its path; an older one is replaced at once or not at all.

    Raises:
        RelightError: the folder cannot be written.
    """
    path = Path(folder) / NAME
    write_text(path, manifest.model_dump_json(indent=2, exclude_none=True) + "\n")
    return path


def _check(folder: Path, record: FileRecord) -> None:
    path = folder / record.name
    # A name with a folder in it would let a manifest point anywhere.
    if Path(record.name).name != record.name:
        raise RelightError(f"{folder / NAME} names '{record.name}', which is not a file of its folder.")
    if not path.is_file():
        raise RelightError(f"{path} is missing, but {NAME} describes it. Export the files again.")
    if path.stat().st_size != record.size_bytes or sha256_of(path) != record.sha256:
        raise RelightError(f"{path} is not the file that {NAME} describes. Export the files again.")
