"""Lights over time: keys are met, nothing jumps or overshoots, mistakes name their line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.errors import RelightError
from tf_relight.films.light_path import LightPath, read_light_path
from tf_relight.light.light import Light

DIRECTION = Light.from_direction


def written(tmp_path, text):
    path = tmp_path / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_keys_of_every_kind(tmp_path):
    DIRECTION(10, 20).to_file(tmp_path / "mine.txt")
    path = read_light_path(
        written(
            tmp_path,
            "1:05.5: NE_2500\n0: left\n2.5: rembrandt  # a comment\n3: mine.txt\n"
            "4: {from: right, up: 30}\n5: {azimuth: 120, elevation: 20, temperature: 3200, ambient: 0.2}\n"
            "6: {light: golden_hour}\n",
        )
    )
    assert path.times == (0, 2.5, 3, 4, 5, 6, 65.5)
    expected = [
        DIRECTION(-90, 0),
        Light.from_preset("rembrandt"),
        DIRECTION(10, 20).told_in("lightness").told_in("linear"),  # a file beside physical lights
        DIRECTION(90, 30),
        DIRECTION(120, 20, temperature=3200, ambient=0.2),
        Light.from_preset("golden_hour"),
        Light.from_vidit("NE_2500"),
    ]
    for time, light in zip(path.times, expected, strict=True):
        # 1e-6: the light file holds that many digits.
        np.testing.assert_allclose(path.at(time).coefficients, light.coefficients, atol=1e-6)
    assert path.at(-1) is path.lights[0] and path.at(1e9) is path.lights[-1]


keys = st.lists(
    st.tuples(st.floats(0.1, 3.0), st.floats(-180, 180), st.floats(-80, 80), st.floats(0.1, 0.9)),
    min_size=1,
    max_size=6,
)


def path_of(listed):
    times = np.cumsum([step for step, *_ in listed])
    return LightPath(
        tuple(map(float, times)), tuple(DIRECTION(a, e, ambient=share) for _, a, e, share in listed)
    )


@settings(max_examples=40, deadline=None)
@given(keys)
def test_the_way_meets_every_key_and_never_jumps(listed):
    path = path_of(listed)
    for time, light in zip(path.times, path.lights, strict=True):
        for near in (time - 1e-7, time, time + 1e-7):
            np.testing.assert_allclose(path.at(near).coefficients, light.coefficients, atol=1e-4)
    times = np.linspace(path.times[0] - 0.1, path.times[-1] + 0.1, 400)
    values = np.array([path.at(time).coefficients for time in times])
    # The curve is smooth: a step of time can only make a step of light. 180 degrees in 0.1 s are the fastest
    # way between two keys, 1.5 times that the fastest point of the curve.
    fastest = 1.5 * np.pi / 0.1 * np.abs(values).max()
    assert np.abs(np.diff(values, axis=0)).max() <= 4 * fastest * (times[1] - times[0])


@settings(max_examples=40, deadline=None)
@given(keys)
def test_elevation_stays_between_its_keys(listed):
    path = path_of(listed)
    for begin, end, a, b in zip(path.times, path.times[1:], path.lights, path.lights[1:], strict=False):
        low, high = sorted((a.angles[1], b.angles[1]))
        for time in np.linspace(begin, end, 12):
            assert low - 1e-6 <= path.at(time).angles[1] <= high + 1e-6


def test_a_light_that_goes_on_passes_a_key_without_slowing_down_and_one_that_turns_back_rests():
    path = LightPath(
        (0, 1, 2, 3), (DIRECTION(-90, 20), DIRECTION(0, 20), DIRECTION(90, 20), DIRECTION(0, 20))
    )

    def speed(time):
        return (path.at(time + 1e-4).angles[0] - path.at(time - 1e-4).angles[0]) / 2e-4

    assert speed(1.0) == pytest.approx(90, abs=1)  # degrees per second, as on the way before and after
    assert abs(speed(2.0)) < 1 and path.at(0.5).angles[1] == pytest.approx(20)


def test_from_side_to_side_the_light_goes_over_the_front():
    for start, end in ((-90, 90), (90, -90)):
        path = LightPath((0, 1), (DIRECTION(start, 0), DIRECTION(end, 0)))
        np.testing.assert_allclose(path.at(0.5).angles, (0, 0), atol=1e-6)
    # The short way from the front right to behind left is behind the person.
    path = LightPath((0, 1), (DIRECTION(170, 0), DIRECTION(-170, 0)))
    assert abs(path.at(0.5).angles[0]) == pytest.approx(180)


def test_even_light_and_light_from_above_have_no_azimuth_to_go_to():
    path = LightPath((0, 1, 2), (DIRECTION(-90, 0), DIRECTION(0, 90), DIRECTION(0, 0, ambient=1)))
    assert path.at(0.5).angles == pytest.approx((-90, 45))
    assert path.at(1.9).contrast < 0.1


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "lines of 'seconds: light'"),
        ("- left", "lines of 'seconds: light'"),
        ("left", "lines of 'seconds: light'"),
        ("0: left\n0.0: right", "line 2: the time 0 s was already given in line 1"),
        ("0: left\n\nsoon: right", "line 3: 'soon' is no time"),
        ("-1: left", "line 1: '-1' is no time"),
        (".nan: left", "is no time"),
        ("1:2:3:4: left", "is no time"),
        ("0: lefd", "line 1: 'lefd' is no light. Did you mean 'left'"),
        ("0: rembrant", "Did you mean 'rembrandt'"),
        ("0:", "line 1: a light is a word"),
        ("0: [left]", "line 1: a light is a word"),
        ("0: {}", "line 1: a light is a word"),
        ("0: {form: left}", "Did you mean 'from'"),
        ("0: {from: left, azimuth: 3}", "in one way, not from and azimuth"),
        ("0: {temperature: 3000}", "in one way, not none"),
        ("0: {from: left, up: high}", "'up' must be a number"),
        ("0: {azimuth: 3, up: 3}", "'up' goes with 'from'"),
        ("0: {light: rembrandt, temperature: 3000}", "not with 'light'"),
        ("0: {azimuth: 3, elevation: 100}", "line 1: Elevation 100 is outside"),
        ("0: {azimuth: .inf}", "not a finite number"),
        ("0: {azimuth: 3, azimuth: 4}", "line 1: 'azimuth' is given twice"),
        ("0: {azimuth: 3", "line 1: this is not YAML"),
        ("0: !!python/object/apply:os.system [ls]", "not YAML"),
        ("0: missing.txt", "missing.txt"),
    ],
)
def test_mistakes_name_their_line(text, message, tmp_path):
    with pytest.raises(RelightError) as caught:
        read_light_path(written(tmp_path, text))
    assert message in str(caught.value) and "keys.yaml" in str(caught.value)


def test_files_that_are_no_light_paths(tmp_path):
    with pytest.raises(RelightError, match="Cannot read the light path"):
        read_light_path(tmp_path / "absent.yaml")
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(RelightError, match="is not text"):
        read_light_path(tmp_path / "photo.yaml")
    with pytest.raises(RelightError, match="too large"):
        read_light_path(written(tmp_path, "#" * (1 << 20) + "\n0: left"))
    with pytest.raises(RelightError, match="line|nested|malformed"):
        read_light_path(written(tmp_path, "0: " + "[" * 5000))


def test_a_path_needs_growing_times():
    with pytest.raises(RelightError, match="at least one key"):
        LightPath((), ())
    with pytest.raises(RelightError, match="must grow"):
        LightPath((1, 1), (DIRECTION(0, 0), DIRECTION(1, 0)))
