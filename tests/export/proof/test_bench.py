from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from export import timing
from export.__main__ import main
from export.proof import bench
from export.proof.bench import BASE, BenchOptions, Timing, bench_folder, busy
from export.proof.bench_sides import prepare_tflite
from export.proof.gpu_gate import control_network
from export.proof.reference import bench_inputs
from tests.export.exported import exported_copy
from tf_relight import methods
from tf_relight.errors import RelightError

IMAGE = np.full((1, 16, 16, 3), 0.5, np.float32)


def test_sides_take_turns_and_are_compared_round_by_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(control_network(nearest=False))
    calls: list[int] = []

    class Watched(bench.Child):
        def call(self, function, *arguments):  # type: ignore[no-untyped-def]
            if function.__name__ == "timed_run":
                calls.append(id(self))
            return super().call(function, *arguments)

    monkeypatch.setattr(bench, "Child", Watched)
    side = (prepare_tflite, (str(path), "interpreter", 1, "relight", {"image": IMAGE}))
    timings = bench._bench_setting({BASE: side, "again": side}, 16, 1, BenchOptions(rounds=3))
    first, second = dict.fromkeys(calls)
    assert calls == [first, second] + 3 * [first, second], "one warm-up each, then in turn"
    assert [each.side for each in timings] == [BASE, "again"]
    base, again = timings
    assert base.times_faster == 1.0
    by_round = [b / a for b, a in zip(base.seconds, again.seconds, strict=True)]
    assert again.times_faster == pytest.approx(np.median(by_round), abs=1e-3)
    assert all(10 < each.peak_mib < 300 and len(each.seconds) == 3 for each in timings)


def test_a_row_in_milliseconds() -> None:
    row = Timing("fp32", 256, 2, (0.004, 0.002, 0.003), 123.4, 1.5).row()
    assert row == {
        "side": "fp32",
        "size": 256,
        "threads": 2,
        "ms_min": 2.0,
        "ms_median": 3.0,
        "peak_mib": 123,
        "times_faster_than_keras_float32": 1.5,
    }


def test_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(bench.os, "getloadavg", lambda: (0.5, 0.0, 0.0))
    assert busy() is None
    monkeypatch.setattr(bench.os, "getloadavg", lambda: (0.6, 0.0, 0.0))
    assert "load 0.6 on 2 cores" in str(busy())


def test_inputs_are_a_real_photo() -> None:
    inputs = bench_inputs(methods.get("dpr512").info, 64)
    assert inputs["image"].shape == (1, 64, 64, 1) and inputs["image"].std() > 0.1
    given = bench._for_savedmodel(inputs, 64)
    assert given["image"].shape == (1, 64, 64, 3) and given["light"].shape == (1, 9)


@pytest.mark.long
def test_bad_input(tmp_path: Path) -> None:
    folder = exported_copy("dmshn", tmp_path)
    for options, words in [
        (BenchOptions(), "has one of the sizes 256, 512, 1024: give --sizes from 32"),
        (BenchOptions(rounds=0), "at least 1"),
        (BenchOptions(threads=()), "at least 1"),
        (BenchOptions(savedmodel=tmp_path), "is not a SavedModel"),
        (BenchOptions(sizes=(32,), weights="nothing"), "Name its file with --weights"),
    ]:
        with pytest.raises(RelightError, match=words):
            bench_folder(folder, options, progress=False)
    (folder / "dmshn_fp32.tflite").write_bytes(b"damaged")
    with pytest.raises(RelightError, match="is not the file that manifest.json describes"):
        bench_folder(folder, BenchOptions(sizes=(32,)), progress=False)


@pytest.mark.slow
def test_a_folder_through_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from export.litert.manifest import read_manifest
    from export.saved_model.write import export_savedmodel, origin_of
    from tf_relight.methods.trained import load_model

    folder = exported_copy("dmshn", tmp_path)
    weights = read_manifest(folder).files[0].weights.name
    loaded = load_model(weights)
    origin = origin_of(weights, loaded)
    saved = export_savedmodel(loaded, tmp_path / "models", origin=origin, warmup=False)
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    arguments = ["--sizes", "32", "--threads", "1", "--rounds", "3", "--savedmodel", str(saved)]
    assert main(["bench", str(folder), *arguments]) == 0
    assert "keras_bfloat16" in capsys.readouterr().out
    (row,) = map(json.loads, (tmp_path / "export.jsonl").read_text().splitlines())
    assert row["command"] and row["hardware"] and row["method"] == "dmshn"
    sides = {each["side"]: each for each in row["sides"]}
    assert list(sides) == [BASE, "keras_bfloat16", "keras_xla", "savedmodel", "fp32", "dynamic_int8"]
    assert all(each["ms_min"] > 0 and each["peak_mib"] > 20 for each in sides.values())
    assert sides[BASE]["times_faster_than_keras_float32"] == 1.0
    assert sides["fp32"]["peak_mib"] < sides[BASE]["peak_mib"]
