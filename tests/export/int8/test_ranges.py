"""What tensors hold on pictures, and which range 8 bits should have."""

from __future__ import annotations

import numpy as np

from export.int8 import ranges
from export.litert import graph_tools
from tests.export.tiny_network import pictures, run, tiny


def test_all_tensors_are_watched_and_the_numbers_are_those_of_the_network(tmp_path):
    seen: dict[int, list[np.ndarray]] = {}

    def look(tensor: int, values: np.ndarray) -> None:
        seen.setdefault(tensor, []).append(np.array(values))

    ranges.watch(tiny(), "relight_24", pictures(2).samples(24), look)
    model = graph_tools.unpack(tiny())
    chosen = next(each for each in model.signatureDefs if each.signatureKey == b"relight_24")
    subgraph = model.subgraphs[chosen.subgraphIndex]
    assert set(seen) == {*map(int, subgraph.inputs), *graph_tools.outputs(subgraph)}
    assert all(len(each) == 2 for each in seen.values())
    last = seen[int(subgraph.outputs[0])]
    for number in range(2):
        np.testing.assert_allclose(last[number], run(tiny(), 24, tmp_path, number), atol=1e-5)


def test_extremes_are_those_of_each_channel_over_all_pictures():
    found = ranges.extremes(tiny(), "relight_24", pictures().samples(24))
    images = np.concatenate([sample["image"] for sample in pictures().samples(24)])
    model = graph_tools.unpack(tiny())
    chosen = next(each for each in model.signatureDefs if each.signatureKey == b"relight_24")
    image = found[int(model.subgraphs[chosen.subgraphIndex].inputs[0])]
    np.testing.assert_array_equal(image.low, images.min(axis=(0, 1, 2)))
    np.testing.assert_array_equal(image.largest, np.abs(images).max(axis=(0, 1, 2)))


def test_the_best_ranges_lie_inside_the_extremes():
    limits = ranges.extremes(tiny(), "relight_24", pictures().samples(24))
    found = ranges.best_ranges(tiny(), "relight_24", pictures().samples(24), limits)
    assert set(found) == set(limits)
    for tensor, (low, high) in found.items():
        assert min(limits[tensor].low.min(), 0) <= low <= 0 <= high <= max(limits[tensor].high.max(), 0)
