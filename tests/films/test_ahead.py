"""Work that goes on ahead in a thread of its own: order, errors, and an early end."""

from __future__ import annotations

import threading

import pytest

from tf_relight.films.ahead import ahead


def test_items_come_in_order_and_few_are_made_ahead():
    made = []

    def items():
        for number in range(20):
            made.append(number)
            yield number

    taken = []
    for number in ahead(items(), most=2):
        taken.append(number)
        # Those that wait, one in the hands of the thread, and the one that was taken.
        assert len(made) <= len(taken) + 3
    assert taken == list(range(20))


def test_an_error_of_the_thread_is_raised_where_items_are_taken():
    def items():
        yield 1
        raise KeyError("broken")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(KeyError, match="broken"):
        next(taken)


def test_who_stops_early_leaves_no_thread_behind():
    def names():
        return [thread.name for thread in threading.enumerate()]

    taken = ahead(iter(range(1000)))
    assert next(taken) == 0 and "ahead" in names()
    taken.close()
    assert "ahead" not in names()
