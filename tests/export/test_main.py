"""`python -m export`: quick help, and one sentence for whatever is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main, make_parser
from tests.export.narrow import narrow_model
from tf_relight.methods.trained import save_weights

ROOT = Path(__file__).resolve().parents[2]


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from export.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('tensorflow', 'keras', 'ai_edge_litert', 'ai_edge_quantizer', 'grpc', 'fastapi', 'cv2')\n"
        "print([each for each in heavy if each in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "tflite" in done.stdout and "python -m export" in done.stdout


def test_no_command_shows_the_help(capsys):
    assert main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


def test_every_command_has_an_example():
    actions = make_parser()._subparsers._group_actions[0].choices
    assert "tflite" in actions
    for name, parser in actions.items():
        assert parser.epilog and re.search(rf"relight export {name}", parser.epilog)


@pytest.fixture
def weights(tmp_path):
    loaded = narrow_model("dmshn")
    return save_weights(loaded.model, tmp_path / "small.safetensors", method="dmshn", config=loaded.config)


def refuse(capsys, out: Path, *words: str) -> str:
    """Run `tflite` with wrong words; return what it says after checking that it leaves nothing behind."""
    assert main(["tflite", "--out", str(out), *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("python -m export: error: ")
    assert not out.exists() or not list(out.iterdir())
    return said[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "dmhsn"], "Did you mean 'dmshn'?"),
        (["--method", "stacked_dmshn"], "No weights ship with stacked_dmshn: train it"),
        (["--method", "dmshn", "--sizes", "100"], "Give 96 or 112"),
        (["--method", "dmshn", "--sizes", "64,big"], "'big' is not a number"),
        (["--method", "dmshn", "--sizes", ","], "No sizes"),
        (["--method", "dmshn", "--quantisation", "fp32,int8"], "no quantisation 'int8'"),
        (["--method", "dmshn", "--quantisation", "fp32,fp32"], "fp32 is given twice"),
        (["--method", "dmshn", "--quantisation", ","], "No quantisations"),
        (["--method", "dmshn", "--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--method", "dmshn", "--calibration", "nowhere"], "no folder nowhere"),
    ],
)
def test_wrong_words(words, said, capsys, tmp_path):
    assert said in refuse(capsys, tmp_path / "out", *words)


def test_weights_of_another_method(weights, capsys, tmp_path):
    said = refuse(capsys, tmp_path / "out", "--method", "dpr512", "--weights", str(weights))
    assert "dmshn weights, not dpr512" in said


def test_an_empty_calibration_folder(weights, capsys, tmp_path):
    (tmp_path / "pictures").mkdir()
    words = ("--method", "dmshn", "--weights", str(weights), "--calibration", str(tmp_path / "pictures"))
    assert "holds no pictures" in refuse(capsys, tmp_path / "out", *words)


def test_a_target_that_is_a_file(weights, capsys, tmp_path):
    target = tmp_path / "out"
    target.write_text("mine")
    words = ["tflite", "--method", "dmshn", "--weights", str(weights), "--sizes", "32", "--out", str(target)]
    assert main(words) == 2
    assert f"Cannot write {target}" in capsys.readouterr().err
    assert target.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_target_that_may_not_be_written(weights, capsys, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    words = ("--method", "dmshn", "--weights", str(weights), "--sizes", "32")
    assert "Cannot write" in refuse(capsys, locked / "out", *words)


def test_the_command_writes_and_says_what(weights, capsys, tmp_path):
    out = tmp_path / "deep" / "out"
    words = ["tflite", "--method", "dmshn", "--weights", str(weights), "--out", str(out)]
    assert main([*words, "--sizes", "16", "--quantisation", "fp32"]) == 0
    said = capsys.readouterr().out
    assert f"{out / 'dmshn_fp32.tflite'}: 0." in said and "sizes 16" in said and "small.safetensors" in said
    assert sorted(path.name for path in out.iterdir()) == ["dmshn_fp32.tflite", "manifest.json"]
