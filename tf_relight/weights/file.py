"""Weights of our own networks: `.safetensors` files that say what made them.

The tensors carry fixed names (the Keras variable path below the model's root), the header carries the method,
the network's Config as JSON and whatever the trainer adds: recipe, steps, seed, hardware, scores. A file is
therefore enough to build its model again, and nothing in it is ever executed.
"""

from __future__ import annotations

import json
import os
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tf_relight.errors import LONGEST_QUOTE, RelightError, shortened, suggest
from tf_relight.guarded.reading import first_bytes, foreign, is_file
from tf_relight.guarded.structured import parse_json
from tf_relight.weights.fetch import find
from tf_relight.weights.record import KNOWN

FORMAT = "tf_relight weights 1"
FOLLOWED_WEIGHTS = "float_weights.safetensors"
"""Beside weights of a training with 8-bit rounding: those of the float network that it followed."""
# First bytes of files that people are likely to hand over by mistake.
OTHER_FORMATS = {b"\x89HDF": "a Keras HDF5 file", b"PK\x03\x04": "a zip archive (.pth, .keras or .npz)"}
LONGEST_VALUE = 2000
"""Characters that are kept of a header's value that is no JSON."""
StorageType = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class StoredWeights:
    """What a weights file holds, before any model is built.

    Attributes:
        tensors: name to array; bfloat16 has become float32, other types are as stored.
        metadata: the header without format, method and model, decoded from JSON.
    """

    path: Path
    method: str
    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    metadata: dict[str, Any]


def read_weights(path: Path | str) -> StoredWeights:
    """Read a weights file of ours without building a model.

    Raises:
        RelightError: missing, truncated, of another format, or NaN inside.
    """
    path = Path(path)
    header, tensors = _read_safetensors(path)
    if not header.get("format", "").startswith("tf_relight weights "):
        raise RelightError(
            f"{path} is a .safetensors file of another program: it names no tf_relight method."
        )
    if header["format"] != FORMAT:
        raise RelightError(
            f"{path} has the newer format '{shortened(header['format'], 40)}': update tf_relight to read it."
        )
    with foreign(f"{path} does not say which network it is for: its header is damaged."):
        method, config = header["method"], _object(header["model"])
        if len(method) > LONGEST_QUOTE:
            raise ValueError("method")
    for name, tensor in tensors.items():
        if not finite(tensor):
            raise RelightError(f"{path} holds NaN or infinity in '{shortened(name)}': take other weights.")
    own = ("format", "method", "model")
    extra = {key: _decoded(value) for key, value in sorted(header.items()) if key not in own}
    return StoredWeights(path, method, config, tensors, _checked(path, extra))


def resolve(path_or_name: Path | str) -> Path:
    """Return the weights file that a user means by a path or by a name of the record.

    Raises:
        RelightError: neither a file nor a known name.
    """
    path = Path(path_or_name)
    if path.suffix == ".index" or ".data-" in path.name or is_file(f"{path}.index"):
        raise RelightError(
            f"{path} is a checkpoint of a training, which also holds its discriminators and optimisers: give "
            "the weights.safetensors of the finished run."
        )
    if is_file(path):
        return path
    if str(path_or_name) in KNOWN:
        return find(str(path_or_name))
    if os.path.exists(path):
        raise RelightError(f"{path} is not a file: name the .safetensors file of the weights.")
    hint, name = suggest(str(path_or_name), KNOWN), shortened(str(path_or_name))
    raise RelightError(f"There is no file and no entry of `relight weights` called '{name}'.{hint}")


def _read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    from safetensors import safe_open

    first = first_bytes(path, 8, what="the weights", advice="name the .safetensors file of the weights")
    if not first:
        raise RelightError(f"{path} is empty: copy or download the weights again.")
    for magic, kind in OTHER_FORMATS.items():
        if first.startswith(magic):
            raise RelightError(f"{path} is {kind}: give the .safetensors file that training writes.")
    # A device or a pipe was refused above; the library maps the file by its name.
    with (
        foreign(f"{path} is not a whole .safetensors file ({{reason}}): copy or download the weights again."),
        safe_open(path, framework="np") as file,
    ):
        names = list(file.keys())
        return dict(file.metadata() or {}), {name: _widened(file.get_tensor(name)) for name in names}


def with_sorted_header(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in alphabetical order.

    The library writes the metadata in random order; files of equal weights would have different hashes.
    Format: 8 bytes little-endian header length, JSON header padded with spaces to a multiple of 8, tensors.
    """
    length = int.from_bytes(content[:8], "little")
    header = parse_json(content[8 : 8 + length], source="The header")
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _widened(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype.name == "bfloat16" else values


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: pydantic models become mappings."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _object(text: str) -> dict[str, Any]:
    try:
        found = parse_json(text, source="the network")
    except RelightError as error:
        raise ValueError(str(error)) from error
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _decoded(text: str) -> Any:
    """Return a value of the header; what is no JSON, or too deep to be shown, stays text."""
    try:
        return parse_json(text, source="the value")
    except RelightError:
        return shortened(text, LONGEST_VALUE)


class Described(BaseModel):
    """What in a header steers work, as it must be; everything else in it is shown only.

    Attributes:
        size: side in pixels of the training pictures; None takes the method's own.
        data: a `DataConfig` that the weights were trained on.
        starts_from: what is known of the weights that the training began with.
        scores: numbers of the last validation.
        follows: sha256 of the float network beside weights with 8-bit rounding.
        licence: of the weights.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    size: Annotated[int, Field(ge=8, le=16384, strict=True)] | None = None
    steps: Annotated[int, Field(ge=0, le=10**12, strict=True)] | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    data: dict[str, Any] | None = None
    train: dict[str, Any] | None = None
    recipe: dict[str, Any] | None = None
    starts_from: dict[str, Any] | None = None
    scores: dict[str, Any] | None = None
    follows: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    licence: Annotated[str, Field(max_length=2000)] | None = None


def _checked(path: Path, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata as they are, or refuse a value that would steer work wrongly."""
    try:
        Described.model_validate(extra)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RelightError(
            f"{path} has a damaged header: {place} = {reprlib.repr(first['input'])} ({first['msg']}): take "
            "other weights, or copy them again."
        ) from error
    return extra


def finite(values: np.ndarray) -> bool:
    """Return whether all values are finite; whole numbers always are."""
    values = _widened(values)
    return not np.issubdtype(values.dtype, np.inexact) or bool(np.isfinite(values).all())
