"""Text of users on any stream: shown with a mark, never a traceback, never a command to the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_relight.errors import many
from tf_relight.terminal import complain, note, say, say_lines, shown

ROOT = Path(__file__).parent.parent
LATIN = b"caf\xe9 \x1b[31mred\nline.png"


@pytest.mark.parametrize(
    "text,mark",
    [
        ("plain name.jpg", "plain name.jpg"),
        ("日本語 ü 😀", "日本語 ü 😀"),
        ("家族\u3000写真", "家族\u3000写真"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x07\x00\x7f\x9b", "\\x1b[2J\\x07\\x00\\x7f\\x9b"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028\u2029\ufeff", "\\u2028\\u2029\\ufeff"),
        (Path("a\nb"), "a\\nb"),
        (3, "3"),
    ],
)
def test_what_is_shown(text, mark):
    assert shown(text) == mark


def test_one_line_stays_one_line(capsys):
    say("a\nb", "c")
    say_lines("one\ntwo")
    say_lines(["x\ny", "z"])
    note("n\nm")
    complain(many("first\nname:", ["second\x1b", "third"]))
    told = capsys.readouterr()
    assert told.out == "a\\nb c\none\ntwo\nx\\ny\nz\n"
    assert told.err == "relight: n\\nm\nrelight: error: first\\nname:\n  second\\x1b\n  third\n"


STRICT = {"PYTHONIOENCODING": "utf-8:strict"}
ASCII = {"PYTHONIOENCODING": "ascii:strict"}


def relight(*words, **environment):
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment}
    command = [sys.executable, "-m", "tf_relight", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=240)


def is_clean(stream: bytes) -> bool:
    return b"Traceback" not in stream and b"\x1b" not in stream and stream.isascii()


@pytest.mark.parametrize("environment", [STRICT, ASCII], ids=["utf-8", "ascii"])
def test_file_names_of_any_bytes_in_messages(tmp_path, environment):
    folder = os.fsencode(tmp_path) + b"/" + LATIN
    done = relight(b"data", b"check", folder, **environment)
    assert done.returncode == 2 and is_clean(done.stderr + done.stdout)
    assert b"caf\\xe9 \\x1b[31mred\\nline.png" in done.stderr
    done = relight(b"train", folder, **environment)
    assert done.returncode == 2 and is_clean(done.stderr) and b"caf\\xe9" in done.stderr


def test_a_folder_of_such_names_is_checked(tmp_path):
    for name in ("input", "target"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name / "good.png")
        with open(os.fsencode(tmp_path / name) + b"/" + LATIN, "wb") as file:
            file.write(b"no picture")
    done = relight("data", "check", str(tmp_path), **STRICT)
    assert done.returncode == 2 and is_clean(done.stdout + done.stderr)
    assert b"caf\\xe9 \\x1b[31mred\\nline.png" in done.stdout


@pytest.mark.parametrize("environment", [STRICT, ASCII], ids=["utf-8", "ascii"])
def test_weights_that_say_anything_are_shown(tmp_path, environment):
    from tf_relight.methods import get
    from tf_relight.methods.trained import save_weights

    method = get("dmshn")
    config = method.config({"width": 2})
    path = tmp_path / "x.safetensors"
    said = {"licence": "個人利用のみ \x1b[31m", "note": {"caf\x85é": ["\u202e"]}}
    save_weights(method.build_model(config), path, method="dmshn", config=config, **said)
    done = relight("weights", "show", str(path), **environment)
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"\x1b" not in done.stdout
    words = "個人利用のみ"
    if environment is ASCII:
        words = words.encode("unicode_escape").decode()
    assert words.encode() in done.stdout.replace(b"\\\\", b"\\")


def test_the_same_sentence_of_many_photos_is_counted(capsys):
    from tf_relight.cli.commands.printing import report_failures

    full = [f"Cannot write out/photo-{n}.jpg: No space left on device. Free some space." for n in range(100)]
    assert report_failures([*full, "other.jpg is broken."]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 7
    assert told[-1].endswith("other.jpg is broken.")


def test_a_page_of_a_photo_with_such_a_name(tmp_path):
    from tf_relight.showing.before_after import After, BeforeAfter, write_page

    pixels = np.zeros((4, 4, 3), np.uint8)
    name = os.fsdecode(LATIN)
    comparison = BeforeAfter(name, pixels, (After(name, pixels),))
    page = write_page([comparison], tmp_path / "page.html", title=name).read_text(encoding="utf-8")
    assert "caf\\xe9" in page and "\x1b" not in page


def test_tables_with_such_names_are_written_and_read(tmp_path):
    from tf_relight.scoring.score_table import Row, append_row, read_rows

    row = Row(run=os.fsdecode(LATIN), method="dmshn", data="x", split="test", size="8", pictures=1, scores={})
    append_row(row, tmp_path)
    (read,) = read_rows(tmp_path)
    assert read.pictures == 1
