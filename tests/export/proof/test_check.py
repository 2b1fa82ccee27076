from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main
from export.bounds import BOUNDS, TAIL_ROUNDED_ERROR, Bounds, bounds_of
from export.litert.manifest import (
    FileRecord,
    Manifest,
    WeightsOrigin,
    read_manifest,
    write_manifest,
)
from export.proof.check import CheckOptions, check_folder, store_scores
from export.proof.check_table import markdown, rows
from export.proof.file_check import FileCheck, GpuScore, OlderScore, RuntimeScore, TruthScore, misses
from export.proof.gpu_gate import DRIVER_VARIABLE, why_skipped
from export.proof.measuring import psnr_of
from export.proof.reference import keras_function, network_inputs, picture_of, truth_cases
from export.tflite.write import export_tflite
from tests.export.exported import described, exported_copy, small_weights
from tests.export.int8.rounding import rounding_network
from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods.trained import load_model, save_weights
from tf_relight.weights.checksum import sha256_of
from tf_relight.weights.file import FOLLOWED_WEIGHTS

QUICK = CheckOptions(truth=0, threads=1)

# -- Bounds --------------------------------------------------------------------------------------------------

RECORD = FileRecord(
    name="a.tflite",
    sha256="0" * 64,
    size_bytes=30,
    method="dmshn",
    quantisation="fp32",
    weights=WeightsOrigin(name="w", sha256=None, licence=""),
    sizes=(64,),
    signatures={},
    colour_space="sRGB",
    versions={},
)
SCORE = RuntimeScore(psnr=70.0, mean_psnr=80.0, max_error=1e-4, mean_error=1e-5, light_error=None)
TRUTH = TruthScore(pictures=2, size=64, keras_psnr=20.0, psnr=19.9, keras_ssim=0.5, ssim=0.5)
GOOD = FileCheck(
    RECORD,
    size_ratio=0.3,
    operations=9,
    delegated=9,
    partitions=1,
    runtimes={"interpreter": SCORE, "compiled_model": SCORE},
    truth=TRUTH,
    gpu=GpuScore(70.0),
    older=OlderScore(70.0, 1e-4),
)
ALL = Bounds(max_error=1e-4, psnr=70.0, size_ratio=0.3, gpu_psnr=70.0, truth_loss=0.1 + 1e-9)


def test_a_file_at_its_bounds_is_good() -> None:
    assert list(misses(GOOD, ALL)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"runtimes": {"interpreter": replace(SCORE, max_error=1.1e-4)}},
            "interpreter: largest error 0.00011",
        ),
        ({"runtimes": {"interpreter": replace(SCORE, light_error=2e-4)}}, "largest error 0.0002"),
        ({"runtimes": {"compiled_model": replace(SCORE, psnr=69.9)}}, "compiled_model: 69.9 dB, wanted 70"),
        ({"runtimes": {"compiled_model": replace(SCORE, psnr=math.nan)}}, "nan dB"),
        (
            {"runtimes": {"interpreter": replace(SCORE, rounded_error=0.004)}},
            "differs by 0.004 from the network",
        ),
        ({"runtimes": {"interpreter": replace(SCORE, rounded_error=math.nan)}}, "differs by nan"),
        (
            {"runtimes": {"interpreter": replace(SCORE, unrounded_psnr=69.9)}},
            "69.9 dB against the same weights unrounded, wanted 70",
        ),
        ({"size_ratio": 0.301}, "0.301 of the float32 file's size"),
        ({"delegated": 8, "left": {"TILE": 1}}, "takes 8 of 9 operations; left: 1 TILE"),
        ({"partitions": 2}, "2 partitions"),
        ({"partitions": 0}, "0 partitions"),
        ({"accelerated": False}, "CompiledModel leaves operations"),
        ({"forbidden": ("CUSTOM:Flex: no",)}, "CUSTOM:Flex: no"),
        ({"truth": replace(TRUTH, psnr=19.89)}, "loses 0.11 dB"),
        ({"gpu": GpuScore(69.0)}, "GPU: 69.0 dB"),
        ({"gpu": GpuScore(None, "refused")}, "GPU: refused"),
        ({"older": OlderScore(69.0, 1e-5)}, "TensorFlow Lite 2.16.1: 69.0 dB, wanted 70"),
        ({"older": OlderScore(None, note="TensorFlow Lite refuses it")}, "TensorFlow Lite refuses it"),
    ],
)
def test_each_missed_bound_is_one_sentence(change: dict[str, object], words: str) -> None:
    found = list(misses(replace(GOOD, **change), ALL))
    assert len(found) == 1 and words in found[0], found


