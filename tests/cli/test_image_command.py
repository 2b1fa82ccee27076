"""The options of `relight image`: which light they mean, and what is said about wrong ones."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tf_relight.cli import main as cli
from tf_relight.cli.commands.light_options import chosen_light
from tf_relight.errors import RelightError
from tf_relight.light.directions import SIDES
from tf_relight.light.light import Light

NOTHING = dict.fromkeys(["direction", "up", "azimuth", "elevation", "light", "light_from"])


def chosen(**given):
    return chosen_light(**{**NOTHING, **given})


@pytest.mark.parametrize(
    "given, angles",
    [
        ({"direction": "left"}, (-90, 0)),
        ({"direction": "left", "up": 30.0}, (-90, 30)),
        ({"direction": "upper-right"}, (45, 45)),
        ({"azimuth": 20.0}, (20, 0)),
        ({"elevation": -10.0}, (0, -10)),
        ({"azimuth": 20.0, "elevation": 15.0}, (20, 15)),
    ],
)
def test_directions(given, angles):
    np.testing.assert_array_equal(chosen(**given).coefficients, Light.from_direction(*angles).coefficients)


def test_words_mean_what_they_say():
    # (L3, -L1, L2) points to the light: right, toward the camera, up.
    for name, axis, sign in [
        ("right", 3, 1),
        ("left", 3, -1),
        ("front", 1, -1),
        ("behind", 1, 1),
        ("above", 2, 1),
        ("below", 2, -1),
    ]:
        values = chosen(direction=name).luminance
        assert np.sign(values[axis]) == sign and np.abs(values[1:4]).argmax() == axis - 1, name
    assert all(("left" in name) == (azimuth < 0) for name, (azimuth, _) in SIDES.items())


def test_presets_files_and_no_light(tmp_path):
    Light.from_direction(10, 20).to_file(tmp_path / "light.txt")
    expected = Light.from_direction(10, 20).grey("lightness")
    np.testing.assert_allclose(chosen(light=str(tmp_path / "light.txt")).luminance, expected, atol=1e-6)
    assert chosen(light="rembrandt").luminance[0] > 0
    assert chosen() is None and chosen(light_from="other.jpg") is None


@pytest.mark.parametrize(
    "given, words",
    [
        ({"direction": "left", "light": "loop"}, "not by --from and --light"),
        ({"azimuth": 3.0, "light_from": "a.jpg"}, "--azimuth/--elevation and --light-from"),
        ({"direction": "left", "elevation": 3.0}, "--from and --azimuth/--elevation"),
        ({"up": 30.0}, "--up goes with --from"),
        ({"azimuth": 3.0, "up": 30.0}, "--up goes with --from"),
        ({"direction": "above", "up": 30.0}, "--from above says already"),
        ({"light": "loop", "soft": 0.2}, "--soft goes with --from or --azimuth"),
        ({"soft": 0.2}, "--soft goes with --from or --azimuth"),
        ({"direction": "left", "soft": 1.5}, "Softness 1.5 is outside 0..1"),
    ],
)
def test_contradictions(given, words):
    with pytest.raises(RelightError, match=words):
        chosen(**given)


def test_every_option_arrives(monkeypatch, capsys):
    seen = {}

    def relight_photos(paths, out, **options):
        seen.update(options, paths=paths, out=out)
        return SimpleNamespace(notes=["a note"], written=["b.png"], failures=[], skipped=(), left_out={})

    monkeypatch.setitem(
        sys.modules, "tf_relight.relighting.photos", SimpleNamespace(relight_photos=relight_photos)
    )
    command = "image a.png c.png -o out --method dpr512 --from left --up 30 --strength .5 --size 256"
    command += " --temperature 3000 --keep-background --sphere --strip"
    assert cli.main(command.split()) == 0
    light = seen.pop("light")
    np.testing.assert_array_equal(light.coefficients, Light.from_direction(-90, 30).coefficients)
    assert seen == {
        "paths": ["a.png", "c.png"], "out": "out", "method": "dpr512", "weights": None, "light_from": None,
        "strength": 0.5, "size": 256, "temperature": 3000, "keep_background": True, "sphere": True,
        "paper": False, "mode": None, "strip": True, "recursive": False, "existing": "refuse",
        "engine": "auto", "raise_for_one": True,
    }  # fmt: skip
    captured = capsys.readouterr()
    assert captured.out == "b.png\n" and captured.err == "relight: a note\n"


def test_wrong_words_end_with_code_2(capsys, tmp_path):
    for command, words in [
        ("image a.png -o b.png --method dpr512 --from lfet", "Did you mean 'left'"),
        ("image a.png -o b.png --method dpr512", "needs a light"),
        ("image a.png -o b.png --method dmshn --from left", "takes no other light"),
        (f"image a.png -o b.png --method dmshn --light-from {__file__}", "takes no light"),
        ("image a.png -o b.png --method dpr512 --light-from gone.png", "no file gone.png"),
        ("image a.png -o b.png --method dpr512 --from left --paper --size 99", "no --size"),
        ("image a.png -o b.png --method dpr512 --light nonsense", "nonsense"),
    ]:
        try:
            code = cli.main(command.split())
        except SystemExit as end:
            code = end.code
        assert code == 2
        assert words in capsys.readouterr().err, command
