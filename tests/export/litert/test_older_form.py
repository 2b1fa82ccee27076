"""Networks in the form that TensorFlow Lite 2.16.1 takes too: built-in operations, and the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.litert import graph_tools
from export.litert.older import runtime
from export.litert.older_form import older_form
from export.litert.runtimes import InterpreterRuntime, import_litert
from tf_relight.errors import RelightError
from tf_relight.litert import Session
from tf_relight.photo.small_networks import NETWORKS, content_of


@pytest.mark.parametrize("name", ["people", "faces_near", "faces_far"])
def test_the_numbers_are_the_same_without_custom_operations(name):
    before = content_of(name)
    after = older_form(before)
    model = graph_tools.unpack(after)
    used = {graph_tools.kind(model, each) for graph in model.subgraphs for each in graph.operators}
    assert not any(kind.startswith("CUSTOM") for kind in used)
    assert (after == before) == (name != "people")
    side = NETWORKS[name].side
    picture = np.random.default_rng(0).uniform(0, 1, (1, side, side, 3)).astype(np.float32)
    pairs = zip(Session(before, "a").run(picture), Session(after, "b").run(picture), strict=True)
    for wanted, found in pairs:
        assert wanted.std() > 0
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.fixture(scope="module")
def rounded(tmp_path_factory) -> bytes:
    """A network of a transposed convolution and a fully connected layer, its weights stored as int8."""
    import keras
    import tensorflow as tf
    from keras.export import ExportArchive

    from export.int8.quantize import convert

    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 64), batch_size=1)
    larger = keras.layers.Conv2DTranspose(16, 3, strides=2, padding="same")(image)
    mixed = keras.layers.Dense(64)(keras.layers.Reshape((64, 64))(larger))
    network = keras.Model(image, keras.layers.Reshape((16, 16, 16))(mixed))
    archive = ExportArchive()
    archive.track(network)
    spec = tf.TensorSpec((1, 8, 8, 64), tf.float32, "image")
    archive.add_endpoint("relight_8", lambda image: {"relit": network(image)}, input_signature=[spec])
    folder = tmp_path_factory.mktemp("saved")
    archive.write_out(folder, verbose=False)
    return convert(folder, ["relight_8"], "dynamic_int8")


def picture() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (1, 8, 8, 64)).astype(np.float32)


def answer(content: bytes, path: Path) -> np.ndarray:
    path.write_bytes(content)
    return InterpreterRuntime(path).run("relight_8", {"image": picture()})["relit"]


def test_transposed_convolutions_of_float_numbers_have_no_int8_weights(rounded, tmp_path):
    after = older_form(rounded)
    kernels = []
    for content in (rounded, after):
        model = graph_tools.unpack(content)
        graph = model.subgraphs[0]
        operation = next(
            each for each in graph.operators if graph_tools.kind(model, each) == "TRANSPOSE_CONV"
        )
        kernels.append(graph_tools.int8_scales(graph.tensors[int(operation.inputs[1])]) is not None)
    assert kernels == [True, False]
    assert older_form(after) == after
    wanted, found = (answer(each, tmp_path / "a.tflite") for each in (rounded, after))
    # Both kinds of weights are told in float16 and widened when the file is loaded.
    model = graph_tools.unpack(after)
    graph = model.subgraphs[0]
    widened = {
        int(each.outputs[0]): graph.tensors[int(each.inputs[0])]
        for each in graph.operators
        if graph_tools.kind(model, each) == "DEQUANTIZE"
    }
    half = import_litert("schema_py_generated").TensorType.FLOAT16
    for each in graph.operators:
        if graph_tools.kind(model, each) in ("TRANSPOSE_CONV", "FULLY_CONNECTED"):
            assert widened[int(each.inputs[1])].type == half
    # Its input is no longer rounded to 8 bits.
    assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.skipif(runtime.why_skipped() is not None, reason=str(runtime.why_skipped()))
@pytest.mark.slow
def test_the_older_runtime_runs_the_older_form_only(rounded, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(rounded)
    with pytest.raises(RelightError, match=r"TensorFlow Lite 2.16.1 refuses the file: .*op"):
        runtime.run(path, [("relight_8", {"image": picture()})])
    wanted = answer(older_form(rounded), path)
    (found,) = runtime.run(path, [("relight_8", {"image": picture()})])
    np.testing.assert_allclose(found["relit"], wanted, atol=0.03 * np.abs(wanted).max())


def test_the_older_runtime_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda program: None if program == "gcc" else program)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert runtime.why_skipped() == "it needs gcc"
    monkeypatch.setattr("shutil.which", lambda program: program)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    assert "mvn dependency:get" in str(runtime.why_skipped())
    with pytest.raises(RelightError, match=r"2\.16\.1 cannot be asked: fetch it by"):
        runtime.run(tmp_path / "a.tflite", [])