def test_the_older_runtime_keeps_the_largest_error_too() -> None:
    check = replace(GOOD, older=OlderScore(80.0, 2e-4))
    assert list(misses(check, Bounds(max_error=1e-4, truth_loss=0.2))) == [
        "TensorFlow Lite 2.16.1: largest error 0.0002, allowed 0.0001"
    ]


def test_what_was_not_measured_is_not_missed() -> None:
    bare = replace(GOOD, size_ratio=None, truth=None, gpu=GpuScore(None, "no driver", skipped=True))
    bare = replace(bare, older=OlderScore(None, note="no JDK", skipped=True))
    assert list(misses(bare, ALL)) == []


def test_the_bounds_of_the_design() -> None:
    scenes, portraits = methods.get("stacked_dmshn").info, methods.get("dpr512").info
    assert bounds_of("fp32", scenes).max_error == 1e-4
    assert bounds_of("fp16", portraits).psnr == 70
    assert (bounds_of("dynamic_int8", scenes).psnr, bounds_of("dynamic_int8", portraits).psnr) == (45, 50)
    assert bounds_of("static_int8", scenes).psnr == 40
    assert bounds_of("static_int8", scenes, quantisation_aware=True).psnr == 45
    assert {name: each.size_ratio for name, each in BOUNDS.items() if "int8" in name} == {
        "dynamic_int8": 0.30,
        "static_int8": 0.30,
    }
    assert all(each.truth_loss == 0.1 for each in BOUNDS.values())
    with pytest.raises(RelightError, match="no bounds for the quantisation 'int4'"):
        bounds_of("int4", scenes)


def test_psnr() -> None:
    zero, half = np.zeros((4, 4)), np.full((4, 4), 0.5)
    assert psnr_of(zero, half) == pytest.approx(6.0206, abs=1e-4)
    assert psnr_of(half, half) == 200.0


# -- The network's side --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dmshn", "dpr512"])
def test_the_reference_is_the_method_itself(method: str, tmp_path: Path) -> None:
    loaded = load_model(small_weights(method, tmp_path / "w.safetensors"))
    run, info = keras_function(loaded), loaded.method.info
    keys = set()
    for case in truth_cases(loaded, 48, 3):
        keys.add(case.name.split("_")[0])
        light = case.inputs["light"].reshape(9) if "light" in case.inputs else None
        direct = np.clip(loaded.method.relight(loaded.model, case.image, light), 0, 1)
        ours = picture_of(info, case.image, run(case.inputs))
        np.testing.assert_allclose(ours, direct, atol=2e-5)
        assert case.target.shape == (48, 48, 3) and case.target.dtype == np.uint8
    assert len(keys) == 3, "another scene or head each time"


def test_network_inputs_are_in_range() -> None:
    white = np.ones((16, 16, 3), np.float32)
    inputs = network_inputs(methods.get("dpr512").info, white, np.arange(9))
    assert inputs["image"].shape == (1, 16, 16, 1) and inputs["light"].shape == (1, 1, 1, 9)
    assert inputs["image"].dtype == np.float32 and inputs["image"].max() <= 1
    np.testing.assert_allclose(inputs["image"], 1, atol=1e-4)


