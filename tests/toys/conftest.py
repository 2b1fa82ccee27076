"""The toys stand in the table of methods while their tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toys import TOYS
from tests.toys.runs import trained
from tf_relight import methods


@pytest.fixture(autouse=True)
def _toys_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in TOYS.items():
        monkeypatch.setitem(methods.METHODS, name, module)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of each toy."""
    folder = tmp_path_factory.mktemp("toys")
    with pytest.MonkeyPatch.context() as patch:
        for name, module in TOYS.items():
            patch.setitem(methods.METHODS, name, module)
            trained(folder, name)
    return folder
