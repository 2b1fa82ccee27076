"""Writing: whole or not at all, and nothing that a killed process leaves stays for ever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tf_relight import files
from tf_relight.errors import RelightError, graph_reason
from tf_relight.files import atomic_path, replace_folder, scratch_folder, sweep, unlock, write_text

ROOT = Path(__file__).parent.parent
WRITES = """
import sys, time
from pathlib import Path
from tf_relight.files import atomic_path, scratch_folder
folder = Path(sys.argv[1])
scratch = scratch_folder("work", folder)
(scratch / "part").write_bytes(b"x")
with atomic_path(folder / "photo.jpg") as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


def old(path: Path) -> None:
    """Make a path a few seconds old: what is younger may still be getting its lock."""
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(each, (time.time() - 5, time.time() - 5))


def start(folder: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    for entry in folder.iterdir():
        old(entry)
    return process


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(files, "_swept", set())


def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    kept = [".photo-abcdefgh.jpg", ".relight-notes", ".hidden", "photo-relight-.jpg", ".relight-ABC-x"]
    for name in kept:
        (tmp_path / name).write_bytes(b"mine")
        old(tmp_path / name)
    processes = [start(tmp_path) for _ in range(2)]
    left = {path.name for path in tmp_path.iterdir()} - set(kept)
    assert len(left) == 4 and all(name.startswith(files.PREFIX) for name in left)
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    write_text(tmp_path / "other.txt", "x")
    now = {path.name for path in tmp_path.iterdir()} - set(kept) - {"other.txt"}
    assert len(now) == 2 and now < left, "what the living one writes stays"
    processes[1].send_signal(signal.SIGKILL)
    processes[1].wait()
    sweep(tmp_path, again=True)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "other.txt"}


def test_a_young_file_is_left_alone(tmp_path):
    leftover = tmp_path / f"{files.PREFIX}abcdefgh-photo.jpg"
    leftover.write_bytes(b"x")
    sweep(tmp_path)
    assert leftover.exists()
    old(leftover)
    sweep(tmp_path, again=True)
    assert not leftover.exists()


def test_a_failure_leaves_the_older_file_and_no_other(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_text_that_is_no_text_is_written_with_a_mark(tmp_path):
    write_text(tmp_path / "a.txt", "caf\udce9 日本\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "caf\\udce9 日本\n"


def test_a_name_that_cannot_be_is_one_sentence(tmp_path):
    with pytest.raises(RelightError, match="cannot be a file's name"):
        write_text(f"{tmp_path}/a\0b", "x")


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_changes_at_once(tmp_path, monkeypatch, exchange, there):
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    target = tmp_path / "out"
    if there:
        target.mkdir()
        (target / "old").write_text("x")
    new = scratch_folder("work", tmp_path)
    (new / "new").write_text("y")
    replace_folder(new, target)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert target.stat().st_mode & 0o777 == 0o777 & ~files._mask()


def test_readers_never_see_a_folder_half_changed(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    for name in "ab":
        (target / name).write_text("0")
    watch = (
        "import os, sys\nseen = set()\n"
        "while not os.path.exists(sys.argv[1] + '.end'):\n"
        "    try:\n        held = os.open(sys.argv[1], os.O_RDONLY)\n"
        "    except FileNotFoundError:\n        print('gone'); break\n"
        "    names = sorted(os.listdir(held))\n    os.close(held)\n"
        "    seen.add(len(names))\nprint(seen)\n"
    )
    watcher = subprocess.Popen([sys.executable, "-c", watch, str(target)], stdout=subprocess.PIPE, text=True)
    for number in range(60):
        new = scratch_folder("work", tmp_path)
        for name in "ab":
            (new / name).write_text(str(number))
        replace_folder(new, target)
    (tmp_path / "out.end").write_text("")
    told = watcher.communicate(timeout=60)[0]
    # The folder that was exchanged is emptied afterwards; who holds it may see it so.
    assert "gone" not in told, told


def test_scratch_folders_are_ready_for_others(tmp_path):
    folder = scratch_folder("x", tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    unlock(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "message,reason",
    [
        ("{{function_node __wrapped__SaveV2_device_/job:local}} No space left [Op:SaveV2]", "No space left"),
        (
            "Graph execution error:\n\nDetected at node X defined at (most recent call last):\n"
            "<stack traces unavailable>\nCollective ops is aborted by: gone\n\t [[{{node X}}]] [Op:__f_1]",
            "Collective ops is aborted by: gone",
        ),
        ("2 root error(s) found.\n  (0) UNAVAILABLE: gone\n", "(0) UNAVAILABLE: gone"),
        ("", "ValueError"),
        ("x" * 5000, "x" * 200 + "... (5,000 characters)"),
    ],
)
def test_places_in_a_graph_say_nothing_to_a_user(message, reason):
    assert graph_reason(ValueError(message)) == reason