# -- Folders -------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_folder_through_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = exported_copy("dmshn", tmp_path)
    code = main(["check", str(folder), "--truth", "2", "--threads", "1", "--no-older"])
    printed = capsys.readouterr()
    # So small a network is mostly names and shapes, which int8 does not shrink; all else must hold.
    assert code == 1
    complaints = [line for line in printed.err.splitlines() if "tflite:" in line]
    assert len(complaints) == 1 and "of the float32 file's size" in complaints[0], printed.err
    with (folder / "check.csv").open() as file:
        float32, int8 = csv.DictReader(file)
    assert (float32["good"], int8["good"]) == ("True", "False")
    assert float(float32["interpreter_max_error"]) < 1e-5
    assert 45 < float(int8["compiled_model_psnr"]) < 120
    assert float32["operations"] == float32["delegated"] and float32["partitions"] == "1"
    assert abs(float(float32["truth_loss"])) < 1e-3 and float32["truth_pictures"] == "2"
    text = (folder / "check.md").read_text()
    assert "dmshn_fp32.tflite" in text and "cores" in text and complaints[0].split(": ", 1)[1] in text
    scores = read_manifest(folder).file("dmshn_fp32.tflite").scores
    assert scores is not None
    assert scores["interpreter_psnr"] == pytest.approx(float(float32["interpreter_psnr"]))
    assert scores["partitions"] == 1


@pytest.mark.long
def test_rounding_that_was_trained_is_judged_by_the_float_network(tmp_path: Path) -> None:
    loaded = rounding_network()
    record = WeightsOrigin(name=str(tmp_path / "w.safetensors"), sha256=None, licence="made for a test")
    save_weights(loaded.model, record.name, method="dmshn", config=loaded.config, size=32)
    folder = tmp_path / "out"
    export_tflite(loaded, folder, quantisations=("fp32", "static_int8"), sizes=(32,), weights=record)
    float32, int8 = check_folder(folder, QUICK, progress=False)
    assert float32.good, float32.complaints
    for score in float32.runtimes.values():
        assert score.max_error < 1e-5 and score.rounded_error is None
    for score in int8.runtimes.values():
        assert score.psnr < 60 and score.rounded_error == 0
    # Weights of which one moved by many steps: the file is no longer that of the network.
    kernel = next(each for each in loaded.model.trainable_variables if each.name == "kernel")
    kernel.assign(kernel * 1.2)
    save_weights(loaded.model, record.name, method="dmshn", config=loaded.config, size=32)
    _, moved = check_folder(folder, QUICK, progress=False)
    assert sum("from the network's own rounding, allowed 0" in each for each in moved.complaints) == 2


@pytest.mark.long
def test_rounding_is_judged_by_the_float_network_that_its_training_followed(tmp_path: Path) -> None:
    loaded = rounding_network(dynamic_tail=20)
    exact = loaded.method.config({"width": 4})
    float_model = loaded.method.build_model(exact)
    for theirs, ours in zip(float_model.variables, loaded.model.trainable_variables, strict=True):
        theirs.assign(ours)
    beside = save_weights(float_model, tmp_path / FOLLOWED_WEIGHTS, method="dmshn", config=exact)
    (bias,) = (
        each
        for each in loaded.model.trainable_variables
        if each.path.endswith("level1_decoder/conv_out/bias")
    )
    bias.assign(bias + 0.1)
    path = tmp_path / "w.safetensors"
    follows = {"follows": sha256_of(beside)}
    save_weights(loaded.model, path, method="dmshn", config=loaded.config, size=32, **follows)
    made = load_model(path)
    record = WeightsOrigin(name=str(path), sha256=None, licence="made for a test")
    folder = tmp_path / "out"
    export_tflite(made, folder, quantisations=("static_int8",), sizes=(32,), weights=record)
    (int8,) = check_folder(folder, QUICK, progress=False)
    for score in int8.runtimes.values():
        assert score.max_error > 0.05 and score.rounded_error is not None
        assert 0 < score.rounded_error < TAIL_ROUNDED_ERROR
        assert score.unrounded_psnr is not None and score.unrounded_psnr > 45 > score.psnr
    assert any("dB, wanted 45" in each for each in int8.complaints)
    assert not any("weights unrounded" in each for each in int8.complaints)
    assert not any("own rounding" in each for each in int8.complaints)

    beside.write_bytes(beside.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RelightError, match="are others. Put the float_weights.safetensors"):
        check_folder(folder, QUICK, progress=False)
    beside.unlink()
    with pytest.raises(RelightError, match="are missing"):
        check_folder(folder, QUICK, progress=False)


