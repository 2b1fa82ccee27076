"""Changing the graph of a file: what is promised to stay stays, to the last bit where it can."""

from __future__ import annotations

import numpy as np
import pytest

from export.litert import graph_tools, widening
from export.litert.inspection import delegations
from export.litert.runtimes import InterpreterRuntime
from export.proof.gpu_gate import ask_gpu, why_skipped
from tests.export.tiny_network import COUNT, SIZES, decibels, pictures, run, tiny


def kinds(content: bytes) -> list[str]:
    model = graph_tools.unpack(content)
    return [graph_tools.kind(model, each) for each in model.subgraphs[0].operators]


def test_unpacking_and_packing_keep_the_function(tmp_path):
    packed = graph_tools.pack(graph_tools.unpack(tiny()))
    assert packed[4:8] == graph_tools.IDENTIFIER
    np.testing.assert_array_equal(run(packed, 16, tmp_path), run(tiny(), 16, tmp_path))


def test_convolutions_are_found_in_order():
    model = graph_tools.unpack(tiny())
    found = graph_tools.convolutions(model, model.subgraphs[0])
    assert [graph_tools.kind(model, each) for each in found] == [
        "CONV_2D",
        "CONV_2D",
        "TRANSPOSE_CONV",
        "CONV_2D",
    ]


def test_constants_are_read_and_changed():
    model = graph_tools.unpack(tiny())
    subgraph = model.subgraphs[0]
    operation = graph_tools.convolutions(model, subgraph)[0]
    kernel = subgraph.tensors[int(operation.inputs[1])]
    values = graph_tools.constant(model, kernel)
    assert values.shape == (16, 3, 3, 3)
    graph_tools.set_constant(model, kernel, 2 * values)
    np.testing.assert_array_equal(graph_tools.constant(model, kernel), 2 * values)
    assert graph_tools.constant(model, subgraph.tensors[int(operation.outputs[0])]) is None
    assert graph_tools.int8_scales(kernel) is None


def test_compacting_keeps_the_function_and_is_done_once(tmp_path):
    for quantisation in ("fp32", "dynamic_int8"):
        content = tiny(quantisation)
        compact = graph_tools.compact(content)
        assert len(compact) < 0.95 * len(content)
        assert graph_tools.compact(compact) == compact
        for size in SIZES:
            np.testing.assert_array_equal(run(compact, size, tmp_path), run(content, size, tmp_path))
    path = tmp_path / "compact.tflite"
    path.write_bytes(compact)
    assert all(each.complete for each in delegations(path).values())


def test_only_one_graph_stays(tmp_path):
    one = graph_tools.only(tiny(), "relight_24")
    wanted = run(tiny(), 24, tmp_path)
    np.testing.assert_array_equal(run(one, 24, tmp_path), wanted)
    assert list(InterpreterRuntime(tmp_path / "run.tflite").signatures) == ["relight_24"]
    assert len(one) < len(tiny())


def test_half_kernels(tmp_path):
    wanted = run(tiny(), 24, tmp_path)
    half = widening.with_half_kernels(tiny())
    assert kinds(half)[:COUNT] == ["DEQUANTIZE"] * COUNT
    assert 60 < decibels(wanted, run(half, 24, tmp_path)) < 100
    kept = widening.with_half_kernels(tiny(), range(COUNT))
    np.testing.assert_array_equal(run(kept, 24, tmp_path), wanted)
    weights = 16 * 27 + 16 * 144 + 16 * 256 + 3 * 144
    saved = len(graph_tools.compact(tiny())) - len(graph_tools.compact(half))
    assert 1.7 * weights < saved <= 2 * weights


def test_given_back_kernels_bring_the_numbers_back(tmp_path):
    wanted, rounded = run(tiny(), 24, tmp_path), tiny("dynamic_int8")
    reached = [
        decibels(wanted, run(graph_tools.with_plain_kernels(rounded, tiny(), range(count)), 24, tmp_path))
        for count in (0, 2, COUNT)
    ]
    assert 30 < reached[0] < reached[1] < 100 < reached[2]


def test_widened_kernels_keep_their_weights_and_round_no_inputs(tmp_path):
    wanted, rounded = run(tiny(), 24, tmp_path), tiny("dynamic_int8")
    widened = widening.with_widened_kernels(rounded, range(COUNT))
    # The converter leaves kernels of few weights as they are.
    assert kinds(widened).count("DEQUANTIZE") == 2
    assert decibels(wanted, run(widened, 24, tmp_path)) > decibels(wanted, run(rounded, 24, tmp_path))
    assert len(graph_tools.compact(widened)) < len(graph_tools.compact(rounded)) + 1500
    assert widening.with_widened_kernels(tiny(), range(COUNT)) == graph_tools.pack(
        graph_tools.unpack(widening.with_widened_kernels(tiny(), ()))
    )
    assert all(each.complete for each in delegations(tmp_path / "run.tflite").values())


def test_widened_kernels_have_one_step_and_their_outputs_the_steps_they_had(tmp_path):
    rounded = tiny("dynamic_int8")
    widened = widening.with_widened_kernels(rounded, range(COUNT))
    model = graph_tools.unpack(widened)
    subgraph = model.subgraphs[0]
    read = [subgraph.tensors[int(i)] for each in subgraph.operators for i in each.inputs]
    steps = [graph_tools.int8_scales(each) for each in read]
    assert [len(each) for each in steps if each is not None] == [1, 1]
    # The same weights in float32, written out, give the same numbers.
    written = graph_tools.unpack(rounded)
    for subgraph in written.subgraphs:
        for operation in graph_tools.convolutions(written, subgraph):
            kernel = subgraph.tensors[int(operation.inputs[1])]
            scales = graph_tools.int8_scales(kernel)
            if scales is not None:
                whole = np.asarray(written.buffers[kernel.buffer].data, np.uint8).view(np.int8)
                kernel.type, kernel.quantization = 0, None
                written.buffers.append(type(written.buffers[0])())
                kernel.buffer = len(written.buffers) - 1
                values = whole.reshape(kernel.shape) * scales.reshape(-1, 1, 1, 1)
                graph_tools.set_constant(written, kernel, values)
    wanted = run(graph_tools.pack(written), 24, tmp_path)
    np.testing.assert_allclose(run(widened, 24, tmp_path), wanted, atol=1e-6)


@pytest.mark.skipif(why_skipped() is not None, reason=str(why_skipped()))
def test_gpus_take_widened_kernels(tmp_path):
    widened = widening.with_widened_kernels(tiny("dynamic_int8"), range(COUNT))
    on_cpu = run(widened, 16, tmp_path)
    answer = ask_gpu(tmp_path / "run.tflite", "relight_16", next(iter(pictures().samples(16))))
    assert answer.accepted, answer.reason
    np.testing.assert_allclose(answer.outputs["relit"], on_cpu, atol=1e-5)


@pytest.mark.parametrize("quantisation", ["fp32", "dynamic_int8"])
def test_biases_of_another_network(quantisation, tmp_path):
    model = graph_tools.unpack(tiny())
    subgraph = model.subgraphs[0]
    last = graph_tools.convolutions(model, subgraph)[-1]
    bias = subgraph.tensors[int(last.inputs[2])]
    graph_tools.set_constant(model, bias, graph_tools.constant(model, bias) + 0.2)
    other = graph_tools.pack(model)
    content = tiny(quantisation)
    changed = run(graph_tools.with_plain_biases(content, other), 24, tmp_path)
    before = run(content, 24, tmp_path)
    inside = (before > 0.01) & (before < 0.75)
    np.testing.assert_allclose((changed - before)[inside], 0.2, atol=1e-5)
