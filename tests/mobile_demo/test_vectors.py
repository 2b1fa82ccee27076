"""The numbers that the apps share with the package are those of the package, and the page keeps them."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_demo.write_vectors import FOLDER, MADE, array_of

PAGE_TESTS = Path(__file__).parents[2] / "mobile_demo" / "web" / "test" / "core.test.mjs"
NETWORKS = {"network", "portraits"}
STEPS = {"uint8": 1, "uint16": 2, "float32": 2e-5}
"""What another machine's rounding may change; the apps are held to tolerances of their own."""


def differences(found: Any, wanted: Any, place: str = "") -> list[str]:
    """Where two JSON values differ by more than rounding."""
    if isinstance(wanted, dict) and "base64" in wanted:
        if (found["shape"], found["type"]) != (wanted["shape"], wanted["type"]):
            return [f"{place}: shape or type"]
        off = np.abs(array_of(found).astype(np.float64) - array_of(wanted)).max()
        return [f"{place}: off by {off}"] if off > STEPS[wanted["type"]] else []
    if isinstance(wanted, dict):
        if found.keys() != wanted.keys():
            return [f"{place}: {sorted(found.keys() ^ wanted.keys())}"]
        return [each for key in wanted for each in differences(found[key], wanted[key], f"{place}.{key}")]
    if isinstance(wanted, list):
        if len(found) != len(wanted):
            return [f"{place}: {len(found)} in place of {len(wanted)}"]
        pairs = zip(found, wanted, strict=True)
        return [each for i, pair in enumerate(pairs) for each in differences(*pair, f"{place}[{i}]")]
    if isinstance(wanted, float) and not isinstance(found, bool):
        close = math.isclose(found, wanted, rel_tol=1e-5, abs_tol=2e-5)
        return [] if close else [f"{place}: {found} in place of {wanted}"]
    return [] if found == wanted else [f"{place}: {found} in place of {wanted}"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in NETWORKS else []) for name in MADE]
)
def test_the_shared_numbers_are_those_of_the_package(name):
    found = json.loads(json.dumps(MADE[name]()))
    wanted = json.loads((FOLDER / f"{name}.json").read_text())
    moved = differences(found, wanted)
    assert not moved, (
        f"{len(moved)} numbers moved, the first {moved[0]}. If that is meant, write them anew (python -m "
        "mobile_demo.write_vectors) and carry the change over to the apps until their tests pass."
    )


def test_a_moved_number_is_seen():
    wanted = json.loads((FOLDER / "colours.json").read_text())
    moved = json.loads(json.dumps(wanted))
    moved["planckian"][2][0] += 1e-3
    assert differences(moved, wanted) == [
        f".planckian[2][0]: {moved['planckian'][2][0]} in place of {wanted['planckian'][2][0]}"
    ]


def test_the_page_keeps_the_shared_numbers():
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is missing, which runs the page's maths")
    done = subprocess.run([node, "--test", str(PAGE_TESTS)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    written = PAGE_TESTS.read_text(encoding="utf-8").count('\ntest("')
    assert written > 0 and f"# pass {written}\n" in done.stdout
