"""A network that was trained with the rounding of 8-bit inference, as the int8 file it was trained to be.

Nothing is measured here: the trained network has the range of every tensor. While its graph is traced, each
layer says its ranges with TensorFlow's fake quantisation, which the converter turns into int8 tensors. Layers
of a dynamic tail say none: they stay float32, and their kernels are stored as int8 afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.litert import graph_tools
from export.litert.runtimes import held_stderr, import_litert
from export.signatures import signature_name
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    import keras

    from tf_relight.methods.trained import LoadedModel
    from tf_relight.rounding.quantization import Range


def is_trained(loaded: LoadedModel) -> bool:
    """Whether the network was trained with 8-bit rounding, so that `int8_file` can write it."""
    int8 = getattr(loaded.model, "int8", None)
    return int8 is not None and int8.started


def int8_file(loaded: LoadedModel, sizes: Sequence[int], work: Path) -> bytes:
    """Return a .tflite file whose outputs are those of the network, bit for bit.

    Inputs and outputs are float32, everything between is int8. In a dynamic tail float32 sums are rounded to
    int8 for each convolution, and a number between two steps may fall to the other side than in Keras. Each
    size is a signature.

    Args:
        work: an empty or new folder for the SavedModel that the converter reads.

    Raises:
        RelightError: the network was not trained with 8-bit rounding.
    """
    import tensorflow as tf

    if not is_trained(loaded):
        raise RelightError(
            f"These weights of {loaded.method.name} were not trained with 8-bit rounding. Train with "
            "train.quantise, for example configs/dmshn_scenes_256_int8.yaml, or export static_int8."
        )
    _write_saved_model(loaded, sizes, work)
    names = [signature_name(size) for size in sizes]
    with held_stderr():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(work), signature_keys=names)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return _with_int8_kernels(bytes(converter.convert()))


def _with_int8_kernels(content: bytes) -> bytes:
    """Return a file whose convolutions of float32 numbers have int8 kernels, all but the last.

    Runtimes round the input of such a convolution to int8, with the range that it has in the picture.
    """
    from tf_relight.rounding.quantization import WEIGHT_STEPS

    model = graph_tools.unpack(content)
    schema = import_litert("schema_py_generated")
    stored: dict[int, tuple[int, Any]] = {}
    for subgraph in model.subgraphs:
        for operation in graph_tools.convolutions(model, subgraph)[:-1]:
            kernel = subgraph.tensors[int(operation.inputs[1])]
            values = graph_tools.constant(model, kernel)
            if values is None:
                continue
            if kernel.buffer not in stored:
                # The weights are at steps, so this finds them again.
                scale = np.maximum(np.abs(values).max(axis=(1, 2, 3)), 1e-6) / np.float32(WEIGHT_STEPS)
                steps = np.rint(values / scale[:, None, None, None]).astype(np.int8)
                model.buffers.append(schema.BufferT())
                model.buffers[-1].data = np.frombuffer(steps.tobytes(), np.uint8)
                stored[kernel.buffer] = (len(model.buffers) - 1, _symmetric(scale))
            kernel.type = schema.TensorType.INT8
            kernel.buffer, kernel.quantization = stored[kernel.buffer]
    return graph_tools.pack(model)


def _symmetric(scale: np.ndarray) -> Any:
    """Return the quantisation of a kernel whose outputs have their own scales."""
    made = import_litert("schema_py_generated").QuantizationParametersT()
    made.scale, made.zeroPoint = scale.astype(np.float32), np.zeros(len(scale), np.int64)
    made.quantizedDimension = 0
    return made


def _write_saved_model(loaded: LoadedModel, sizes: Sequence[int], folder: Path) -> None:
    """Write the graphs alone: all weights are constants in them, so that there is no variable to save."""
    import tensorflow as tf

    from export.network import Clip, relight_function

    signatures = {}
    with fake_quantised(loaded.model):
        for size in sizes:
            clip: Clip = "plain" if loaded.model.int8.tail else "none"
            function, inputs, _ = relight_function(loaded, size, clip=clip, rounded=True)
            specs = {spec.name: tf.TensorSpec(spec.shape, spec.dtype, spec.name) for spec in inputs}
            signatures[signature_name(size)] = tf.function(function).get_concrete_function(**specs)
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)


@contextlib.contextmanager
def fake_quantised(model: Any) -> Iterator[None]:
    """Let the layers of `model` compute with fake quantisation as the converter knows it, for a while."""
    layers = _int8_layers(model)
    ranges = {each for layer in layers for each in _ranges(layer) if each.fixed}
    with model.int8.running():
        changes: list[tuple[Any, str, Any]] = [(layer, "call", _form(layer)) for layer in layers]
        for range_ in ranges:
            changes += [(range_, name, _fake_quant(range_)) for name in ("round", "enter")]
    changes.append((model.int8, "running", lambda training=False: contextlib.nullcontext()))
    try:
        for changed, name, form in changes:
            # Not through Keras' own attribute tracking: this is no part of the model.
            object.__setattr__(changed, name, form)
        yield
    finally:
        for changed, name, _ in changes:
            vars(changed).pop(name, None)


def _int8_layers(model: keras.Model) -> list[Any]:
    from tf_relight.rounding.quantization import Conv2D, Conv2DTranspose, Sum

    kinds = (Conv2D, Conv2DTranspose, Sum)
    return [
        layer for layer in model._flatten_layers() if isinstance(layer, kinds) and layer.range is not None
    ]


def _ranges(layer: Any) -> tuple[Range, ...]:
    from tf_relight.rounding.quantization import Sum

    inputs = layer.sources if isinstance(layer, Sum) else (layer.source,)
    return tuple(each for each in (layer.range, *(inputs or ())) if each is not None)


def _form(layer: Any) -> Callable[..., Any]:
    """Return the layer as a function with fake quantisation; its weights are rounded and constant."""
    from tf_relight.rounding.quantization import Conv2D, Sum

    if not layer.range.fixed:
        return _form_in_tail(layer)
    quantise = _fake_quant(layer.range)
    if isinstance(layer, Sum):
        return lambda x, y: quantise(x + y)
    kernel, bias, scale = (np.asarray(each) for each in layer.weight_steps())
    kernel, bias = kernel * scale, bias * (np.asarray(layer.source.steps.scale) * scale)
    round_kernel = _fake_quant_per_channel if isinstance(layer, Conv2D) else _fake_quant_together

    def call(inputs: Any) -> Any:
        return quantise(layer.activation(layer.convolve(inputs, round_kernel(kernel, scale)) + bias))

    return call


def _form_in_tail(layer: Any) -> Callable[..., Any]:
    """Return a layer without fixed ranges as a function; the weights are constant, at the steps of int8."""
    from tf_relight.rounding.quantization import Sum

    if isinstance(layer, Sum):
        assert layer.sources is not None
        first, second = (_fake_quant(each) if each.fixed else None for each in layer.sources)
        return lambda x, y: (first(x) if first else x) + (second(y) if second else y)
    kernel, bias = np.asarray(layer.tail_kernel()), np.asarray(layer.bias)
    return lambda inputs: layer.activation(layer.convolve(inputs, kernel) + bias)


def _fake_quant(range_: Range) -> Callable[[Any], Any]:
    """Return TensorFlow's rounding to the steps of a range."""
    import tensorflow as tf

    if range_.index is None:
        low, high = 0.0, 1.0
    else:
        # Exact in float32, because the scale has 16 bits.
        steps = range_.steps
        low, high = (float(np.asarray(end * steps.scale)) for end in (steps.first, steps.last))
    return lambda values: tf.quantization.fake_quant_with_min_max_args(values, low, high)


def _fake_quant_per_channel(kernel: np.ndarray, scale: np.ndarray) -> Any:
    import tensorflow as tf

    from tf_relight.rounding.quantization import WEIGHT_STEPS

    bound = WEIGHT_STEPS * scale
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -bound, bound, narrow_range=True)


def _fake_quant_together(kernel: np.ndarray, scale: np.ndarray) -> Any:
    import tensorflow as tf

    from tf_relight.rounding.quantization import WEIGHT_STEPS

    bound = float(WEIGHT_STEPS * scale)
    return tf.quantization.fake_quant_with_min_max_args(kernel, -bound, bound, narrow_range=True)
