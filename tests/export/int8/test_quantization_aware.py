"""A network trained with rounding as a file: pure int8, on XNNPACK, and bit for bit what Keras computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.bounds import TAIL_ROUNDED_ERROR
from export.int8.quantization_aware import fake_quantised, int8_file, is_trained
from export.litert.inspection import delegations, graphs
from export.litert.runtimes import CompiledRuntime, InterpreterRuntime
from export.signatures import IMAGE, RELIT, signature_name
from tests.export.int8.rounding import picture, rounding_network
from tf_relight import methods
from tf_relight.errors import RelightError

SIZES = (32, 64)


@pytest.fixture(scope="module")
def loaded():
    return rounding_network()


@pytest.fixture(scope="module")
def path(loaded, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    path = folder / "small.tflite"
    path.write_bytes(int8_file(loaded, SIZES, folder / "work"))
    return path


def test_everything_between_input_and_output_is_int8(path):
    from export.litert.graph_tools import unpack
    from export.litert.runtimes import import_litert

    types = import_litert("schema_py_generated").TensorType
    for graph in graphs(path).values():
        assert set(graph.operations) == {
            *("CONV_2D", "ADD", "RESIZE_BILINEAR", "PAD", "TRANSPOSE_CONV", "QUANTIZE", "DEQUANTIZE")
        }
        assert graph.operations["QUANTIZE"] == graph.operations["DEQUANTIZE"] == 1
        assert not graph.forbidden
    for subgraph in unpack(path.read_bytes()).subgraphs:
        floats = {number for number, each in enumerate(subgraph.tensors) if each.type == types.FLOAT32}
        assert floats == {int(number) for number in (*subgraph.inputs, *subgraph.outputs)}


def test_all_operations_run_on_xnnpack_in_one_piece(path):
    found = delegations(path)
    assert len(found) == len(SIZES) and all(each.complete for each in found.values())


def test_pictures_have_steps_of_one_in_255(path):
    from export.litert.graph_tools import unpack

    for subgraph in unpack(path.read_bytes()).subgraphs:
        border = {int(number) for number in (*subgraph.inputs, *subgraph.outputs)}
        for operation in subgraph.operators:
            ends = {int(operation.inputs[0]), int(operation.outputs[0])}
            if ends & border:
                (inner,) = ends - border
                steps = subgraph.tensors[inner].quantization
                assert np.float32(steps.scale[0]) == np.float32(1 / 255) and steps.zeroPoint[0] == -128


@pytest.mark.parametrize("runtime", [InterpreterRuntime, CompiledRuntime])
def test_outputs_are_those_of_keras_bit_for_bit(loaded, path, runtime):
    opened = runtime(path)
    for size in SIZES:
        for seed in (10, 11):
            image = picture(size, seed)
            expected = np.asarray(loaded.model(image))
            found = opened.run(signature_name(size), {IMAGE: image})[RELIT]
            assert expected.std() > 0.02
            np.testing.assert_array_equal(found, expected)


def test_sizes_share_their_weights(loaded, path, tmp_path):
    alone = int8_file(loaded, SIZES[:1], tmp_path / "work")
    added = path.stat().st_size - len(alone)
    graph_alone = len(alone) - loaded.model.count_params()
    assert added < 1.1 * graph_alone


def test_the_model_computes_as_before_when_it_was_written(loaded, path):
    image = picture(32, 3)
    before = np.asarray(loaded.model(image))
    with fake_quantised(loaded.model):
        other = np.asarray(loaded.model(image))
    # TensorFlow's rounding falls to the other side now and then, which is why it is not the model's own.
    assert np.abs(other - before).max() < 0.05
    np.testing.assert_array_equal(np.asarray(loaded.model(image)), before)


def test_networks_that_were_not_trained_for_it_are_refused(tmp_path):
    from tf_relight.methods.trained import LoadedModel

    method = methods.get("dmshn")
    for settings in ({"width": 2}, {"width": 2, "quantised": True}):
        config = method.config(settings)
        untrained = LoadedModel(method.build_model(config), method, config, {})
        assert not is_trained(untrained)
        with pytest.raises(RelightError, match=r"train\.quantise"):
            int8_file(untrained, (32,), tmp_path / "work")


def test_a_dynamic_tail_has_int8_kernels_and_float32_sums(tailed):
    loaded, path = tailed
    from export.litert.graph_tools import constant, convolutions, unpack
    from export.litert.runtimes import import_litert

    types = import_litert("schema_py_generated").TensorType
    model = unpack(path.read_bytes())
    for subgraph in model.subgraphs:
        operations = convolutions(model, subgraph)
        inputs, kernels = (
            [subgraph.tensors[int(each.inputs[place])] for each in operations] for place in (0, 1)
        )
        assert len(operations) == 90 and constant(model, kernels[-1]) is not None
        assert {each.type for each in kernels[:-1]} == {types.INT8}
        last = [each for each, kind in zip(inputs, operations, strict=True) if len(kind.inputs) == 3]
        assert {each.type for each in last[-20:]} == {types.FLOAT32} and last[0].type == types.INT8
    layers = [each for each in loaded.model._flatten_layers() if getattr(each, "tail_kernel", None)]
    found = [
        np.frombuffer(bytes(model.buffers[each.buffer].data), np.int8).reshape(each.shape)
        for each in kernels[:-1]
    ]
    (layer,) = (each for each in layers if each.path.endswith("level1_decoder/scale1_unit2/conv1"))
    expected, _ = layer._tail_weight_steps()
    np.testing.assert_array_equal(found[-2], np.asarray(expected).transpose(3, 0, 1, 2))


@pytest.mark.parametrize("runtime", [InterpreterRuntime, CompiledRuntime])
def test_a_dynamic_tail_computes_what_keras_does(tailed, runtime):
    loaded, path = tailed
    assert all(each.complete for each in delegations(path).values())
    opened = runtime(path)
    errors = []
    for size in SIZES:
        for seed in (10, 11, 12):
            image = picture(size, seed)
            expected = np.clip(np.asarray(loaded.model(image)), 0, 1)
            errors.append(np.abs(opened.run(signature_name(size), {IMAGE: image})[RELIT] - expected).max())
    # Now and then a sum lies between two steps, and one of both falls to the other side.
    assert np.median(errors) < 1e-6 and max(errors) < TAIL_ROUNDED_ERROR


def test_what_lies_before_a_tail_is_the_same_bit_for_bit(tmp_path):
    loaded = rounding_network(dynamic_tail=1)
    path = tmp_path / "tail.tflite"
    path.write_bytes(int8_file(loaded, (32,), tmp_path / "work"))
    image = picture(32, 4)
    found = InterpreterRuntime(path).run(signature_name(32), {IMAGE: image})[RELIT]
    # The only layer of the tail computes in float32 and rounds nothing.
    np.testing.assert_allclose(found, np.clip(np.asarray(loaded.model(image)), 0, 1), atol=1e-6)


@pytest.fixture(scope="module")
def tailed(tmp_path_factory):
    loaded = rounding_network(dynamic_tail=24)
    folder = tmp_path_factory.mktemp("tail")
    path = folder / "tail.tflite"
    path.write_bytes(int8_file(loaded, SIZES, folder / "work"))
    return loaded, path


@pytest.mark.slow
def test_two_stacked_networks_are_the_same_bit_for_bit(tmp_path):
    loaded = rounding_network(stacks=2)
    path = tmp_path / "stacked.tflite"
    path.write_bytes(int8_file(loaded, (32,), tmp_path / "work"))
    image = picture(32, 4)
    expected = np.asarray(loaded.model(image))
    found = InterpreterRuntime(path, threads=2).run(signature_name(32), {IMAGE: image})[RELIT]
    np.testing.assert_array_equal(found, expected)
    assert delegations(path)[signature_name(32)].complete
