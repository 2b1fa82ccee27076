"""Weights made ready for LiteRT: a .tflite file, and a record that says which weights it was made of.

They lie beside the weights (`name.tflite` and `name.tflite.json`), as those that ship do, or in the cache
folder under the sha256 of the weights. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.guarded.reading import first_bytes, is_file, read_bytes
from tf_relight.guarded.structured import parse_json
from tf_relight.weights.checksum import sha256_of
from tf_relight.weights.record import cache_folder

LARGEST = 2 << 30
"""Bytes of a .tflite file, whose offsets have 32 bits."""
FORMAT = "tf_relight prepared weights 1"
LARGEST_DIFFERENCE = 1e-4
"""From Keras, of any value of any output; a file that differs more is not used."""
LARGEST_RECORD = 1 << 16
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Record(BaseModel):
    """What is known of a prepared file.

    Attributes:
        method: whose networks it holds.
        weights: sha256 of the weights file it was made of.
        tflite: its own sha256.
        sizes: sides in pixels of the square pictures it takes, a signature each.
        difference: the largest one from Keras that was seen when it was made.
        made_with: versions.
    """

    model_config = ConfigDict(frozen=True)

    format: str = FORMAT
    method: str
    weights: Sha256
    tflite: Sha256
    sizes: tuple[Annotated[int, Field(ge=8, le=8192)], ...]
    difference: Annotated[float, Field(ge=0)]
    made_with: dict[str, str] = {}


@dataclass(frozen=True)
class Prepared:
    """A prepared file, read and checked."""

    path: Path
    record: Record
    content: bytes


def beside(weights: Path) -> Path:
    """Return where the prepared file of some weights lies if it ships with them."""
    return weights.with_suffix(".tflite")


def in_cache(sha256: str) -> Path:
    """Return where the prepared file of weights with this sha256 lies in the cache folder."""
    return cache_folder() / "prepared" / f"{sha256[:32]}.tflite"


def record_path(path: Path) -> Path:
    """Return where the record of a prepared file lies."""
    return path.with_name(f"{path.name}.json")


def find(weights: Path) -> Prepared | None:
    """Return the prepared file of some weights, or None if there is none; one without a record is not ours.

    Raises:
        RelightError: the one that lies there was made of other weights, or is damaged.
    """
    sha256 = sha256_of(weights)
    for path in (beside(weights), in_cache(sha256)):
        if is_file(path) and is_file(record_path(path)):
            return _read(path, weights, sha256)
    return None


def write(path: Path, content: bytes, record: Record) -> None:
    """Write a prepared file and its record; a reader between the two sees a file that is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    with atomic_path(record_path(path)) as temporary:
        temporary.write_text(json.dumps(record.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


def _read(path: Path, weights: Path, sha256: str) -> Prepared:
    again = f"run `relight weights prepare {weights}` again, or give --engine keras"
    beside_it = record_path(path)
    try:
        text = first_bytes(beside_it, LARGEST_RECORD, what="the record", advice=again)
        record = Record.model_validate(parse_json(text, source=str(beside_it)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RelightError(f"{beside_it} is damaged ({place}: {first['msg']}): {again}.") from error
    if record.format != FORMAT:
        raise RelightError(f"{beside_it} is of another version: {again}.")
    if record.weights != sha256:
        raise RelightError(
            f"{path} was made of other weights (sha256 {record.weights[:8]}) than {weights} ({sha256[:8]}): "
            f"{again}."
        )
    if record.difference > LARGEST_DIFFERENCE:
        raise RelightError(f"{path} differs from Keras by {record.difference:.1e}: {again}.")
    content = read_bytes(path, LARGEST, what="the prepared network", advice="prepare it again")
    if hashlib.sha256(content).hexdigest() != record.tflite:
        raise RelightError(f"{path} is not the file that its record names, or is damaged: {again}.")
    return Prepared(path, record, content)
