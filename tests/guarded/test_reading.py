"""Files that are no files, are too large, or have names that cannot be: one sentence, at once."""

import os
import socket

import numpy as np
import pytest

from tf_relight.config.run import load_config
from tf_relight.data.portraits.dataset import read_pairs
from tf_relight.data.vidit.depth import read_depth
from tf_relight.errors import RelightError
from tf_relight.films.light_path import read_light_path
from tf_relight.guarded.reading import NoSuchFile, foreign, read_bytes, read_text
from tf_relight.guarded.structured import read_csv, read_json
from tf_relight.weights import torch_file
from tf_relight.weights.file import read_weights

HOW = {"what": "the list", "advice": "name a list"}
READERS = {
    "config": load_config,
    "light path": read_light_path,
    "weights": read_weights,
    "checkpoint": torch_file.read,
    "depth": read_depth,
    "pairs": lambda path: read_pairs(path, {}),
    "json": lambda path: read_json(path, **HOW),
    "csv": lambda path: read_csv(path, **HOW),
}


def a_pipe(folder):
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def a_socket(folder):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
    return folder / "s"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "make,words",
    [
        (lambda folder: folder, "is a folder"),
        (lambda folder: "/dev/zero", "is a device"),
        (a_pipe, "is a pipe"),
        (a_socket, "is a socket"),
        (lambda folder: folder / "none", "No such file"),
        (lambda folder: "a\0b", "cannot be a file's name"),
        (lambda folder: "\ud800", "cannot be a file's name"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name, make, words):
    with pytest.raises(RelightError, match=words):
        READERS[name](make(tmp_path))


def test_the_limit_is_on_what_is_read(tmp_path):
    # Files in /proc say that they have no bytes.
    with pytest.raises(RelightError, match="too large"):
        read_bytes("/proc/self/maps", 100, **HOW)
    (tmp_path / "ten").write_bytes(b"0123456789")
    assert read_bytes(tmp_path / "ten", 10, **HOW) == b"0123456789"
    with pytest.raises(RelightError, match="too large for the list: name a list"):
        read_bytes(tmp_path / "ten", 9, **HOW)


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbfmethod")
    assert read_text(tmp_path / "marked", 99, **HOW) == "method"
    (tmp_path / "wide").write_bytes("method".encode("utf-16"))
    with pytest.raises(RelightError, match="is not text"):
        read_text(tmp_path / "wide", 99, **HOW)


def test_a_missing_file_can_be_told_from_a_damaged_one(tmp_path):
    with pytest.raises(NoSuchFile):
        read_text(tmp_path / "none", 9, **HOW)
    with pytest.raises(NoSuchFile):
        read_text(tmp_path / "none" / "deeper", 9, **HOW)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RecursionError(),
        SyntaxError("x"),
        OverflowError("y"),
        np.exceptions.AxisError(3),
        EOFError(),
    ],
)
def test_whatever_another_library_raises_becomes_one_sentence(error):
    with (
        pytest.raises(RelightError, match="^the map is broken \\(") as told,
        foreign("the map is broken ({reason})."),
    ):
        raise error
    assert told.value.__cause__ is error


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_signals_pass_every_door(stop):
    with pytest.raises(stop), foreign("broken."):
        raise stop
