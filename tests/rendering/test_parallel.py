"""Processes that render: quiet, and without Ctrl-C of their own."""

import os

from tf_relight.rendering.parallel import run


def loads_tensorflow(number: int) -> int:
    import tensorflow  # noqa: F401

    return number


def test_workers_print_none_of_the_notes_of_tensorflow(capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    assert sorted(run(loads_tensorflow, [1, 2], 2)) == [1, 2]
    assert capfd.readouterr().err == ""
    assert "OMP_NUM_THREADS" not in os.environ or os.environ["OMP_NUM_THREADS"] != "1"
