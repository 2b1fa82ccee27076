"""Configs by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tf_relight.cli.main import main
from tf_relight.config.shipped import about, find_config, shipped_configs
from tf_relight.errors import RelightError


def test_a_name_means_the_shipped_config_and_a_path_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("dmshn_smoke") == shipped_configs()["dmshn_smoke"]
    assert find_config("drn_ablation").parent.name == "tables"
    assert find_config("runs/mine.yaml") == Path("runs/mine.yaml")


def test_a_name_that_means_two_things_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dmshn_smoke.yaml").write_text("method: dmshn\n")
    with pytest.raises(RelightError, match=r"write \./dmshn_smoke.yaml for the file"):
        find_config("dmshn_smoke")
    assert find_config("./dmshn_smoke.yaml") == Path("dmshn_smoke.yaml")


def test_an_unknown_name_is_answered_with_a_near_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RelightError, match="Did you mean 'dmshn_smoke'"):
        find_config("dmhsn_smoke")
    with pytest.raises(RelightError, match="give its name alone, dmshn_smoke"):
        find_config("configs/dmshn_smoke.yaml")


def test_two_shipped_configs_of_one_name_are_a_mistake(tmp_path):
    (tmp_path / "tables").mkdir()
    for name in ("a.yaml", "tables/a.yaml"):
        (tmp_path / name).write_text("method: dmshn\n")
    with pytest.raises(RelightError, match="Two configs are called 'a'"):
        shipped_configs(tmp_path)


def test_configs_are_listed_shown_and_copied_but_never_over_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["configs"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in shipped_configs())
    assert main(["configs", "show", "dmshn_smoke"]) == 0
    text = shipped_configs()["dmshn_smoke"].read_text()
    assert capsys.readouterr().out == text
    assert main(["configs", "copy", "dmshn_smoke", "-o", "mine.yaml"]) == 0
    assert (tmp_path / "mine.yaml").read_text() == text
    assert main(["configs", "copy", "dmshn_smoke", "-o", "mine.yaml"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_examples_are_listed_and_copied(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["examples"]) == 0
    assert "astronaut.jpg" in capsys.readouterr().out.splitlines()
    assert main(["examples", "-o", "mine"]) == 0
    assert (tmp_path / "mine" / "lamp_faces").is_dir()
    assert main(["examples", "-o", "mine"]) == 2


def test_what_a_config_says_of_itself_is_whole_sentences(tmp_path):
    for path in shipped_configs().values():
        assert about(path).endswith((".", "?")) and "relight " not in about(path), path.name
    (tmp_path / "a.yaml").write_text("# Learns this. And then\n# that. relight train a\nmethod: dmshn\n")
    assert about(tmp_path / "a.yaml") == "Learns this. And then that."
    (tmp_path / "b.yaml").write_text("method: dmshn\n")
    assert about(tmp_path / "b.yaml") == ""
