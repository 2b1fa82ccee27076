"""What all tests share. Environment first: TensorFlow reads it when it is imported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Exact comparisons hold on the CPU; CUDA_VISIBLE_DEVICES=0 runs the same tests on a GPU.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

REPOSITORY = Path(__file__).resolve().parent.parent
REFERENCE_VARIABLE = "TF_RELIGHT_REFERENCE_DATA"


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of official weights, golden arrays and real pictures; skips where there is none."""
    given = os.environ.get(REFERENCE_VARIABLE)
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if folder.is_dir():
        return folder.resolve()
    if given:
        pytest.fail(f"{REFERENCE_VARIABLE}={given} is not a folder")
    pytest.skip(f"needs the reference data: set {REFERENCE_VARIABLE} to its folder")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever needs the reference data, so that `-m "not reference"` leaves it out."""
    for item in items:
        if "reference_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.reference)


@pytest.fixture
def leave_half(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """A function that leaves what `kill -9` leaves behind while a file is written, an old while ago."""
    from tf_relight import files

    def leave(path: Path) -> None:
        half = path.with_name(f"{files.PREFIX}abcdefgh-{path.name}")
        half.write_bytes(b"half")
        os.utime(half, (0, 0))
        monkeypatch.setattr(files, "_swept", set())

    return leave
