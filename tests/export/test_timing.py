"""What a row of a benchmark says of the command that made it."""

from __future__ import annotations

import json

import pytest

from export import timing


@pytest.mark.parametrize("word", ["/srv/somebody/heads", "heads"])
def test_a_row_names_folders_as_others_could_have_them(tmp_path, monkeypatch, capsys, word):
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["speed.py", "--heads", word, "--steps", "3"])
    timing.write_row("speed", {"seconds": 1.0})
    row = json.loads((tmp_path / "speed.jsonl").read_text())
    assert row["command"] == "python -m benchmarks.speed --heads heads --steps 3" and row["seconds"] == 1.0
    assert "somebody" not in timing.command_line()


def test_no_row_that_is_kept_names_a_folder_of_one_machine():
    for path in timing.RESULTS.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            assert not [word for word in json.loads(line)["command"].split() if word.startswith("/")], (
                path.name
            )
