from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.litert.inspection import Delegation, delegations, graphs
from export.litert.runtimes import held_stderr
from export.proof.gpu_gate import control_network
from tf_relight.errors import RelightError

IMAGE_SHAPE = (1, 16, 16, 3)


def convert(folder: Path, *, flex: bool = False, **functions: Callable[[Any], Any]) -> Path:
    """Write a .tflite file with one signature per function, each from image to relit."""
    import tensorflow as tf

    module = tf.Module()
    for name, function in functions.items():
        signature = tf.function(named(function), autograph=False).get_concrete_function(
            tf.TensorSpec(IMAGE_SHAPE, tf.float32, name="image")
        )
        setattr(module, name, signature)
    signatures = {name: getattr(module, name) for name in functions}
    with held_stderr():
        tf.saved_model.save(module, str(folder / "saved"), signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"), list(functions))
        if flex:
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS,
                tf.lite.OpsSet.SELECT_TF_OPS,
            ]
        path = folder / "made.tflite"
        path.write_bytes(converter.convert())
    return path


def named(function: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    return lambda image: {"relit": function(image)}


def convolution(image: Any) -> Any:
    import tensorflow as tf

    return tf.nn.relu(tf.nn.conv2d(image, np.full((3, 3, 3, 3), 0.1, np.float32), 1, "SAME"))


def tiled(image: Any) -> Any:
    """TILE in the middle: what XNNPACK does is cut in two."""
    import tensorflow as tf

    return convolution(tf.tile(convolution(image), (1, 1, 2, 1)))


def test_a_clean_graph(tmp_path: Path) -> None:
    path = tmp_path / "clean.tflite"
    path.write_bytes(control_network(nearest=False))
    graph = graphs(path)["relight"]
    assert graph.operations == {"CONV_2D": 1}, "the ReLU is fused"
    assert (graph.count, graph.widest, graph.forbidden) == (1, 4, ())
    assert delegations(path) == {"relight": Delegation("relight", 1, 1, 1, {})}
    assert delegations(path)["relight"].complete


def test_five_dimensions_and_split_partitions(tmp_path: Path) -> None:
    path = tmp_path / "nearest.tflite"
    path.write_bytes(control_network(nearest=True))
    graph, delegation = graphs(path)["relight"], delegations(path)["relight"]
    assert graph.widest == 5
    assert any(each.startswith("TILE:") for each in graph.forbidden)
    assert any("5 dimensions" in each for each in graph.forbidden)
    assert delegation.left == {"TILE": 2}
    assert delegation.total == graph.count
    assert delegation.delegated == graph.count - 2
    assert delegation.partitions == 3
    assert not delegation.complete


def test_every_signature_is_looked_at(tmp_path: Path) -> None:
    # The interpreter itself tells about the first graph only.
    path = convert(tmp_path, relight_16=convolution, relight_32=tiled)
    found = delegations(path)
    assert set(found) == set(graphs(path)) == {"relight_16", "relight_32"}
    assert found["relight_16"].complete
    assert found["relight_32"] == Delegation("relight_32", 3, 2, 2, {"TILE": 1})
    assert not graphs(path)["relight_16"].forbidden
    assert graphs(path)["relight_32"].forbidden


def test_custom_operations_are_forbidden(tmp_path: Path) -> None:
    import tensorflow as tf

    path = convert(tmp_path, flex=True, relight=lambda image: tf.image.resize(image, (32, 32), "bicubic"))
    graph = graphs(path)["relight"]
    assert graph.operations == {"CUSTOM:FlexResizeBicubic": 1}
    assert graph.forbidden == (
        "CUSTOM:FlexResizeBicubic: runs only where TensorFlow's own kernels are linked in",
    )


def test_only_strided_slices_with_strides_are_forbidden(tmp_path: Path) -> None:
    path = convert(
        tmp_path, plain=lambda image: image[:, 1:9] * 2.0, strided=lambda image: image[:, ::2] * 2.0
    )
    assert graphs(path)["plain"].forbidden == ()
    assert graphs(path)["strided"].forbidden == (
        "STRIDED_SLICE with a stride: left to the slow built-in kernels on CPUs",
    )


def test_damage_is_an_error_and_never_a_traceback(tmp_path: Path) -> None:
    content = control_network(nearest=True)
    path = tmp_path / "bad.tflite"
    for bad in (b"", b"TFL3" * 20, content[:100], content[: len(content) // 2]):
        path.write_bytes(bad)
        with pytest.raises(RelightError, match="bad.tflite"):
            graphs(path)
    with pytest.raises(RelightError, match="There is no file"):
        graphs(tmp_path / "none.tflite")
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(8, len(content), 30):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            graphs(path)
        except RelightError:
            refused += 1
    assert refused > 50, "the damage must have been felt"
