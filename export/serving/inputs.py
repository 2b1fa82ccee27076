"""What a signature takes, and bringing a request's inputs into that form or refusing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.serving.limits import Limits, pixels_of_file
from export.serving.refusals import Reason, Refusal, invalid

PICTURE_FILES = "image_bytes"
"""The input that holds whole picture files; their headers are checked."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ServedTensor:
    """An input or output.

    Attributes:
        shape: None stands for any size.
        dtype: of NumPy; object for strings of bytes.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class ServedSignature:
    """One function of the model.

    Attributes:
        batched: whether the first axis of every input and output is a batch of any length.
    """

    name: str
    inputs: tuple[ServedTensor, ...]
    outputs: tuple[ServedTensor, ...]
    batched: bool


@dataclass(frozen=True, eq=False)
class Prepared:
    """Inputs that passed every check.

    Attributes:
        rows: pictures. pixels: of all of them together.
    """

    signature: ServedSignature
    arrays: Arrays
    rows: int
    pixels: int

    @property
    def group(self) -> tuple[Any, ...]:
        """Requests to one model whose groups are equal may share a batch."""
        if not self.signature.batched:
            return (object(),)  # equal to nothing else
        return self.signature.name, *(self.arrays[spec.name].shape[1:] for spec in self.signature.inputs)


def prepare(signature: ServedSignature, given: Mapping[str, Any], limits: Limits) -> Prepared:
    """Check inputs and bring them into their types.

    Args:
        given: name to an array, or to nested lists of numbers or bytes.

    Raises:
        Refusal: a name, type, shape, number or picture that the signature does not take.
    """
    _check_names(signature, given)
    arrays = {spec.name: _array(spec, given[spec.name]) for spec in signature.inputs}
    rows = _rows(signature, arrays, limits.max_batch)
    pixels = 0
    for spec in signature.inputs:
        pixels += _pixels(spec, arrays[spec.name], pixels, limits.max_pixels)
    return Prepared(signature, arrays, rows, pixels)


def _rows(signature: ServedSignature, arrays: Arrays, most: int) -> int:
    if not signature.batched:
        return 1
    counts = {name: len(values) for name, values in arrays.items()}
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise invalid(f"The inputs must have the same number of entries, but have: {told}.")
    rows = next(iter(counts.values()))
    if not 1 <= rows <= most:
        raise invalid(f"The request holds {rows} pictures. Send 1 to {most}.")
    return rows


def _pixels(spec: ServedTensor, values: np.ndarray, before: int, most: int) -> int:
    """Return the pixels of one input, 0 if it holds none; `before` are those of the other inputs."""
    if spec.dtype == object and spec.name == PICTURE_FILES:
        sizes = [pixels_of_file(content, index, most) for index, content in enumerate(values.flat)]
        pixels = sum(sizes)
    elif spec.dtype.kind == "f" and values.ndim == 4:
        pixels = values.shape[0] * values.shape[1] * values.shape[2]
    else:
        return 0
    if before + pixels > most:
        raise Refusal(
            Reason.TOO_LARGE,
            f"The pictures of the request have {before + pixels:,} pixels, more than the limit of "
            f"{most:,}. Send fewer or smaller ones.",
        )
    return pixels


def _check_names(signature: ServedSignature, given: Mapping[str, Any]) -> None:
    wanted = [spec.name for spec in signature.inputs]
    missing = [name for name in wanted if name not in given]
    unknown = [str(name)[:80] for name in given if name not in wanted]
    if missing or unknown:
        problem = f"lacks the input '{missing[0]}'" if missing else f"has an unknown input '{unknown[0]}'"
        raise invalid(f"The request {problem}. Signature {signature.name} takes {', '.join(wanted)}.")


def _array(spec: ServedTensor, given: Any) -> np.ndarray:
    """Return one input in its type, or refuse it."""
    values = _bytes_array(spec, given) if spec.dtype == object else _number_array(spec, given)
    fits = values.ndim == len(spec.shape) and all(
        wanted in (None, has) for wanted, has in zip(spec.shape, values.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if side is None else str(side) for side in spec.shape)
        raise invalid(f"Input '{spec.name}' has the shape {list(values.shape)}, but takes [{wanted}].")
    return values


def _bytes_array(spec: ServedTensor, given: Any) -> np.ndarray:
    if isinstance(given, np.ndarray):
        values = given
    else:
        entries = given if isinstance(given, list) else [given]
        values = np.empty(len(entries), dtype=object)
        for place, entry in enumerate(entries):
            values[place] = entry
        values = values if isinstance(given, list) else values.reshape(())
    if not all(isinstance(each, bytes) for each in values.flat):
        raise invalid(f"Input '{spec.name}' takes bytes. In JSON write them as {{\"b64\": ...}}.")
    return values


def _number_array(spec: ServedTensor, given: Any) -> np.ndarray:
    try:
        values = np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        values = np.empty(0, dtype=object)
    exact = isinstance(given, np.ndarray)
    if values.dtype.kind not in "iuf" and not (values.dtype.kind == spec.dtype.kind == "b"):
        raise invalid(f"Input '{spec.name}' takes numbers in lists of equal length.")
    if exact and values.dtype != spec.dtype:
        raise invalid(f"Input '{spec.name}' has the type {values.dtype}, but takes {spec.dtype}.")
    if spec.dtype.kind in "iu" and values.dtype.kind == "f":
        raise invalid(f"Input '{spec.name}' takes whole numbers.")
    if not exact:
        with np.errstate(over="ignore"):
            values = values.astype(spec.dtype)
    if spec.dtype.kind == "f" and not np.isfinite(values).all():
        raise invalid(f"Input '{spec.name}' holds NaN or infinity. Send finite numbers.")
    return values
