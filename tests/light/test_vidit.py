"""The forty lights: names, numbers, mirroring."""

import pytest

from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS, DIRECTIONS, TEMPERATURES, ViditLight


def test_index_counts_temperatures_within_directions():
    assert [light.index for light in ALL_LIGHTS] == list(range(40))
    assert ViditLight.parse("N_2500").index == 0
    assert ViditLight.parse("NE_4500").index == 5 + 2


@pytest.mark.parametrize("light", ALL_LIGHTS, ids=lambda light: light.name)
def test_name_and_index_round_trip(light):
    assert ViditLight.parse(light.name) == light
    assert ViditLight.parse(f"{light.temperature}_{light.direction}") == light
    assert ViditLight.from_index(light.index) == light


def test_mirroring_swaps_east_and_west_only():
    swapped = {"N": "N", "NE": "NW", "E": "W", "SE": "SW", "S": "S", "SW": "SE", "W": "E", "NW": "NE"}
    for direction in DIRECTIONS:
        for temperature in TEMPERATURES:
            light = ViditLight(direction, temperature)
            assert light.mirrored() == ViditLight(swapped[direction], temperature)
            assert light.mirrored().mirrored() == light


def test_angles_run_clockwise_from_the_far_side():
    assert {d: ViditLight(d, 2500).angle for d in ("N", "E", "S", "W")} == {
        "N": 0,
        "E": 90,
        "S": 180,
        "W": 270,
    }


@pytest.mark.parametrize("text", ["", "N", "N_6400", "X_6500", "6500", "N_6500_E", "N-6500", "N_-6500"])
def test_a_light_that_is_not_there_is_refused_with_the_choices(text):
    with pytest.raises(RelightError, match="is no VIDIT light.*N, NE, E.*such as N_6500"):
        ViditLight.parse(text)


def test_refuses_wrong_parts_and_numbers():
    with pytest.raises(RelightError):
        ViditLight("N", 6400)
    with pytest.raises(RelightError, match="number 40 does not exist"):
        ViditLight.from_index(40)


def test_suggests_the_nearest_light():
    with pytest.raises(RelightError, match="Did you mean 'NW_4500'"):
        ViditLight.parse("NW_450")
