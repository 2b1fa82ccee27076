"""Thousands of damaged inputs: each is read or refused with a short sentence, none is uncaught."""

from __future__ import annotations

import pytest

from tests.export.serving.conftest import running
from tests.export.serving.tiny_model import write_tiny_model
from tests.guarded.fuzz import count, file_readers, grpc_case, grpc_reader

FEW, MANY = 250, 10_000
READERS = ("safetensors", "npy", "YAML config", "YAML light path")


def is_good(found) -> None:
    print(dict(found))
    assert not [answer for answer in found if answer.startswith(("UNCAUGHT", "LONG", "SLOW"))], found
    assert len(found) >= 2, "all cases ended alike: the cases say nothing"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_files(tmp_path, name, cases):
    case, read = file_readers(tmp_path)[name]
    is_good(count(case, read, cases, seed=cases))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_grpc_messages(tmp_path, cases, capfd):
    with running(write_tiny_model(tmp_path)) as server:
        is_good(count(grpc_case, grpc_reader(server.grpc), cases, seed=cases))
    assert "Traceback" not in capfd.readouterr().err
