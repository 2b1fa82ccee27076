"""Mutated checkpoints give tensors of the file or one sentence, whatever was done to them."""

from __future__ import annotations

import resource

import pytest

from tests.weights.torch_fuzz import campaign


def memory_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    "cases", [1500, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_mutated_files_are_read_or_refused(tmp_path, cases):
    before = memory_bytes()
    outcomes = campaign(seed=cases, cases=cases, folder=tmp_path)
    # Were nearly all refused at the door, the mutations would not reach the machine behind it.
    assert outcomes["read"] > 0.1 * cases and outcomes["refused"] > 0.5 * cases
    # The largest file has some thousand bytes; what it promises must not be taken at its word.
    assert memory_bytes() - before < 100_000_000
