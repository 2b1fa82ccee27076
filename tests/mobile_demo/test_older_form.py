"""MediaPipe's networks for TensorFlow Lite 2.16.1: built-in operations only, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from export.litert import graph_tools
from mobile_demo.older_form import older_form
from tf_relight.litert import Session
from tf_relight.photo.small_networks import NETWORKS, content_of


@pytest.mark.parametrize("name", ["people", "faces_near", "faces_far"])
def test_the_numbers_are_the_same_without_custom_operations(name):
    before = content_of(name)
    after = older_form(before)
    model = graph_tools.unpack(after)
    used = {graph_tools.kind(model, each) for graph in model.subgraphs for each in graph.operators}
    assert not any(kind.startswith("CUSTOM") for kind in used)
    assert (after == before) == (name != "people")
    side = NETWORKS[name].side
    picture = np.random.default_rng(0).uniform(0, 1, (1, side, side, 3)).astype(np.float32)
    pairs = zip(Session(before, "a").run(picture), Session(after, "b").run(picture), strict=True)
    for wanted, found in pairs:
        assert wanted.std() > 0
        np.testing.assert_allclose(found, wanted, atol=1e-5)
