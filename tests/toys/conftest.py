"""The toys stand in the table of methods while their tests run."""

from __future__ import annotations

import pytest

from tests.toys import TOYS
from tf_relight import methods


@pytest.fixture(autouse=True)
def _toys_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in TOYS.items():
        monkeypatch.setitem(methods.METHODS, name, module)
