from __future__ import annotations

import os
import signal
import time

import pytest

from export.proof.isolated import Child, ChildFailed, child, in_child, peak_memory
from tf_relight.errors import RelightError


def add(a: int, b: int) -> int:
    print("this must not reach the terminal")
    return a + b


def crash() -> None:
    os.write(2, b"some note\nERROR: the last words\n")
    os.kill(os.getpid(), signal.SIGSEGV)


def refuse() -> None:
    raise RelightError("Give something else.")


def stumble() -> None:
    raise KeyError("gone")


def variable(name: str) -> str | None:
    return os.environ.get(name)


def test_answers_and_keeps_its_output_to_itself(capfd: pytest.CaptureFixture[str]) -> None:
    with child(environment={"EXPORT_TEST": "yes"}) as process:
        assert process.call(add, 2, 3) == 5
        assert process.call(variable, "EXPORT_TEST") == "yes"
    assert capfd.readouterr() == ("", "")


def test_a_crash_costs_one_answer() -> None:
    with pytest.raises(ChildFailed, match="ended with code -11: ERROR: the last words"):
        in_child(crash)
    with child() as process:
        with pytest.raises(RelightError, match=r"^Give something else\.$"):
            process.call(refuse)
        with pytest.raises(ChildFailed, match="KeyError: 'gone'"):
            process.call(stumble)
        assert process.call(add, 1, 1) == 2, "an error must not end the process"


def test_a_hang_is_given_up() -> None:
    process = Child(timeout=0.5)
    start = time.monotonic()
    with pytest.raises(ChildFailed, match="no answer within 0.5 s"):
        process.call(time.sleep, 60)
    assert time.monotonic() - start < 20
    assert not process._process.is_alive()


def test_peak_memory_is_that_of_the_process_alone() -> None:
    held = bytearray(os.urandom(1)) * (200 << 20)
    ours, theirs = peak_memory(), in_child(peak_memory)
    assert len(held) and ours > 200
    assert theirs < ours - 150
