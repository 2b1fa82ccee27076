from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from export.litert.runtimes import RUNTIMES, RuntimeName, held_stderr, open_runtime
from export.proof.gpu_gate import control_network
from tests.export.exported import exported_copy
from tf_relight.errors import RelightError

IMAGE = np.random.default_rng(0).random((1, 16, 16, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One convolution with known numbers."""
    path = tmp_path_factory.mktemp("runtimes") / "network.tflite"
    path.write_bytes(control_network(nearest=False))
    return path


def convolved(image: np.ndarray) -> np.ndarray:
    """What the network computes, in numpy."""
    kernel = np.linspace(-1, 1, 81).reshape(3, 3, 3, 3)
    padded = np.pad(image[0].astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.maximum(np.einsum("yxcij,ijco->yxo", windows, kernel), 0)[None]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("threads", [1, 2])
def test_named_inputs_to_named_outputs(
    network: Path, runtime: RuntimeName, threads: int, capfd: pytest.CaptureFixture[str]
) -> None:
    opened = open_runtime(network, runtime, threads)
    info = opened.signatures["relight"]
    assert list(opened.signatures) == ["relight"]
    assert info.inputs["image"].shape == info.outputs["relit"].shape == (1, 16, 16, 3)
    assert info.inputs["image"].dtype == info.outputs["relit"].dtype == "float32"
    first = opened.run("relight", {"image": IMAGE})["relit"]
    np.testing.assert_allclose(first, convolved(IMAGE), atol=1e-5)
    second = opened.run("relight", {"image": IMAGE[:, ::-1]})["relit"]
    np.testing.assert_allclose(second, convolved(IMAGE[:, ::-1]), atol=1e-5)
    np.testing.assert_allclose(first, convolved(IMAGE), atol=1e-5, err_msg="it was overwritten")
    del opened
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("relihgt", {"image": IMAGE}, "no signature 'relihgt', only relight. Did you mean 'relight'?"),
        ("relight", {}, "takes image, not nothing"),
        ("relight", {"image": IMAGE, "light": IMAGE}, "takes image, not image, light"),
        (
            "relight",
            {"image": IMAGE[:, :8]},
            r"must be float32 \(1, 16, 16, 3\), not float32 \(1, 8, 16, 3\)",
        ),
        ("relight", {"image": IMAGE.astype(np.float64)}, "must be float32 .*, not float64"),
    ],
)
def test_wrong_inputs_are_named(
    network: Path, runtime: RuntimeName, signature: str, inputs: dict[str, np.ndarray], message: str
) -> None:
    opened = open_runtime(network, runtime)
    with pytest.raises(RelightError, match=message.replace("?", r"\?")):
        opened.run(signature, inputs)


@pytest.mark.long
def test_only_the_sizes_asked_for_are_prepared(tmp_path: Path) -> None:
    from export.litert.runtimes import InterpreterRuntime

    opened = InterpreterRuntime(exported_copy("dpr512", tmp_path) / "dpr512_fp32.tflite")
    assert list(opened.signatures) == ["relight_32", "relight_48"] and len(opened.signatures) == 2
    assert "relight_48" in opened.signatures and "relight_64" not in opened.signatures
    assert set(opened._runners) == {"relight_32"}
    assert opened.signatures["relight_48"].inputs["image"].shape == (1, 48, 48, 1)
    assert set(opened._runners) == {"relight_32", "relight_48"}
    with pytest.raises(KeyError):
        opened.signatures["relight_64"]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_damaged_files_give_one_sentence(
    network: Path, runtime: RuntimeName, damage: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = network.read_bytes()
    path = tmp_path / "bad.tflite"
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"hello " * 99}[damage])
    with pytest.raises(
        RelightError, match=r"^LiteRT cannot use .*bad.tflite: \w.*Export it again\.$"
    ) as caught:
        open_runtime(path, runtime)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_what_cannot_be_opened(network: Path) -> None:
    with pytest.raises(RelightError, match="There is no file"):
        open_runtime(network.with_name("none.tflite"))
    with pytest.raises(RelightError, match="At least 1 thread"):
        open_runtime(network, threads=0)
    with pytest.raises(RelightError, match="no runtime 'interpeter'. Did you mean 'interpreter'"):
        open_runtime(network, "interpeter")  # type: ignore[arg-type]


def test_held_stderr_keeps_lines_and_gives_the_terminal_back(capfd: pytest.CaptureFixture[str]) -> None:
    with held_stderr() as lines:
        os.write(2, b"one\ntwo\n")
    os.write(2, b"three\n")
    assert lines == ["one", "two"]
    assert capfd.readouterr().err == "three\n"
