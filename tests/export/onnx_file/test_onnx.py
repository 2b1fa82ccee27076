"""ONNX files: what they say of themselves, that they give what Keras gives, and wrong ones."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from export.__main__ import main
from export.onnx_file.write import export_onnx, read_said
from export.proof.onnx_check import check_onnx
from export.signatures import light_tensor
from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods.trained import LoadedModel, save_weights

RNG = np.random.default_rng(6)
KINDS = ("dmshn", "lit_unet", "sfsnet")
"""A picture to a picture, a picture and a light, and a picture to its parts."""
OTHERS = [name for name in methods.names() if name not in KINDS]


def small(name: str) -> LoadedModel:
    import keras

    keras.utils.set_random_seed(0)
    method = methods.get(name)
    return LoadedModel(method.build_model(method.small_config()), method, method.small_config(), {"size": 64})


def worst_error(name: str, folder) -> float:
    """Largest difference between a small network as ONNX and in Keras, for a batch of two pictures."""
    import onnxruntime

    from export.network import relight_function

    loaded = small(name)
    written = export_onnx(loaded, folder / f"{name}.onnx", size=64)
    session = onnxruntime.InferenceSession(str(written.path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == [spec.name for spec in written.inputs]
    names = [each.name for each in session.get_outputs()]
    assert names == [spec.name for spec in written.outputs]
    given = {}
    for port in loaded.method.info.inputs:
        if port.kind == "light":
            light = light_tensor(port, RNG.normal(0.3, 0.2, (9, port.channels)))
            given[port.name] = np.concatenate([light, light * np.float32(0.5)])
        else:
            given[port.name] = RNG.random((2, 64, 64, port.channels)).astype(np.float32)
    want = relight_function(loaded)[0](**given)
    got = dict(zip(names, session.run(names, given), strict=True))
    return max(float(np.abs(np.asarray(want[each]) - got[each]).max()) for each in names)


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_gives_what_keras_gives(name, tmp_path):
    assert worst_error(name, tmp_path) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_method_gives_what_keras_gives(name, tmp_path):
    assert worst_error(name, tmp_path) < 1e-4


def test_a_file_is_written_and_checked_by_the_commands(tmp_path, capsys):
    loaded = small("dmshn")
    weights = save_weights(loaded.model, tmp_path / "w.safetensors", method="dmshn", config=loaded.config)
    given = ["--method", "dmshn", "--weights", str(weights), "--out", str(tmp_path / "out")]
    assert main(["onnx", *given, "--size", "64"]) == 0
    assert "takes image (any, 64, 64, 3)" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "out"), "--weights", str(weights)]) == 0
    assert "largest error relit" in capsys.readouterr().out
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "dmshn.onnx"))
    said = read_said(session)
    assert said["method"] == "dmshn" and len(said["weights_sha256"]) == 64 and said["size"] == "64"


def test_other_weights_than_the_files_are_found_out(tmp_path):
    loaded, other = small("dmshn"), small("dmshn")
    export_onnx(loaded, tmp_path / "a.onnx", size=64)
    other.model.set_weights([value + 0.01 for value in other.model.get_weights()])
    weights = save_weights(other.model, tmp_path / "w.safetensors", method="dmshn", config=other.config)
    assert not check_onnx(tmp_path / "a.onnx", weights=str(weights)).good


def test_wrong_files_sizes_and_a_missing_extra_are_told(tmp_path, monkeypatch):
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(RelightError, match="no ONNX file that can be run"):
        check_onnx(tmp_path / "no.onnx")
    with pytest.raises(RelightError, match="There is no file"):
        check_onnx(tmp_path / "gone.onnx")
    with pytest.raises(RelightError, match="multiples of"):
        export_onnx(small("dmshn"), tmp_path / "a.onnx", size=50)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(RelightError, match=r"pip install 'tf_relight\[onnx\]'"):
        export_onnx(small("dmshn"), tmp_path / "a.onnx", size=64)
