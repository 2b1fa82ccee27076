"""Weights of our own networks: `.safetensors` files that say what made them.

The tensors carry fixed names (the Keras variable path below the model's root), the header carries the method,
the network's Config as JSON and whatever the trainer adds: recipe, steps, seed, hardware, scores. A file is
therefore enough to build its model again, and nothing in it is ever executed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from tf_relight.errors import RelightError, suggest
from tf_relight.weights.fetch import find
from tf_relight.weights.record import KNOWN

FORMAT = "tf_relight weights 1"
FOLLOWED_WEIGHTS = "float_weights.safetensors"
"""Beside weights of a training with 8-bit rounding: those of the float network that it followed."""
# First bytes of files that people are likely to hand over by mistake.
OTHER_FORMATS = {b"\x89HDF": "a Keras HDF5 file", b"PK\x03\x04": "a zip archive (.pth, .keras or .npz)"}
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
        raise RelightError(f"{path} has the newer format '{header['format']}': update tf_relight to read it.")
    try:
        method, config = header["method"], dict(json.loads(header["model"]))
    except (KeyError, ValueError, TypeError) as error:
        raise RelightError(f"{path} does not say which network it is for: its header is damaged.") from error
    for name, tensor in tensors.items():
        if not finite(tensor):
            raise RelightError(f"{path} holds NaN or infinity in '{name}': take other weights.")
    own = ("format", "method", "model")
    extra = {key: _decoded(value) for key, value in sorted(header.items()) if key not in own}
    return StoredWeights(path, method, config, tensors, extra)


def resolve(path_or_name: Path | str) -> Path:
    """Return the weights file that a user means by a path or by a name of the record.

    Raises:
        RelightError: neither a file nor a known name.
    """
    path = Path(path_or_name)
    if path.suffix == ".index" or ".data-" in path.name or Path(f"{path}.index").is_file():
        raise RelightError(
            f"{path} is a checkpoint of a training, which also holds its discriminators and optimisers: give "
            "the weights.safetensors of the finished run."
        )
    if path.is_file():
        return path
    if str(path_or_name) in KNOWN:
        return find(str(path_or_name))
    if path.exists():
        raise RelightError(f"{path} is not a file: name the .safetensors file of the weights.")
    hint = suggest(str(path_or_name), KNOWN)
    raise RelightError(f"There is no file and no entry of `relight weights` called '{path_or_name}'.{hint}")


def _read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as file:
            first = file.read(8)
    except OSError as error:
        raise RelightError(f"Cannot read the weights {path}: {error.strerror or error}.") from error
    if not first:
        raise RelightError(f"{path} is empty: copy or download the weights again.")
    for magic, kind in OTHER_FORMATS.items():
        if first.startswith(magic):
            raise RelightError(f"{path} is {kind}: give the .safetensors file that training writes.")
    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            return dict(file.metadata() or {}), {name: _widened(file.get_tensor(name)) for name in names}
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RelightError(
            f"{path} is not a whole .safetensors file ({error}): copy or download the weights again."
        ) from error


def with_sorted_header(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in alphabetical order.

    The library writes the metadata in random order; files of equal weights would have different hashes.
    Format: 8 bytes little-endian header length, JSON header padded with spaces to a multiple of 8, tensors.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _widened(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype.name == "bfloat16" else values


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: pydantic models become mappings."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def finite(values: np.ndarray) -> bool:
    """Return whether all values are finite; whole numbers always are."""
    values = _widened(values)
    return not np.issubdtype(values.dtype, np.inexact) or bool(np.isfinite(values).all())
