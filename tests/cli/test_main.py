"""The `relight` command: parsing, hints, exit codes. What the commands do is tested with their modules."""

from __future__ import annotations

import argparse
import functools
import inspect
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_relight import __version__
from tf_relight.carried import import_export
from tf_relight.cli.commands import COMMANDS, data_render
from tf_relight.cli.commands import evaluate as evaluate_command
from tf_relight.cli.commands import methods as methods_command
from tf_relight.cli.main import main, make_parser
from tf_relight.errors import RelightError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def undo(monkeypatch):
    """Take back what `main` does to the process: the handler of warnings and the hook on imports."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield
    logger = logging.getLogger("tf_relight")
    logger.handlers.clear()
    logger.propagate = True


@pytest.fixture
def called(monkeypatch):
    """Replace every command by one that keeps its arguments."""
    kept: dict[str, object] = {}
    for module in (*COMMANDS, data_render, *import_export("commands").COMMANDS):
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and name != "add" and not name.startswith("_"):
                keep = functools.partial(
                    lambda command, **values: kept.update(values, command=command) or 0, name
                )
                monkeypatch.setattr(module, name, keep)
    return kept


def command_lines(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and sub-command that can be given, as words."""
    found = [words]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found += command_lines(inner, (*words, name))
    return found


def ended(*arguments: str) -> int:
    """The exit code with which parsing ends the process."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_train_arguments(called):
    assert main(["train", "a.yaml", "--set", "data.root=x", "--resume", "--set", "a=b"]) == 0
    assert called == {
        "command": "train",
        "config": "a.yaml",
        "overrides": ["data.root=x", "a=b"],
        "resume": True,
        "ray": None,
        "workers": None,
        "gpus": None,
    }


def test_evaluate_arguments(called):
    main(["evaluate", "--weights", "w", "--data", "vidit", "--root", "V", "--split", "train", "-o", "out"])
    assert called["weights"] == "w" and called["folders"] is None and called["split"] == "train"
    assert (called["data"], called["root"], called["out"]) == ("vidit", "V", "out")
    main(["evaluate", "--folders", "a", "b"])
    assert called["folders"] == ["a", "b"] and called["split"] == "validation"


def test_image_arguments(called):
    main(["image", "a.jpg", "dir", "-o", "out", "--method", "stacked_dmshn", "--strength", "0.5"])
    assert called["command"] == "relight_images"
    assert (called["paths"], called["out"]) == (["a.jpg", "dir"], "out")
    assert (called["method"], called["weights"], called["strength"]) == ("stacked_dmshn", None, 0.5)
    assert called["direction"] is None and called["light"] is None and called["paper"] is False
    main(["image", "a.jpg", "-o", "out", "--method", "drn", "--mode", "polyphase4", "--size", "512"])
    assert (called["mode"], called["size"]) == ("polyphase4", 512)
    main(["image", "a.jpg", "-o", "out.jpg", "--from", "left", "--up", "30", "--keep-background"])
    assert (called["direction"], called["up"], called["keep_background"]) == ("left", 30.0, True)


def test_data_arguments(called):
    words = "data render scenes --out d --scenes 3 --size 64 --layout one2one --workers 2 --seed 1"
    assert main(words.split()) == 0
    assert called["command"] == "render_scenes" and called["layout"] == "one2one"
    assert (called["scenes"], called["size"], called["workers"], called["seed"]) == (3, 64, 2, 1)
    assert called["ground_truth"] is False
    assert main([*words.split(), "--ground-truth"]) == 0
    assert called["ground_truth"] is True
    main(["data", "check", "folder"])
    assert called["root"] == "folder"


def test_train_module_is_the_train_command(called):
    from tf_relight.train import main as train_main

    assert train_main(["a.yaml", "--set", "train.batch_size=4"]) == 0
    assert called["command"] == "train" and called["overrides"] == ["train.batch_size=4"]


@pytest.mark.parametrize("command", command_lines(make_parser()), ids=" ".join)
def test_every_help_shows_an_example_that_parses(command, called, capsys):
    assert ended(*command, "--help") == 0
    examples = capsys.readouterr().out.split("example:\n")[1].strip().splitlines()
    for line in examples:
        words = line.split()
        assert words[: len(command) + 1] == ["relight", *command]
        assert main(words[1:]) == 0


@pytest.mark.parametrize(
    "words,hint",
    [
        ("trian a.yaml", "Did you mean 'train'?"),
        ("data chekc x", "Did you mean 'check'?"),
        ("weights fecth x", "Did you mean 'fetch'?"),
        ("train a.yaml --resum", "Did you mean '--resume'?"),
        ("evaluate --wieghts=x", "Did you mean '--weights'?"),
        ("data render scenes --out x --layout vdit", "Did you mean 'vidit'?"),
        ("image a.jpg --outt x", "Did you mean '--out'?"),
        ("image a.jpg -o x --strength much", "invalid float value: 'much'"),
        ("evaluate --weights a --folders b c", "not allowed with"),
        ("train a.yaml b.yaml", "unrecognized arguments: b.yaml"),
    ],
)
def test_mistyped_words_get_a_hint_and_exit_code_2(words, hint, capsys):
    assert ended(*words.split()) == 2
    assert hint in capsys.readouterr().err


def test_no_command_prints_the_help(capsys):
    assert main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


def test_version(capsys):
    assert ended("--version") == 0
    assert capsys.readouterr().out == f"relight {__version__}\n"


@pytest.mark.parametrize(
    "error,code,message",
    [
        (
            RelightError("the file is broken: replace it."),
            2,
            "relight: error: the file is broken: replace it.\n",
        ),
        (KeyboardInterrupt(), 130, "relight: stopped.\n"),
        (PermissionError(13, "Permission denied", "x.png"), 2, "relight: error: x.png: Permission denied.\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(monkeypatch, capfd, error, code, message):
    def fail() -> int:
        raise error

    monkeypatch.setattr(methods_command, "list_methods", fail)
    monkeypatch.setattr("tf_relight.cli.main._silence_stdout", lambda: None)
    assert main(["methods"]) == code
    assert capfd.readouterr().err == message


def test_unexpected_errors_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(methods_command, "list_methods", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["methods"])


def test_warnings_of_the_package_are_shown_once(monkeypatch, capsys):
    def warn() -> int:
        logging.getLogger("tf_relight.data").warning("2 pictures are left out.")
        return 0

    monkeypatch.setattr(methods_command, "list_methods", warn)
    main(["methods"])
    main(["methods"])
    assert capsys.readouterr().err == 2 * "relight: 2 pictures are left out.\n"


def relight(*arguments: str, **options) -> subprocess.CompletedProcess:
    call = [sys.executable, "-m", "tf_relight", *arguments]
    return subprocess.run(call, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, **options)


def test_a_pipe_whose_reader_left_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = relight("methods", stdout=closed)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_behind_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = relight("methods", stdout=full)
    assert (done.returncode, done.stderr) == (2, "relight: error: No space left on device.\n")


def test_mistakes_in_a_config_are_listed_without_a_traceback(tmp_path, capsys):
    config = tmp_path / "run.yaml"
    config.write_text("method: dmshn\ntrain: {stps: 3}\n")
    assert main(["train", str(config)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"relight: error: {config} has 2 mistakes:",
        "  train.steps is missing: it has no default.",
        "  train.stps: unknown key. Did you mean 'train.steps'?",
    ]


def test_methods_table(capsys):
    assert main(["methods"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "TITLE", "TASK", "PARAMETERS", "PAPER"]
    assert rows[0].startswith("dmshn ") and "5,424,393" in rows[0] and "https://" in rows[0]


def test_weights_commands(capsys):
    assert main(["weights", "show", "lpips-alex-v0.1"]) == 0
    assert "licence: BSD-2-Clause" in capsys.readouterr().out
    assert main(["weights", "path", "lpips-alx-v0.1"]) == 2
    assert "Did you mean 'lpips-alex-v0.1'?" in capsys.readouterr().err
    assert main(["weights", "show", "absent.safetensors"]) == 2


def test_evaluation_takes_the_data_of_the_training(monkeypatch):
    trained = {"name": "scenes", "size": 256, "target_light": "W_2500", "scenes": 7, "seed": 3}
    monkeypatch.setattr("tf_relight.weights.file.resolve", Path)
    monkeypatch.setattr(
        "tf_relight.weights.file.read_weights", lambda path: SimpleNamespace(metadata={"data": trained})
    )
    nothing = {"name": None, "root": None, "size": None}
    same = evaluate_command._evaluation_data("w", nothing, ["data.validation_scenes=5"])
    assert (same.name, same.size, same.scenes, same.validation_scenes) == ("scenes", 256, 7, 5)
    other = evaluate_command._evaluation_data("w", {"name": "vidit", "root": "V", "size": 512}, [])
    assert (other.name, other.root, other.size, other.target_light) == ("vidit", Path("V"), 512, "W_2500")
    assert other.seed == 0


def test_options_without_meaning_for_folders_are_refused(capsys):
    assert main(["evaluate", "--folders", "a", "b", "--size", "64"]) == 2
    assert "--size has no meaning with --folders" in capsys.readouterr().err


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    from tf_relight import methods
    from tf_relight.methods.trained import save_weights

    method = methods.get("dmshn")
    config = method.config({"width": 2})
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    return save_weights(method.build_model(config), path, method="dmshn", config=config, size=32)


def save_picture(path: Path, value: int = 90) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((40, 56, 3), value, np.uint8)).save(path)
    return path


def test_a_broken_photo_among_others_is_listed_at_the_end(tiny_weights, tmp_path, capsys):
    good, broken = save_picture(tmp_path / "a.png"), tmp_path / "b.png"
    broken.write_bytes(b"not a picture")
    words = ["image", str(broken), str(good), "-o", str(tmp_path / "out"), "--weights", str(tiny_weights)]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'out' / 'a.png'}\n"
    assert any(line.startswith(f"relight: error: {broken}") for line in printed.err.splitlines())
    with Image.open(tmp_path / "out" / "a.png") as relit:
        assert relit.size == (56, 40)


def test_weights_of_another_method_are_refused(tiny_weights, tmp_path, capsys):
    photo = save_picture(tmp_path / "a.png")
    words = ["image", str(photo), "-o", str(tmp_path / "out"), "--weights", str(tiny_weights)]
    assert main([*words, "--method", "stacked_dmshn"]) == 2
    assert "holds dmshn weights, not stacked_dmshn" in capsys.readouterr().err


def test_show_weights(tiny_weights, capsys):
    assert main(["weights", "show", str(tiny_weights)]) == 0
    assert "method: dmshn" in capsys.readouterr().out


def test_two_folders_are_scored(tmp_path, capsys):
    save_picture(tmp_path / "results" / "a.png", 90)
    save_picture(tmp_path / "results" / "alone.png")
    save_picture(tmp_path / "targets" / "a.jpg", 100)
    folders = [str(tmp_path / "results"), str(tmp_path / "targets")]
    assert main(["evaluate", "--folders", *folders, "-o", str(tmp_path / "table")]) == 0
    printed = capsys.readouterr()
    assert "28.1" in printed.out, "10 of 255 apart everywhere: 20 log10(255 / 10) dB"
    assert "alone" in printed.err
    assert (tmp_path / "table" / "metrics.csv").is_file()


def test_scenes_are_rendered_and_checked(tmp_path, capsys):
    out = str(tmp_path / "scenes")
    words = ["data", "render", "scenes", "--out", out, "--scenes", "1", "--size", "16", "--layout", "one2one"]
    assert main(words) == 0
    assert "Rendered 1 scene into" in capsys.readouterr().out
    assert main(["data", "check", out]) == 0
    assert "No problems found." in capsys.readouterr().out


def test_ground_truth_is_rendered_when_asked_for(tmp_path):
    words = ["data", "render", "scenes", "-o", str(tmp_path), "--scenes", "1", "--size", "16"]
    assert main([*words, "--layout", "one2one", "--ground-truth"]) == 0
    with np.load(tmp_path / "ground_truth" / "train" / "Image000.npz", allow_pickle=False) as truth:
        assert truth["albedo"].shape == (16, 16, 3)


def test_release_writes_half_precision_and_the_scores(tiny_weights, tmp_path, capsys):
    from tf_relight.scoring.score_table import Row, append_row
    from tf_relight.weights.file import read_weights

    append_row(Row("x", "dmshn", "vidit", "validation", "16", 3, {"psnr": 20.5}), tmp_path / "scores")
    out = tmp_path / "x-v1.safetensors"
    scores = ["--scores", str(tmp_path / "scores")]
    assert main(["weights", "release", str(tiny_weights), "-o", str(out), *scores]) == 0
    assert "sha256" in capsys.readouterr().out
    released, original = read_weights(out), read_weights(tiny_weights)
    assert released.metadata["evaluation"][0]["psnr"] == 20.5
    for name, tensor in original.tensors.items():
        assert released.tensors[name].dtype == "float16"
        assert abs(released.tensors[name] - tensor).max() <= 1e-3 * max(abs(tensor).max(), 1e-3)
    assert main(["weights", "release", str(tiny_weights), "-o", str(out), "--scores", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["image", "photo.jpg", "-o", ""],
        ["image", "", "-o", "out"],
        ["image", "photo.jpg", "-o", "  "],
        ["light", "left", "--out", ""],
        ["data", "check", ""],
        ["train", ""],
        ["evaluate", "--weights", "", "-o", "x"],
    ],
)
def test_an_empty_word_is_not_the_current_folder(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and "is empty: give a value" in capsys.readouterr().err
