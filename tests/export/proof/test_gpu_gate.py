from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.litert.runtimes import open_runtime
from export.proof import gpu_gate
from export.proof.gpu_gate import DRIVER_VARIABLE, ask_gpu, control_network, controls, gate_works, why_skipped
from tf_relight.errors import RelightError

needs_driver = pytest.mark.skipif(why_skipped() is not None, reason=str(why_skipped()))
IMAGE = np.random.default_rng(0).random((1, 16, 16, 3), dtype=np.float32)


@needs_driver
def test_the_negative_control_is_refused_and_the_positive_one_taken() -> None:
    accepted, refused = controls()
    assert accepted.accepted, accepted.reason
    assert not refused.accepted
    assert refused.outputs is None
    assert "dimensions must be less than 5" in refused.reason
    assert gate_works() is None


@needs_driver
def test_the_gpu_computes_what_the_cpu_does(tmp_path: Path) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(control_network(nearest=False))
    answer = ask_gpu(path, "relight", {"image": IMAGE})
    assert answer.accepted and answer.outputs is not None, answer.reason
    on_cpu = open_runtime(path).run("relight", {"image": IMAGE})["relit"]
    np.testing.assert_allclose(answer.outputs["relit"], on_cpu, atol=1e-5)


@needs_driver
def test_a_damaged_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(b"TFL3 no more")
    answer = ask_gpu(path, "relight", {"image": IMAGE})
    assert not answer.accepted and answer.reason
    assert "Export it again" not in answer.reason and str(tmp_path) not in answer.reason


def test_without_a_driver_the_gate_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(DRIVER_VARIABLE, raising=False)
    monkeypatch.setattr(gpu_gate, "DRIVER_FOLDERS", (str(tmp_path),))
    assert "install Chromium" in str(why_skipped())
    with pytest.raises(RelightError, match="The GPU cannot be asked: no software Vulkan driver"):
        ask_gpu(tmp_path / "any.tflite", "relight", {})
    (tmp_path / gpu_gate.DRIVER_FILE).write_text("{}")
    assert why_skipped() is None


def test_the_variable_names_the_driver_or_switches_the_gate_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver = tmp_path / "driver.json"
    driver.write_text("{}")
    monkeypatch.setenv(DRIVER_VARIABLE, str(driver))
    assert gpu_gate.find_driver() == driver
    monkeypatch.setenv(DRIVER_VARIABLE, "")
    assert gpu_gate.find_driver() is None
    monkeypatch.setenv(DRIVER_VARIABLE, str(tmp_path / "none.json"))
    with pytest.raises(RelightError, match="is not a file"):
        gpu_gate.find_driver()


def test_a_gate_that_refuses_or_takes_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    yes, no = gpu_gate.GpuAnswer(True), gpu_gate.GpuAnswer(False, "no adapter")
    for answers, words in (((no, no), "refuses even one"), ((yes, yes), "accepts the network")):
        monkeypatch.setattr(gpu_gate, "controls", lambda answers=answers: answers)
        assert words in str(gate_works())
