"""Which operations take the time: all are there, each alone computes what it does in the whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from export import timing
from export.__main__ import main
from export.litert import graph_tools
from export.litert.inspection import graphs
from export.litert.runtimes import import_litert
from export.litert.single_operation import operations_alone
from export.proof import profile
from export.proof.profile import Profile, TimedPart, profile_tflite
from tests.export.exported import exported_copy
from tf_relight.errors import RelightError


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(profile, "LEAST_RUNS", 1)


@pytest.mark.long
@pytest.mark.parametrize("name", ["fp32", "dynamic_int8"])
def test_every_operation_of_the_graph_is_taken_once(name: str, tmp_path: Path) -> None:
    path = exported_copy("dpr512", tmp_path) / f"dpr512_{name}.tflite"
    counted: dict[str, int] = {}
    for each in operations_alone(path.read_bytes(), "relight_48"):
        counted[each.kind] = counted.get(each.kind, 0) + each.count
    whole = dict(graphs(path)["relight_48"].operations)
    # Kernels are widened when the file is loaded.
    whole.pop("DEQUANTIZE", None)
    assert counted == whole


def interpreter(content: bytes, **options: bool):  # type: ignore[no-untyped-def]
    made = import_litert("interpreter").Interpreter(model_content=content, num_threads=1, **options)
    made.allocate_tensors()
    return made


@pytest.mark.long
@pytest.mark.parametrize("name", ["fp32", "dynamic_int8"])
def test_an_operation_alone_computes_what_it_does_in_the_whole(name: str, tmp_path: Path) -> None:
    path = exported_copy("dmshn", tmp_path) / f"dmshn_{name}.tflite"
    content = graph_tools.only(path.read_bytes(), "relight_32")
    first = operations_alone(content, "relight_32")
    convolutions = [each for each in first if each.kind == "CONV_2D"]
    whole = interpreter(content, experimental_preserve_all_tensors=True)
    (given,) = whole.get_input_details()
    whole.set_tensor(given["index"], np.random.default_rng(0).random(given["shape"], dtype=np.float32))
    whole.invoke()
    subgraph = graph_tools.unpack(content).subgraphs[0]
    model = graph_tools.unpack(content)
    operation = graph_tools.convolutions(model, subgraph)[0]
    alone = interpreter(convolutions[0].content)
    (read,), (written,) = alone.get_input_details(), alone.get_output_details()
    alone.set_tensor(read["index"], whole.get_tensor(int(operation.inputs[0])))
    alone.invoke()
    expected = whole.get_tensor(int(operation.outputs[0]))
    assert expected.std() > 0
    np.testing.assert_allclose(alone.get_tensor(written["index"]), expected, atol=1e-6)


def test_shapes_are_told_in_words(tmp_path: Path) -> None:
    path = exported_copy("dmshn", tmp_path) / "dmshn_fp32.tflite"
    found = {(each.kind, each.shapes) for each in operations_alone(path.read_bytes(), "relight_32")}
    assert ("ADD", "float32 1x32x32x4, float32 1x32x32x4 -> float32 1x32x32x4") in found
    assert ("CONV_2D", "float32 1x32x32x4, float32 3x3x3x4 -> float32 1x32x32x3") in found


def test_the_command_profiles_a_file_and_appends_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(timing, "RESULTS", tmp_path / "results")
    path = exported_copy("dmshn", tmp_path) / "dmshn_fp32.tflite"
    assert main(["profile", str(path), "--size", "32", "--record"]) == 0
    printed = capsys.readouterr().out
    assert "TRANSPOSE_CONV" in printed and "dmshn_fp32.tflite, 32 px, 1 thread: " in printed
    row = json.loads((tmp_path / "results/export_profile.jsonl").read_text())
    assert row["size"] == 32 and row["parts_ms"] == pytest.approx(sum(row["kinds_ms"].values()), abs=0.2)
    assert row["whole_ms"] > 0 and row["kinds_ms"]["CONV_2D"] > 0


def test_kinds_are_joined_and_the_longest_comes_first() -> None:
    parts = (TimedPart("A", "x", 2, 0.1), TimedPart("B", "x", 1, 0.3), TimedPart("A", "y", 1, 0.4))
    found = Profile("file", 32, 1, 0.7, parts)
    assert [(each.kind, each.count, each.seconds) for each in found.kinds] == [("A", 3, 0.5), ("B", 1, 0.3)]
    assert found.total == pytest.approx(0.8)


def test_a_long_table_ends_with_the_others() -> None:
    parts = tuple(TimedPart(f"kind{number}", "", 2, 0.001 * (20 - number)) for number in range(15))
    (table,) = profile.tables(Profile("folder", 32, 1, 0.2, parts))
    names, numbers, times = (list(column.cells) for column in table.columns[:3])
    assert names == [*(f"kind{number}" for number in range(12)), "others"]
    assert numbers[-1] == "6" and times[-1] == "21.00"


def saved_model(folder: Path, name: str) -> Path:
    import tensorflow as tf

    specs = [
        tf.TensorSpec((None, None, None, 3), tf.float32, "image"),
        tf.TensorSpec((None, 9), tf.float32, "light"),
    ]

    @tf.function(input_signature=specs)
    def network(image, light):  # type: ignore[no-untyped-def]
        kernel = tf.ones((3, 3, 3, 8))
        return {"relit": tf.nn.conv2d(image, kernel, 1, "SAME") * tf.reduce_sum(tf.exp(light))}

    tf.saved_model.save(tf.Module(), str(folder), signatures={name: network})
    return folder


def test_a_savedmodel_is_traced(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "1", "relight")
    found = profile.profile(folder, 64, 1)
    counts = {part.kind: part.count for part in found.parts}
    assert sum(count for kind, count in counts.items() if "Conv2D" in kind) == 1 and counts["Exp"] == 1
    assert all(part.seconds >= 0 for part in found.parts) and 0 < found.total < 10
    with pytest.raises(RelightError, match="no signature 'relight', only"):
        profile.profile(saved_model(tmp_path / "2", "other"), 64, 1)


@pytest.mark.parametrize(
    ("target", "size", "words"),
    [
        ("dmshn_fp32.tflite", 64, "no signature 'relight_64', only relight_32"),
        ("none.tflite", 32, "There is no file"),
        (".", 32, "no folder of a SavedModel"),
        ("dmshn_fp32.tflite", 0, "at least 1"),
    ],
)
def test_bad_input(target: str, size: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(RelightError, match=words):
        profile.profile(exported_copy("dmshn", tmp_path) / target, size)


def test_a_file_that_cannot_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported_copy("dmshn", tmp_path) / "dmshn_fp32.tflite"

    class Refused:
        def __init__(self, **options: object) -> None:
            raise RuntimeError("no kernel")

    class Module:
        Interpreter = Refused

    monkeypatch.setattr(profile, "import_litert", lambda name: Module)
    with pytest.raises(RelightError, match=r"cannot run \w+ alone: no kernel"):
        profile_tflite(path, 32, 1)
