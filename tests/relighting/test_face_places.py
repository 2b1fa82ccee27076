"""At which size the parts of a photo reach networks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.relighting.face_places import STRETCH, same_shape, size_for_network

SIDES = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((192, 168), (128, 128)),
        ((400, 500), (128, 128)),
        ((100, 200), (80, 128)),
        ((3, 2), (128, 107)),
        ((1, 900), (1, 128)),
    ],
)
def test_the_short_side_is_stretched_by_a_quarter_and_at_most_to_a_square(size, wanted):
    assert size_for_network(size, 128) == wanted


@given(SIDES, SIDES, st.integers(1, 1024))
def test_the_long_side_is_the_networks_and_no_part_is_stretched_by_more(height, width, side):
    found, kept = size_for_network((height, width), side), same_shape((height, width), side)
    assert max(found) == max(kept) == side and min(found) >= min(kept) >= 1
    assert min(found) <= STRETCH * min(kept) + 1  # each is rounded to a whole pixel
    assert size_for_network((width, height), side) == found[::-1]


@settings(max_examples=12, deadline=None)  # each side is traced, and the first call imports TensorFlow
@given(SIDES, SIDES, st.integers(8, 1024))
def test_graphs_take_the_same_sizes(height, width, side):
    import tensorflow as tf

    from export.photo_graph import picture_graph

    # Known when the graph runs only, as in a SavedModel: then types are not brought together by themselves.
    shape = tf.constant([height, width, 3])
    for in_graph, size in (
        (picture_graph.portrait_size, size_for_network),
        (picture_graph.same_shape, same_shape),
    ):
        traced = tf.function(in_graph, reduce_retracing=True)
        assert tuple(map(int, traced(shape, side))) == size((height, width), side)
