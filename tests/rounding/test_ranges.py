"""Which range 8 bits should have, and pictures as bright as photos."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.rounding.ranges import Extremes, Histogram, brightened

RANDOM = np.random.default_rng(1)


def test_the_best_range_cuts_off_what_is_rare():
    rare = Histogram(-1.0, 10.0)
    rare.add(np.array([[10.0], [-1.0]]))
    for _ in range(200):
        rare.add(RANDOM.normal(0, 0.1, (50_000, 1)))
    low, high = rare.best_range()
    assert -1.0 <= low < -0.2 and 0.2 < high < 4
    even = Histogram(0.0, 1.0)
    even.add(RANDOM.uniform(0, 1, (50_000, 1)))
    assert even.best_range() == pytest.approx((0.0, 1.0), abs=0.03)
    assert Histogram(0.0, 0.0).best_range() == (0.0, 0.0)


def test_extremes_are_joined_and_divided_channel_by_channel():
    first, second = (Extremes.of(np.float32([[[1, -4]], [[2, low]]])) for low in (-8, 3))
    both = first.joined(second)
    np.testing.assert_array_equal([both.low, both.high, both.largest], [[1, -8], [2, 3], [2, 8]])
    halves = both.divided(np.float32([1, 4]))
    np.testing.assert_array_equal([halves.low, halves.high], [[1, -2], [2, 0.75]])
    assert both.divided(None) is both
    assert Histogram.between(both).low == -8 and Histogram.between(both).high == 3


def test_brightening():
    picture = np.linspace(0, 0.3, 64, dtype=np.float32).reshape(8, 8, 1)
    assert brightened(picture).mean() == pytest.approx(0.45, abs=1e-3)
    for same in (np.zeros((4, 4, 3), np.float32), np.full((4, 4, 3), 0.6, np.float32)):
        assert brightened(same) is same
