"""The .tflite files: every size runs, the numbers are those of Keras, weights are stored once."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from export.int8.calibration import Calibration
from export.litert import graph_tools
from export.litert.inspection import delegations, graphs
from export.litert.manifest import read_manifest
from export.litert.runtimes import InterpreterRuntime
from export.network import relight_function
from export.proof.gpu_gate import ask_gpu, why_skipped
from export.signatures import signature_name
from export.tflite import write as tflite
from export.tflite.write import export_tflite
from tests.export.narrow import narrow_model
from tf_relight import files, methods
from tf_relight.errors import RelightError
from tf_relight.methods.trained import LoadedModel
from tf_relight.photo.picture import resize

SIZES = {"dmshn": (48,), "dpr512": (48, 32)}
FORMATS = {"dmshn": ("fp32", "static_int8"), "dpr512": ("fp32", "fp16", "dynamic_int8", "static_int8")}
"""DMSHN's other files are made for the tests of `check`."""
BOUNDS = {"fp32": 100, "fp16": 70, "dynamic_int8": 50, "static_int8": 40}
RANDOM = np.random.default_rng(3)


def small(method: str) -> LoadedModel:
    """A network just wide enough that converters round it: they leave kernels below 1024 weights alone."""
    keras.utils.set_random_seed(0)
    chosen = methods.get(method)
    config = chosen.config({"width": 8})
    return LoadedModel(chosen.build_model(config), chosen, config, {})


def pictures(channels: int, count: int = 4) -> tuple[np.ndarray, ...]:
    return tuple(
        resize(RANDOM.uniform(0, 1, (6, 6, channels)).astype(np.float32), (48, 48)) for _ in range(count)
    )


def calibration(method: str) -> Calibration:
    if method == "dmshn":
        return Calibration("folder", pictures(3), None, 0)
    shapes = tuple(each.reshape(48, 48, 1) for each in pictures(1))
    lights = [RANDOM.normal(0, 0.3, 9).astype(np.float32) for _ in shapes]
    for light in lights:
        light[0] = 0.8
    return Calibration("folder", shapes, tuple(lights), 0)


@pytest.fixture(scope="module", params=list(SIZES))
def exported(request, tmp_path_factory):
    """(method's name, loaded network, calibration, folder)."""
    name = request.param
    loaded, seen = small(name), calibration(name)
    folder = tmp_path_factory.mktemp(name)
    wanted = FORMATS[name]
    paths = export_tflite(loaded, folder, sizes=SIZES[name], calibration=seen, quantisations=wanted)
    assert [path.name for path in paths] == [f"{name}_{each}.tflite" for each in wanted]
    return name, loaded, seen, folder


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return -10 * math.log10(max(float(np.mean((np.asarray(first) - np.asarray(second)) ** 2)), 1e-20))


def test_every_size_keeps_the_numbers(exported):
    name, loaded, seen, folder = exported
    for quantisation in FORMATS[name]:
        compare(loaded, seen, folder / f"{name}_{quantisation}.tflite", quantisation)


def compare(loaded, seen, path, quantisation) -> None:
    """Run every signature of a file beside Keras."""
    name = loaded.method.name
    runtime = InterpreterRuntime(path)
    assert set(runtime.signatures) == {signature_name(size) for size in SIZES[name]}
    for size in SIZES[name]:
        function, _, _ = relight_function(loaded, size)
        for sample in seen.samples(size):
            wanted = {key: np.asarray(value) for key, value in function(**sample).items()}
            found = runtime.run(signature_name(size), sample)
            assert set(found) == set(wanted)
            for key, values in wanted.items():
                assert found[key].shape == values.shape and found[key].dtype == np.float32
            assert wanted["relit"].std() > 1e-3
            reached = psnr(wanted["relit"], found["relit"])
            assert reached > BOUNDS[quantisation], (quantisation, size)
            assert quantisation == "fp32" or reached < 120  # something was rounded


def test_everything_runs_on_xnnpack_in_one_piece(exported):
    name, _, _, folder = exported
    for quantisation in FORMATS[name]:
        found = delegations(folder / f"{name}_{quantisation}.tflite")
        assert {each.signature for each in found.values()} == {signature_name(size) for size in SIZES[name]}
        assert all(each.complete for each in found.values()), found


def test_the_graphs_hold_nothing_that_phones_refuse(exported):
    name, _, _, folder = exported
    for quantisation in FORMATS[name]:
        found = graphs(folder / f"{name}_{quantisation}.tflite")
        assert all(not graph.forbidden for graph in found.values()), quantisation


def test_every_channel_has_its_own_slope(exported):
    name, _, _, folder = exported
    for quantisation in FORMATS[name]:
        model = graph_tools.unpack((folder / f"{name}_{quantisation}.tflite").read_bytes())
        sides = [
            (int(subgraph.tensors[each.inputs[0]].shape[-1]), list(subgraph.tensors[each.inputs[1]].shape))
            for subgraph in model.subgraphs
            for each in subgraph.operators
            if graph_tools.kind(model, each) == "PRELU"
        ]
        assert len(sides) == (0 if name == "dmshn" else 2 * len(SIZES[name]))
        assert all(slopes == [1, 1, channels] for channels, slopes in sides)


@pytest.mark.slow
@pytest.mark.skipif(why_skipped() is not None, reason=str(why_skipped()))
def test_the_gpu_delegate_takes_every_file(exported):
    name, _, seen, folder = exported
    for quantisation in FORMATS[name]:
        path = folder / f"{name}_{quantisation}.tflite"
        sample = next(seen.samples(48))
        answer = ask_gpu(path, signature_name(48), sample)
        assert answer.accepted, (quantisation, answer.reason)
        wanted = InterpreterRuntime(folder / f"{name}_fp32.tflite").run(signature_name(48), sample)
        assert psnr(wanted["relit"], answer.outputs["relit"]) > BOUNDS[quantisation]


