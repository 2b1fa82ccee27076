"""Evening out channels changes the ranges and nothing else; ranges and choices follow what is measured."""

from __future__ import annotations

import numpy as np
import pytest

from export import graph_tools, quantize, ranges
from export.equalisation import equalise
from export.runtimes import InterpreterRuntime
from export.selection import select
from export.signatures import signature_name
from export.tflite import write_saved_model
from tests.export.narrow import narrow_model

SIZES = (32, 48)
RANDOM = np.random.default_rng(1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    """A narrow DMSHN in float32, some of whose channels are far smaller than others."""
    loaded = narrow_model("dmshn")
    for variable in loaded.model.weights:
        if variable.path.endswith("bias"):
            variable.assign(RANDOM.normal(0, 0.05, variable.shape))
        elif "conv1" in variable.path:
            variable.assign(np.asarray(variable) * np.where(np.arange(variable.shape[-1]) % 2, 1.0, 0.05))
    folder = tmp_path_factory.mktemp("saved") / "model"
    write_saved_model(loaded, SIZES, folder)
    return quantize.convert(folder, [signature_name(size) for size in SIZES], "fp32")


def samples(size: int = 32, count: int = 2) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(7)
    return [{"image": random.uniform(0, 1, (1, size, size, 3)).astype(np.float32)} for _ in range(count)]


def run(content: bytes, size: int, tmp_path) -> np.ndarray:
    path = tmp_path / "file.tflite"
    path.write_bytes(content)
    return InterpreterRuntime(path).run(signature_name(size), samples(size)[0])["relit"]


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_function_stays_and_channels_become_even(plain, strength, tmp_path):
    before = ranges.extremes(plain, "relight_32", samples())
    even, promised = equalise(plain, "relight_32", before, strength)
    for size in SIZES:
        np.testing.assert_allclose(run(even, size, tmp_path), run(plain, size, tmp_path), atol=2e-6)
    after = ranges.extremes(even, "relight_32", samples())
    for tensor, each in after.items():
        np.testing.assert_allclose(each.largest, promised[tensor].largest, rtol=1e-3, atol=1e-5)

    def spread(found):
        live = [each.largest for each in found.values() if each.largest.min() > 0]
        return np.mean([np.log(each.max() / each.min()) for each in live])

    assert spread(after) < (0.9 if strength == 0.5 else 0.75) * spread(before)


def test_strength_0_changes_nothing(plain, tmp_path):
    even, _ = equalise(plain, "relight_48", ranges.extremes(plain, "relight_48", samples(48)), 0.0)
    np.testing.assert_array_equal(run(even, 32, tmp_path), run(plain, 32, tmp_path))


def test_half_kernels_and_compacting_keep_the_function(plain, tmp_path):
    wanted = run(plain, 48, tmp_path)
    compact = graph_tools.compact(plain)
    assert len(compact) < 0.9 * len(plain)
    np.testing.assert_array_equal(run(compact, 48, tmp_path), wanted)
    half = graph_tools.compact(graph_tools.with_half_kernels(plain))
    found = run(half, 48, tmp_path)
    assert 0 < np.abs(found - wanted).max() < 2e-3


def test_given_back_kernels_bring_the_numbers_back(plain, tmp_path):
    whole = plain
    rounded = graph_tools.with_half_kernels(plain)
    count = len(quantize._weights(whole))
    some, all_ = (graph_tools.with_plain_kernels(rounded, whole, range(n)) for n in (count // 2, count))
    wanted = run(whole, 48, tmp_path)
    errors = [np.abs(run(each, 48, tmp_path) - wanted).max() for each in (rounded, some, all_)]
    assert errors[0] > errors[1] > 0 and errors[2] < 1e-6


def test_the_best_range_cuts_off_what_is_rare():
    rare = ranges.Histogram(-1.0, 10.0)
    rare.add(np.array([[10.0], [-1.0]]))
    for _ in range(200):
        rare.add(RANDOM.normal(0, 0.1, (50_000, 1)))
    low, high = rare.best_range()
    assert -1.0 <= low < -0.2 and 0.2 < high < 4
    even = ranges.Histogram(0.0, 1.0)
    even.add(RANDOM.uniform(0, 1, (50_000, 1)))
    assert even.best_range() == pytest.approx((0.0, 1.0), abs=0.03)
    assert ranges.Histogram(0.0, 0.0).best_range() == (0.0, 0.0)


class FakeJudge:
    """Rounding convolution n adds an error of n squared; content lists what is rounded."""

    def psnr(self, content: bytes) -> float:
        return -10 * np.log10(sum(place**2 for place in content) * 1e-6 + 1e-12)


def rounded(kept: frozenset[int]) -> bytes:
    return bytes(sorted(set(range(6)) - kept))


def test_the_worst_layers_are_kept_until_the_target_is_reached():
    found = select(rounded, [0] * 6, FakeJudge(), FakeJudge(), target=48.0, largest=100)
    assert found.kept == (4, 5) and found.content == bytes([0, 1, 2, 3])
    assert select(rounded, [0] * 6, FakeJudge(), FakeJudge(), target=10.0, largest=100).kept == ()


def test_what_costs_too_much_is_rounded_all_the_same():
    found = select(rounded, [0, 0, 0, 0, 0, 1000], FakeJudge(), FakeJudge(), target=90.0, largest=100)
    assert 5 not in found.kept and set(found.kept) >= {3, 4}
