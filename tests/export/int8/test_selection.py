"""Which convolutions stay: those that spoil most for what they cost, and no more than are needed."""

from __future__ import annotations

import numpy as np
import pytest

from export.int8.selection import Judge, select
from tests.export.tiny_network import pictures, tiny


class FakeJudge:
    """Rounding convolution n adds an error of n squared; content lists what is rounded."""

    def __init__(self) -> None:
        self.asked = 0

    def psnr(self, content: bytes) -> float:
        self.asked += 1
        return float(-10 * np.log10(sum(place**2 for place in content) * 1e-6 + 1e-12))


def rounded(kept: frozenset[int]) -> bytes:
    return bytes(sorted(set(range(6)) - kept))


def chosen(costs, target, judge=None):
    return select(rounded, rounded, costs, judge or FakeJudge(), FakeJudge(), target=target, largest=100)


def test_the_worst_layers_are_kept_until_the_target_is_reached():
    found = chosen([0] * 6, 48.0)
    assert found.kept == (4, 5) and found.content == bytes([0, 1, 2, 3])
    assert chosen([0] * 6, 10.0).kept == ()


def test_a_good_file_is_judged_once_and_others_few_times():
    judge = FakeJudge()
    chosen([0] * 6, 10.0, judge)
    assert judge.asked == 1
    chosen([0] * 6, 55.0, judge)
    assert judge.asked <= 3


def test_what_costs_too_much_is_rounded_all_the_same():
    found = chosen([0, 0, 0, 0, 0, 1000], 90.0)
    assert 5 not in found.kept and set(found.kept) >= {3, 4}


def test_of_two_that_spoil_alike_the_cheap_one_is_kept():
    # 5 spoils a little more than 4 and takes nearly all there is.
    assert chosen([0, 0, 0, 0, 1, 90], 44.0).kept == (4,)


def test_the_best_file_is_returned_when_none_is_good_enough():
    found = chosen([0] * 6, 500.0)
    assert found.kept == tuple(range(6)) and found.psnr == pytest.approx(120)


def test_the_judge_compares_files():
    judge = Judge(tiny(), 24, pictures(), 2)
    assert judge.psnr(tiny()) == 200
    assert 30 < judge.psnr(tiny("dynamic_int8")) < 80
