"""Writing a network as an .onnx file: named inputs and outputs, any batch, its origin in the metadata."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.network import relight_function
from export.signatures import TensorSpec, check_sizes, inputs_of, light_layout, outputs_of
from tf_relight import __version__
from tf_relight.errors import RelightError, graph_reason
from tf_relight.files import atomic_path

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

OPSET = 18
"""Of the operations; ONNX Runtime 1.14 and later know it."""
FORMAT = "tf_relight onnx 1"
_PREFIX = "tf_relight."


@dataclass(frozen=True)
class OnnxWritten:
    """What was written.

    Attributes:
        inputs, outputs: names and shapes; None is any size.
    """

    path: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def export_onnx(
    loaded: LoadedModel,
    out: Path | str,
    *,
    size: int | None,
    weights: str = "made in memory",
    sha256: str | None = None,
    licence: str = "not recorded",
) -> OnnxWritten:
    """Write `out`, an .onnx file in float32.

    Args:
        size: side of the square pictures in pixels; None leaves height and width open, too.
        weights, sha256, licence: what the file says of its weights.

    Raises:
        RelightError: the extra `onnx` is missing, a size that cannot be, a graph that ONNX cannot say, or a
            file that cannot be written.
    """
    tf2onnx, onnx = _packages()
    import tensorflow as tf

    path, info = Path(out), loaded.method.info
    if path.suffix != ".onnx":
        raise RelightError(f"{path} should end in .onnx.")
    if size is not None:
        check_sizes(loaded.method.name, info, (size,))
    network, _, _ = relight_function(loaded)
    inputs = tuple(_any_batch(spec) for spec in inputs_of(info, size))
    outputs = tuple(_any_batch(spec) for spec in outputs_of(info, size))

    def positional(*tensors: Any) -> list[Any]:
        named = dict(zip((spec.name for spec in inputs), tensors, strict=True))
        made = network(**named)
        return [tf.identity(made[spec.name], name=spec.name) for spec in outputs]

    signature = [tf.TensorSpec(spec.shape, spec.dtype, spec.name) for spec in inputs]
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            model, _ = tf2onnx.convert.from_function(tf.function(positional), signature, opset=OPSET)
    except Exception as error:
        raise RelightError(
            f"{loaded.method.name} cannot be said in ONNX: {graph_reason(error)}. Take tflite or savedmodel."
        ) from error
    _name_outputs(model, [spec.name for spec in outputs])
    said = {
        "format": FORMAT,
        "version": __version__,
        "method": loaded.method.name,
        "weights": weights,
        "weights_sha256": sha256 or "",
        "licence": licence,
        "size": str(size or "any"),
        "inputs": json.dumps({spec.name: spec.meaning for spec in inputs}),
        "outputs": json.dumps({spec.name: spec.meaning for spec in outputs}),
    }
    if info.light is not None:
        said["light_layout"] = light_layout(info.light)
    onnx.helper.set_model_props(model, {f"{_PREFIX}{name}": text for name, text in said.items()})
    model.producer_name, model.producer_version = "tf_relight", __version__
    onnx.checker.check_model(model)
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
    return OnnxWritten(path, inputs, outputs)


def read_said(session: Any) -> dict[str, str]:
    """Return what an ONNX file of ours says of itself, from a session of ONNX Runtime; empty for others."""
    said = session.get_modelmeta().custom_metadata_map
    return {name.removeprefix(_PREFIX): text for name, text in said.items() if name.startswith(_PREFIX)}


def _any_batch(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(spec.name, (None, *spec.shape[1:]), spec.meaning, spec.dtype)


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise RelightError(
            f"ONNX files need the package {error.name}: pip install 'tf_relight[onnx]'."
        ) from error
    return tf2onnx, onnx


def _name_outputs(model: Any, names: list[str]) -> None:
    """Give the outputs their names; the converter numbers them in the order of the function's results."""
    renamed = {made.name: name for made, name in zip(model.graph.output, names, strict=True)}
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)} - set(renamed)
    for node in model.graph.node:
        for places in (node.input, node.output):
            for index, name in enumerate(places):
                if name in renamed:
                    places[index] = renamed[name]
                elif name in renamed.values():
                    places[index] = f"{name}_inside"
    assert not any(f"{name}_inside" in taken for name in names), "the converter uses no such name"
    for made in model.graph.output:
        made.name = renamed[made.name]
