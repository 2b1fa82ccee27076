"""`relight light`."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.cli.main import main
from tf_relight.light.light import Light
from tf_relight.light.presets import PRESETS
from tf_relight.photo.reading import read_picture


def test_presets_are_listed(capsys):
    assert main(["light", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(PRESETS) and any(line.startswith("rembrandt ") for line in lines)


def test_a_light_is_described_drawn_and_written(tmp_path, capsys):
    ball, file = tmp_path / "ball.png", tmp_path / "light.txt"
    words = ["light", "--from", "left", "--up", "30", "--sphere", str(ball), "-o", str(file)]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("from the left, 30 degrees up (azimuth -90, elevation 30)")
    expected = Light.from_direction(-90, 30).grey("lightness")
    np.testing.assert_allclose(np.loadtxt(file), expected, rtol=1e-9, atol=1e-12)
    pixels = read_picture(ball).pixels
    assert pixels[:, :128].mean() > 1.2 * pixels[:, 128:].mean()


def test_coloured_lights_in_the_frame_of_sfsnet(tmp_path):
    file = tmp_path / "light.txt"
    assert main(["light", "golden-hour", "-o", str(file), "--frame", "sfsnet"]) == 0
    assert len(file.read_text().split()) == 27
    np.testing.assert_allclose(
        Light.from_file(file).coefficients, Light.from_preset("golden_hour").coefficients, atol=1e-8
    )


@pytest.mark.parametrize(
    "words,message",
    [
        ([], "Name a light"),
        (["rembrant"], "Did you mean 'rembrandt'"),
        (["rembrandt", "--from", "left"], "Give the light in one way"),
        (["--from", "left", "--up", "100"], "outside -90..90"),
        (["rembrandt", "-o", "absent/folder/light.txt/x.txt"], ""),
    ],
)
def test_mistakes(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "absent").write_text("a file, not a folder")
    assert main(["light", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("relight: error: ") and message in error and error.count("\n") == 1
