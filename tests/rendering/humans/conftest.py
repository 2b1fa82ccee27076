"""The small assets, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.humans.tiny_assets import write_assets


@pytest.fixture(scope="session")
def tiny_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of MakeHuman's layout that renders in a moment."""
    return write_assets(tmp_path_factory.mktemp("assets"))
