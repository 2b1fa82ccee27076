"""Benchmarks are run by hand; that they can be run is held here."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")
NEED_TORCH = {"peers"}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_read_and_in_the_list(name, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())  # some keep libraries to one thread
    if name in NEED_TORCH and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.__doc__
    if hasattr(module, "main"):
        assert f"| `{name}` |" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


class _Link:
    """The benchmark's side of a pipe: so many steps, and what was answered."""

    def __init__(self, steps: int) -> None:
        self.asked, self.answers = [True] * steps + [False], []

    def recv(self) -> bool:
        return self.asked.pop(0)

    def send(self, answer: object) -> None:
        self.answers.append(answer)


@pytest.mark.long
def test_a_step_of_a_stage_can_be_timed():
    """Truths of a decomposition, labels and a discriminator: more than most stages need."""
    from benchmarks import stages

    before, link = keras.config.dtype_policy(), _Link(2)
    try:
        last = stages.stages_of("sfsnet_residue_6")[-1]
        stages.serve_steps(link, "sfsnet_residue_6", last.name, 128, 1, "float32")
    finally:
        keras.config.set_dtype_policy(before)
    assert len(link.answers) == 2 and min(min(answer) for answer in link.answers) > 0
