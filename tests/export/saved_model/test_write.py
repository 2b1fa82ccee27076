"""The folder of a SavedModel: layout, record, refusals, and the command that writes it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from export.__main__ import main
from export.proof.reference import weights_path
from export.saved_model import signatures as saved_signatures
from export.saved_model import warmup
from export.saved_model import write as savedmodel
from export.saved_model.write import WeightsOrigin, export_savedmodel, read_record
from tests.export.narrow import narrow_model
from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.weights import record as weights_record

ORIGIN = WeightsOrigin("random", "0" * 64, "none")


def test_the_folder_is_what_a_server_expects(scene):
    assert scene.folder.parts[-2:] == ("dmshn", "1")
    assert scene.folder.stat().st_mode & 0o555 == 0o555
    assert [path.name for path in scene.folder.parent.iterdir()] == ["1"]
    stored = sum(path.stat().st_size for path in (scene.folder / "variables").iterdir())
    assert stored < 1.3 * 4 * scene.loaded.model.count_params() + 30_000  # each weight once


def test_the_record_says_what_the_numbers_mean(portrait):
    record = read_record(portrait.folder)
    assert record["weights"] == {"name": "random", "sha256": "0" * 64, "licence": "none"}
    assert record["light"]["layout"].startswith("nine coefficients in the order 1, y, z, x")
    assert record["serving_default"] == "relight_jpeg"
    assert record["limits"]["max_pixels"] == 50_000_000 and record["long_side_of_network"] == 48
    assert set(record["signatures"]) | {"serving_default"} == set(portrait.signatures)
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(portrait.folder))
    assert record["fingerprint"]["saved_model_checksum"] == fingerprint.saved_model_checksum


@pytest.mark.parametrize("method", ["scene", "portrait"])
def test_the_record_agrees_with_the_model(method, request):
    exported = request.getfixturevalue(method)
    for name, described in read_record(exported.folder)["signatures"].items():
        function = exported.signatures[name]
        sides = {"inputs": function.structured_input_signature[1], "outputs": function.structured_outputs}
        for side, specs in sides.items():
            found = {key: (spec.shape.as_list(), spec.dtype.name) for key, spec in specs.items()}
            assert found == {key: (each["shape"], each["dtype"]) for key, each in described[side].items()}


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_foreign_folders_are_refused(content, tmp_path):
    path = tmp_path / "assets.extra" / "signatures.json"
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(RelightError, match="Export the model again|not a model that"):
        read_record(tmp_path)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(savedmodel, "_record", full_disk)
    monkeypatch.setattr(savedmodel, "_write_model", lambda *arguments: None)
    monkeypatch.setattr(saved_signatures, "signatures_for", lambda *arguments: [])
    with pytest.raises(RelightError, match="No space left on device. Choose another place"):
        export_savedmodel(narrow_model("dmshn"), tmp_path / "a" / "b", origin=ORIGIN, warmup=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 8}, "Size 8 is outside 16..4096"),
        ({"side": 5000}, "Size 5000 is outside"),
        ({"version": 0}, "Version 0 is not a number from 1 on"),
        ({}, "1 is there already. Give --version 8"),
    ],
)
def test_bad_requests_for_an_export(options, message, tmp_path):
    (tmp_path / "dmshn" / "1").mkdir(parents=True)
    (tmp_path / "dmshn" / "7").mkdir()
    with pytest.raises(RelightError, match=message):
        export_savedmodel(narrow_model("dmshn"), tmp_path, origin=ORIGIN, warmup=False, **options)


# -- The command ---------------------------------------------------------------------------------------------


def test_command(scene):
    assert "signatures: relight_jpeg, relight_png, relight; default relight_jpeg" in scene.said
    assert "weights: small.safetensors, CC0" in scene.said
    record = read_record(scene.folder)
    assert record["long_side_of_network"] == 48 and record["limits"]["max_pixels"] == 200_000


def test_warm_up_requests_run(scene):
    pytest.importorskip("tensorflow_serving", reason="needs the extra `serve`")
    requests = warmup.read_warmup(scene.folder)
    assert {each.signature for each in requests} == {"relight", "relight_jpeg", "relight_png"}
    chosen = [each for each in requests if each.signature != "relight_jpeg"]
    model = type("Model", (), {"signatures": scene.signatures})
    by_name = dict(zip([each.signature for each in chosen], warmup.replay(model, chosen), strict=True))
    assert tf.io.decode_png(by_name["relight_png"]["relit_bytes"][0]).shape == (387, 516, 3)
    relit = by_name["relight"]["relit"]
    assert relit.shape == (1, 48, 48, 3) and np.ptp(relit) > 0.01


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "dmsn"], "Unknown method 'dmsn'. Did you mean 'dmshn'"),
        (["--method", "dpr512"], "holds dmshn weights, not dpr512"),
        (["--method", "dmshn", "--max-pixels", "0"], "--max-pixels 0 is not a number from 1 on"),
        (["--method", "dmshn", "--size", "3"], "Size 3 is outside"),
        (["--method", "dmshn", "--out", "FILE"], "Not a directory"),
    ],
)
def test_bad_commands(words, message, scene_weights, tmp_path, capsys):
    out = tmp_path / "models"
    words = [str(scene_weights) if word == "FILE" else word for word in words]
    if "--out" not in words:
        words += ["--out", str(out)]
    assert main(["savedmodel", *words, "--weights", str(scene_weights), "--no-warmup"]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not out.exists()


def test_imported_weights_are_known_by_the_name_that_finds_them_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path))
    path = weights_record.path_of("dpr512-official")
    path.write_bytes(b"as `relight weights import` makes it")
    loaded = SimpleNamespace(metadata={}, method=methods.get("dpr512"))
    origin = savedmodel.origin_of("dpr512-official", loaded)
    assert (origin.name, origin.licence) == ("dpr512-official", "research only")
    assert weights_path(SimpleNamespace(name="a.tflite", weights=origin)) == path
