"""`relight doctor`, `relight cache` and `relight completion`."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest

from tf_relight.cli.main import main
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.helping import doctor
from tf_relight.helping.caches import clear, kept_files
from tf_relight.weights.record import KNOWN


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache"
    (folder / "prepared").mkdir(parents=True)
    (folder / KNOWN["lpips-alex-v0.1"].file).write_bytes(b"x" * 6009)
    (folder / "prepared" / "a.tflite").write_bytes(b"y" * 70_000)
    return folder


def test_the_cache_is_listed_with_names_and_sizes(cache, capsys):
    assert main(["cache"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{cache}: 2 files, 0.1 MB"
    assert said[2].split()[:2] == ["prepared/a.tflite", "0.07"] and "weights lpips-alex-v0.1" in said[3]


def test_named_weights_are_removed_and_the_rest_stays(cache, capsys):
    assert main(["cache", "clear", "lpips-alex-v0.1"]) == 0
    assert [each.name for each in kept_files()] == ["prepared/a.tflite"]
    assert main(["cache", "clear"]) == 0
    assert kept_files() == []
    assert main(["cache", "clear", "lpips-alex"]) == 2
    assert "The cache holds no 'lpips-alex'" in capsys.readouterr().err


def test_a_cache_that_is_being_written_is_left_alone(cache, monkeypatch):
    with atomic_path(cache / "new.pth") as half:
        half.write_bytes(b"half")
        with pytest.raises(RelightError, match="Another process is writing .*: nothing was removed"):
            clear()
        assert len(kept_files()) == 2
    assert len(clear()) == 3


def test_the_report_says_what_is_here(cache, capsys):
    assert main(["doctor", "--no-test", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cache"] == {"folder": str(cache), "files": 2, "megabytes": 0.1}
    assert report["weights"]["lit-unet-humans-128-v1"] == "here"
    assert {"export", "onnx", "serve", "notebook"} <= report["extras"].keys()
    assert report["packages"]["tensorflow"].startswith("2.") and report["problems"] == []
    assert main(["doctor", "--no-test"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing stands in the way."


def test_what_stands_in_the_way_is_said(cache, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    assert main(["doctor", "--no-test"]) == 1
    said = capsys.readouterr().out
    assert "The package no-such-package is missing." in said and "KERAS_BACKEND is jax" in said


def test_the_test_relights_a_picture(cache):
    started = time.monotonic()
    found = doctor._test()
    assert (
        found["failed"] is None and found["relight_seconds"] <= time.monotonic() - started + 0.06
    )  # rounded to tenths


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands(tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "relight.bash"
    script.write_text(capsys.readouterr().out)
    words = "COMP_WORDS=(relight do); COMP_CWORD=1"
    ask = f"source {script}; {words}; {_function(script)}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["doctor"], done.stderr


def _function(script) -> str:
    """The function that the script's last line gives to the shell."""
    line = next(line for line in script.read_text().splitlines() if line.startswith("complete "))
    return line.split("-F ")[1].split()[0]
