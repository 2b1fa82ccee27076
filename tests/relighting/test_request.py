"""Options of a relit picture: ranges, and which of them contradict each other or the method."""

from __future__ import annotations

import pytest

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.relighting.request import RelightOptions

LIGHT = object()
PORTRAIT, FIXED = methods.get("dpr512").info, methods.get("dmshn").info


@pytest.mark.parametrize(
    "values, words",
    [
        ({"strength": 1.01}, "Strength 1.01 is outside"),
        ({"strength": float("nan")}, "outside 0..1"),
        ({"size": 15}, "at least 16"),
        ({"temperature": 999}, "outside 1000..15000"),
        ({"temperature": float("inf")}, "outside 1000..15000"),
        ({"paper": True, "strength": 0.5}, "no --strength"),
        ({"paper": True, "size": 64, "keep_background": True}, "no --size and no --keep-background"),
        ({"paper": True, "temperature": 3000}, "no --temperature"),
    ],
)
def test_values_out_of_range_and_contradictions(values, words):
    with pytest.raises(RelightError, match=words):
        RelightOptions(light=LIGHT, **values)


def test_a_method_with_a_fixed_light_takes_nothing_of_the_light():
    for values, words in [
        ({"light": LIGHT}, "no other light"),
        ({"temperature": 3000}, "no --temperature"),
        ({"keep_background": True}, "no --keep-background"),
        ({"sphere": True}, "no --sphere"),
        ({"paper": True}, "no --paper"),
    ]:
        with pytest.raises(RelightError, match=words):
            RelightOptions(**values).check_method("dmshn", FIXED)
    RelightOptions(strength=0.5, size=64).check_method("dmshn", FIXED)


def test_a_portrait_method_needs_a_light():
    with pytest.raises(RelightError, match="'dpr512' needs a light.*--from.*--light-from"):
        RelightOptions(temperature=3000).check_method("dpr512", PORTRAIT)
    RelightOptions(light=LIGHT, paper=True, sphere=True).check_method("dpr512", PORTRAIT)
