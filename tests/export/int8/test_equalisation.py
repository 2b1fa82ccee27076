"""Evening out channels changes the ranges and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from export.int8 import ranges
from export.int8.equalisation import equalise
from export.litert import graph_tools
from tests.export.tiny_network import SIZES, pictures, run, tiny
from tf_relight.errors import RelightError


def extremes(size: int = 24):
    return ranges.extremes(tiny(), f"relight_{size}", pictures().samples(size))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_function_stays_and_channels_become_even(strength, tmp_path):
    before = extremes()
    even, promised = equalise(tiny(), "relight_24", before, strength)
    for size in SIZES:
        np.testing.assert_allclose(run(even, size, tmp_path), run(tiny(), size, tmp_path), atol=2e-6)
    after = ranges.extremes(even, "relight_24", pictures().samples(24))
    for tensor, each in after.items():
        np.testing.assert_allclose(each.largest, promised[tensor].largest, rtol=1e-3, atol=1e-5)

    def spread(found):
        live = [each.largest for each in found.values() if each.largest.min() > 0]
        return np.mean([np.log(each.max() / each.min()) for each in live])

    assert spread(after) < (0.9 if strength == 0.5 else 0.75) * spread(before)


def test_strength_0_changes_nothing(tmp_path):
    even, _ = equalise(tiny(), "relight_24", extremes(), 0.0)
    np.testing.assert_array_equal(run(even, 16, tmp_path), run(tiny(), 16, tmp_path))


def test_sizes_must_share_one_network():
    model = graph_tools.unpack(tiny())
    first, second = model.subgraphs
    second.operators = second.operators[: len(first.operators) - 1]
    with pytest.raises(RelightError, match="another one at another size"):
        equalise(graph_tools.pack(model), "relight_24", {}, 0.5)
