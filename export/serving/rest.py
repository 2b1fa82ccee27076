"""TensorFlow Serving's JSON: requests to arrays and back.

Rows: {"instances": [{"image_bytes": {"b64": "..."}, "light": [...]}, ...]} gives {"predictions": [...]}.
Columns: {"inputs": {"image_bytes": [{"b64": "..."}], "light": [[...]]}} gives {"outputs": ...}.
A signature with one input or output leaves its name out. Bytes are {"b64": ...}.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.serving.inputs import Arrays, ServedSignature
from export.serving.refusals import invalid
from tf_relight.errors import RelightError
from tf_relight.guarded.structured import parse_json

BASE64 = "b64"
BYTES_ENDING = "_bytes"
"""Outputs of strings with this ending are written in base64, others as text."""
ROWS, COLUMNS = "instances", "inputs"
_SHAPE = 'Send {"signature_name": ..., "instances": [...]} or {"signature_name": ..., "inputs": {...}}.'


@dataclass(frozen=True, eq=False)
class Request:
    """The parsed body of a prediction.

    Attributes:
        form: ROWS or COLUMNS.
        values: what stood under it.
    """

    signature: str
    form: str
    values: Any

    def inputs(self, signature: ServedSignature) -> dict[str, Any]:
        """Return name to nested lists of numbers or bytes.

        Raises:
            Refusal: rows that do not fit together, or damaged base64.
        """
        columns = _columns_of_rows(self.values, signature) if self.form == ROWS else self._columns(signature)
        strings = {spec.name for spec in signature.inputs if spec.dtype == object}
        return {
            name: _bytes_of(name, values) if name in strings else values for name, values in columns.items()
        }

    def _columns(self, signature: ServedSignature) -> dict[str, Any]:
        if isinstance(self.values, dict) and not _is_base64(self.values):
            return self.values
        return {_only_input(signature): self.values}


def parse(body: bytes) -> Request:
    """Return what the body of a prediction asks for.

    Raises:
        Refusal: it is not JSON, or not of the shape above.
    """
    try:
        # Pictures as nested numbers are long: only what would break the answer is looked for.
        content = parse_json(body, source="The body", depth=None)
    except RelightError as error:
        raise invalid(str(error)) from None
    if not isinstance(content, dict) or (ROWS in content) == (COLUMNS in content):
        raise invalid(f"The body has neither or both of instances and inputs. {_SHAPE}")
    signature = content.get("signature_name", "")
    if not isinstance(signature, str):
        raise invalid(f"signature_name is not a string. {_SHAPE}")
    form = ROWS if ROWS in content else COLUMNS
    return Request(signature, form, content[form])


def answer(form: str, outputs: Arrays) -> bytes:
    """Return the body of an answer in the form of its request.

    Raises:
        Refusal: rows were asked for, but the outputs are not one per row.
    """
    columns = {name: _plain(name, values) for name, values in outputs.items()}
    if form == COLUMNS:
        whole = columns if len(columns) > 1 else next(iter(columns.values()))
        return _written({"outputs": whole})
    if len({len(values) if isinstance(values, list) else -1 for values in columns.values()}) != 1:
        raise invalid("The outputs of this signature are not one per row. Send inputs instead of instances.")
    if len(columns) == 1:
        return _written({"predictions": next(iter(columns.values()))})
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return _written({"predictions": rows})


def _columns_of_rows(rows: Any, signature: ServedSignature) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise invalid("instances is not a list of at least one picture.")
    if not isinstance(rows[0], dict) or _is_base64(rows[0]):
        return {_only_input(signature): rows}
    names = rows[0].keys()
    if any(not isinstance(row, dict) or row.keys() != names for row in rows):
        raise invalid("Every one of the instances must name the same inputs.")
    return {name: [row[name] for row in rows] for name in names}


def _only_input(signature: ServedSignature) -> str:
    if len(signature.inputs) != 1:
        names = ", ".join(spec.name for spec in signature.inputs)
        raise invalid(f"Signature {signature.name} takes several inputs. Name them: {names}.")
    return signature.inputs[0].name


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {BASE64}


def _bytes_of(name: str, value: Any) -> Any:
    """Return the bytes, or the list of bytes, that JSON gave for an input of strings."""
    if isinstance(value, list):
        return [_bytes_of_one(name, each) for each in value]
    return _bytes_of_one(name, value)


def _bytes_of_one(name: str, value: Any) -> bytes:
    if isinstance(value, str) and not name.endswith(BYTES_ENDING):
        return value.encode()
    if not _is_base64(value):
        raise invalid(f"Input '{name}' takes bytes, written as {{\"{BASE64}\": ...}}.")
    try:
        return base64.b64decode(value[BASE64], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise invalid(f"Input '{name}' is not base64 ({error}).") from None


def _plain(name: str, values: np.ndarray) -> Any:
    if values.dtype != object:
        return values.tolist()
    if name.endswith(BYTES_ENDING):
        return _mapped(values.tolist(), lambda content: {BASE64: base64.b64encode(content).decode("ascii")})
    return _mapped(values.tolist(), lambda content: content.decode(errors="replace"))


def _mapped(value: Any, change: Any) -> Any:
    return [_mapped(each, change) for each in value] if isinstance(value, list) else change(value)


def _written(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
