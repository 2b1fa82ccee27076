"""Prove that an .onnx file gives what the network gives in Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.onnx_file.write import FORMAT, read_said
from export.proof.reference import cases, example_photos, keras_function
from tf_relight.errors import RelightError, shortened

MOST = 1e-4
"""Largest absolute difference of any output number; DPR at 512 px was seen at 6e-6."""
ANY_SIDE = 128
"""Pixels at which a file without a size of its own is checked."""


@dataclass(frozen=True)
class OnnxCheck:
    """One file against Keras.

    Attributes:
        errors: largest absolute difference of each output, over all pictures and for a batch of them.
        size: bytes. side: pixels at which it was compared.
    """

    path: Path
    method: str
    licence: str
    size: int
    side: int
    pictures: int
    errors: Mapping[str, float]

    @property
    def good(self) -> bool:
        """Whether every output is near enough."""
        return all(error <= MOST for error in self.errors.values())


def check_onnx(path: Path, *, images: Path | None = None, weights: str | None = None) -> OnnxCheck:
    """Compare an .onnx file with its network in Keras, picture by picture and all in one batch.

    Args:
        images: folder of pictures; None takes the examples. weights: file in place of the recorded one.

    Raises:
        RelightError: the extra `onnx` is missing, no file of ours, or its weights are not here.
    """
    from tf_relight.methods.trained import load_model

    session = _session(path)
    said = read_said(session)
    if said.get("format") != FORMAT:
        raise RelightError(f"{path} is not an ONNX file of tf_relight: write one with `relight export onnx`.")
    loaded = load_model(weights or said["weights"], method=said["method"])
    side = ANY_SIDE if said["size"] == "any" else int(said["size"])
    network = keras_function(loaded)
    chosen = [(each.inputs, each.expected) for each in cases(loaded, (side,), example_photos(images))[side]]
    batch = _batched([inputs for inputs, _ in chosen])
    errors: dict[str, float] = {}
    for inputs, want in (*chosen, (batch, network(batch))):
        got = _run(session, inputs)
        for name, values in want.items():
            errors[name] = max(errors.get(name, 0.0), float(np.abs(values - got[name]).max()))
    size = path.stat().st_size
    return OnnxCheck(path, said["method"], said["licence"], size, side, len(chosen), errors)


def _batched(chosen: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([each[name] for each in chosen]) for name in chosen[0]}


def _run(session: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise RelightError(
            "ONNX files need the package onnxruntime: pip install 'tf_relight[onnx]'."
        ) from error
    if not path.is_file():
        raise RelightError(f"There is no file {path}. Write one with `relight export onnx`.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes say no more than their text
        raise RelightError(f"{path} is no ONNX file that can be run: {shortened(str(error))}.") from error
