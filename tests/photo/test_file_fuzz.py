"""Damaged pictures and lights are read or refused; a few always, ten thousand with `-m slow`."""

from __future__ import annotations

import pytest

from tests.photo.file_fuzz import fuzz


@pytest.mark.parametrize("kind", ["pictures", "lights"])
@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_damaged_files_are_read_or_refused(tmp_path, kind, count):
    counts = fuzz(kind, count, count, tmp_path)
    assert counts["read"] and counts["refused"]
    assert set(counts) <= {"read", "refused"}, counts