def test_a_bad_file_fails_its_own_row_only(tmp_path: Path) -> None:
    folder = exported_copy("dmshn", tmp_path)
    good, int8 = read_manifest(folder).files
    content = (folder / good.name).read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    bad = {
        "missing.tflite": (None, "The file is missing"),
        "short.tflite": (content[:-9], "bytes, the manifest says"),
        "flipped.tflite": (bytes(flipped), "its sha256 differs"),
        "../outside.tflite": (None, "is not a file of its folder"),
        # From here on the manifest agrees with the file.
        "cut.tflite": (content[:-20000], ""),
        "noise.tflite": (b"\x1c\0\0\0TFL3" + content[:0:-1], ""),
        "other_sizes.tflite": (content, "the manifest says relight_32, relight_48"),
        "other_numbers.tflite": ((folder / int8.name).read_bytes(), "interpreter: largest error"),
    }
    records = [good]
    for number, (name, (written, _)) in enumerate(bad.items()):
        record = good.model_copy(update={"name": name})
        if written is not None:
            (folder / name).write_bytes(written)
            if number >= 4:
                record = described(record, folder)
        if name == "other_sizes.tflite":
            record = record.model_copy(update={"sizes": (32, 48)})
        records.append(record)
    write_manifest(folder, Manifest(files=(*records, int8)))
    first, *middle, last = check_folder(folder, QUICK, progress=False)
    assert first.good, first.complaints
    assert last.failure is None and last.runtimes["compiled_model"].psnr > 45
    for check, (name, (_, words)) in zip(middle, bad.items(), strict=True):
        assert check.record.name == name and not check.good
        assert any(words in complaint for complaint in check.complaints), (name, check.complaints)
        assert (check.failure is None) == (name == "other_numbers.tflite"), check.complaints
    store_scores(folder, [first, *middle, last])
    scores = {each.name: each.scores for each in read_manifest(folder, check_files=False).files}
    assert scores[good.name] and scores["other_numbers.tflite"] and scores["cut.tflite"] is None
    text = markdown([first, *middle, last], command="c", hardware="h")
    assert text.count("| FAILED |") == 7 and text.count("| good |") == 1
    assert json.dumps(rows([first, *middle, last]))


@pytest.mark.slow
def test_portraits(tmp_path: Path) -> None:
    folder = exported_copy("dpr512", tmp_path)
    float32, int8 = check_folder(folder, CheckOptions(truth=2, threads=1), progress=False)
    assert float32.good, float32.complaints
    light_error = float32.runtimes["interpreter"].light_error
    assert light_error is not None and 0 < light_error < 1e-4
    assert int8.runtimes["interpreter"].psnr > 50 and int8.truth is not None


@pytest.mark.slow
@pytest.mark.skipif(why_skipped() is not None, reason=str(why_skipped()))
def test_the_gpu_takes_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported_copy("dmshn", tmp_path)
    float32, int8 = check_folder(folder, replace(QUICK, gpu=True), progress=False)
    assert float32.good and float32.gpu is not None and int8.gpu is not None
    assert float32.gpu.psnr is not None and float32.gpu.psnr > 100
    assert int8.gpu.psnr is not None and int8.gpu.psnr > 45
    monkeypatch.setenv(DRIVER_VARIABLE, "")
    float32, _ = check_folder(folder, replace(QUICK, gpu=True), progress=False)
    assert float32.good and float32.gpu is not None and float32.gpu.skipped
    assert "The GPU was not asked: no software Vulkan driver" in markdown([float32], command="", hardware="")


def test_bad_input_is_not_a_missed_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = exported_copy("dmshn", tmp_path)
    strange = small_weights("dmshn", tmp_path / "strange.safetensors", seed=1)
    (tmp_path / "empty").mkdir()
    for arguments, words in [
        ([str(tmp_path / "none")], "holds no manifest.json"),
        ([str(folder), "--weights", str(strange)], "its sha256 differs"),
        ([str(folder), "--weights", "nothing"], "Name its file with --weights"),
        ([str(folder), "--images", str(tmp_path / "none")], "There is no folder"),
        ([str(folder), "--images", str(tmp_path / "empty")], "holds no pictures"),
        ([str(folder), "--truth", "-1"], "--truth must be at least 0"),
        ([str(folder), "--threads", "0"], "--threads at least 1"),
    ]:
        assert main(["check", *arguments]) == 2
        assert words in capsys.readouterr().err
    assert not (folder / "check.md").exists()