def test_the_manifest_describes_the_files(exported):
    name, loaded, _, folder = exported
    runtime = InterpreterRuntime(folder / f"{name}_fp32.tflite")
    for record in read_manifest(folder).files:
        assert record.method == name and record.sizes == SIZES[name] and record.weights.sha256 is None
        assert (record.calibration is not None) == (record.quantisation == "static_int8")
        assert (record.rounded_layers is None) == (record.quantisation == "fp32")
        assert (record.light_layout is None) == (name == "dmshn")
        assert record.versions["keras"] == keras.__version__
        for signature, described in record.signatures.items():
            info = runtime.signatures[signature]
            assert {each.name: each.shape for each in described.inputs} == {
                key: each.shape for key, each in info.inputs.items()
            }
            assert {each.name: (each.shape, each.dtype) for each in described.outputs} == {
                key: (each.shape, each.dtype) for key, each in info.outputs.items()
            }


def test_the_weights_are_stored_once_for_all_sizes_and_rounded(exported):
    name, loaded, _, folder = exported
    count = loaded.model.count_params()
    bytes_each = {"fp32": 4.0, "fp16": 2.0, "dynamic_int8": 1.0, "static_int8": 1.0}
    for quantisation in FORMATS[name]:
        each = bytes_each[quantisation]
        size = (folder / f"{name}_{quantisation}.tflite").stat().st_size
        graphs_alone = 90_000 * len(SIZES[name])
        assert 0.9 * each * count < size < 1.05 * each * count + graphs_alone, quantisation


@pytest.fixture
def quick(exported, monkeypatch):
    """Let the contents of files be those of `exported`: these tests are about the folder."""
    folder = exported[-1]

    def content(self, quantisation):
        return (folder / f"{exported[0]}_{quantisation}.tflite").read_bytes(), {}

    monkeypatch.setattr(tflite._Writer, "content", content)


def test_other_methods_files_stay(quick, tmp_path):
    for each in ("dmshn", "dpr512", "dmshn"):
        export_tflite(narrow_model(each), tmp_path, sizes=(32,), quantisations=("fp32",))
    manifest = read_manifest(tmp_path)
    assert sorted(record.name for record in manifest.files) == ["dmshn_fp32.tflite", "dpr512_fp32.tflite"]


class Bicubic(keras.Model):
    """A network with an operation that LiteRT does not have."""

    def infer(self, inputs, training=False):
        return {"relit": self(inputs["image"])}

    def call(self, image, training=None):
        import tensorflow as tf

        half = tf.image.resize(image, (16, 16), "bicubic")
        return tf.image.resize(half, (32, 32), "bicubic")


def test_an_operation_that_phones_do_not_have(tmp_path):
    loaded = narrow_model("dmshn")
    model = Bicubic()
    model(np.zeros((1, 32, 32, 3), np.float32))
    strange = LoadedModel(model, loaded.method, loaded.config, {})
    with pytest.raises(RelightError, match="ResizeBicubic, which LiteRT has not built in"):
        export_tflite(strange, tmp_path / "out", sizes=(32,), quantisations=("fp32",))
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_the_folder_as_it_was(quick, tmp_path, monkeypatch):
    loaded = narrow_model("dmshn")
    (path,) = export_tflite(loaded, tmp_path, sizes=(32,), quantisations=("fp32",))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tflite, "write_manifest", full)
    with pytest.raises(RelightError, match="No space left"):
        export_tflite(loaded, tmp_path, sizes=(48,), quantisations=("fp32",))
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    assert path.name in before


def test_a_folder_of_ours_changes_at_once_and_keeps_the_other_files(exported, quick, tmp_path, monkeypatch):
    name, out = exported[0], tmp_path / "phone"
    loaded = narrow_model(name)
    export_tflite(loaded, out, sizes=(32,), quantisations=("fp32", "static_int8"))
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    moved = []
    exchange = files._exchange
    monkeypatch.setattr(files, "_exchange", lambda *names: moved.append(names) or exchange(*names))
    export_tflite(loaded, out, sizes=(48,), quantisations=("fp32",))
    after = {each.name: each.read_bytes() for each in out.iterdir()}
    assert len(moved) == 1, "one step"
    assert after.keys() == before.keys()
    assert after["manifest.json"] != before["manifest.json"]
    assert after[f"{name}_static_int8.tflite"] == before[f"{name}_static_int8.tflite"]
    read_manifest(out)
    assert [each.name for each in tmp_path.iterdir()] == ["phone"]


def test_a_folder_that_is_somebody_elses_too_keeps_its_place(exported, quick, tmp_path, monkeypatch):
    out, loaded = tmp_path / "phone", narrow_model(exported[0])
    (out / "sub").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    place = out.stat().st_ino
    monkeypatch.setattr(tflite, "replace_folder", None)
    export_tflite(loaded, out, sizes=(32,), quantisations=("fp32",))
    assert out.stat().st_ino == place and (out / "notes.txt").read_text() == "mine"
    read_manifest(out)
    assert len(list(out.iterdir())) == 4


def test_a_damaged_manifest_is_not_written_over(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RelightError, match="damaged"):
        export_tflite(narrow_model("dmshn"), tmp_path, sizes=(32,), quantisations=("fp32",))
    assert [each.name for each in tmp_path.iterdir()] == ["manifest.json"]
