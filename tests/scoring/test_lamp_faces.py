"""Portrait methods against faces under known lamps: the measure, its folders, the command."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from tests import portrait_stand_in
from tf_relight.cli.main import main
from tf_relight.errors import RelightError
from tf_relight.light.directions import direction
from tf_relight.methods.trained import load_model
from tf_relight.photo.picture import Picture
from tf_relight.photo.writing import write_picture
from tf_relight.rendering.humans.layouts import LAMPS
from tf_relight.scoring.lamp_faces import find_subjects, score_lamp_faces

SIDE = 64


def ball(azimuth: float, elevation: float) -> np.ndarray:
    """A grey ball that fills the picture, under one lamp and a little light from everywhere."""
    y, x = np.mgrid[1 : -1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    inside = x * x + y * y < 0.98
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    right, away, up = direction(azimuth, elevation)
    shading = np.maximum(x * right - z * away + y * up, 0) + 0.1
    linear = np.where(inside, 0.5 * shading, 0.05)
    encoded = np.clip(1.055 * linear ** (1 / 2.4) - 0.055, 0, 1)
    return np.repeat(encoded[..., None], 3, axis=2).astype(np.float32)


@pytest.fixture
def faces(tmp_path):
    """Two balls under every lamp of the layout."""
    for name in ("a", "b"):
        for azimuth, elevation in LAMPS:
            path = tmp_path / "faces" / name / f"azimuth_{azimuth:+04d}_elevation_{elevation:+03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, Picture(ball(azimuth, elevation)))
    return tmp_path / "faces"


def test_subjects_are_found_by_the_names_of_their_pictures(faces):
    first, second = find_subjects(faces)
    assert (first.name, second.name) == ("a", "b") and not first.linear
    assert set(first.pictures) == {(float(a), float(e)) for a, e in LAMPS}


def test_azimuth_of_the_yale_faces_grows_to_the_left_and_values_are_linear(tmp_path):
    for name in ("P00A+000E+00", "P00A+035E+15"):
        (tmp_path / "faces" / "yale").mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / "yale" / f"{name}.pgm").write_bytes(b"P5 2 2 255\n\x01\x02\x03\x04")
    (subject,) = find_subjects(tmp_path / "faces")
    assert set(subject.pictures) == {(0.0, 0.0), (-35.0, 15.0)} and subject.linear


def test_a_method_that_lights_the_right_side_follows_side_lamps(faces, tmp_path):
    scores = score_lamp_faces(portrait_stand_in.loaded(native_size=SIDE), faces, out=tmp_path, progress=False)
    assert scores.pictures == 18 and len(scores.lamps) == 9
    by = {each.lamp: each for each in scores.lamps}
    # The stand-in shades from side to side, whatever the height of the lamp.
    assert min(by[lamp].correlation for lamp in ((70, 0), (-70, 0), (50, 0), (-50, 0))) > 0.6
    assert all(by[lamp].error < by[lamp].unchanged for lamp in ((70, 0), (-70, 0)))
    assert scores.degrees is not None and 0 < scores.degrees < 180
    with (tmp_path / "lamp_faces.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 and float(rows[0]["correlation"]) == scores.lamps[0].correlation


def test_a_method_that_changes_nothing_scores_nothing(faces):
    loaded = portrait_stand_in.loaded(native_size=SIDE)
    own = portrait_stand_in.OWN_LIGHT[:, None]
    object.__setattr__(
        loaded.method, "predict", lambda model, image, light: {"relit": image, "source_light": own}
    )
    scores = score_lamp_faces(loaded, faces, progress=False)
    # The exposure alone changes, which tells a little in the dark, where black is added before the logarithm.
    assert abs(scores.correlation) < 0.35 and scores.error_share == pytest.approx(1, abs=0.01)


def test_scores_are_told_by_tone_of_the_skin_where_it_is_known(faces):
    (faces / "a" / "person.json").write_text('{"tone": 30, "age": 40.5}')
    loaded = portrait_stand_in.loaded(native_size=SIDE)
    alone = score_lamp_faces(loaded, faces, progress=False)
    (dark,) = alone.tones
    assert (dark.tone, dark.subjects) == ("dark", 1) and alone.tone_lines() == []
    (faces / "b" / "person.json").write_text('{"tone": 100}')
    both = score_lamp_faces(loaded, faces, progress=False)
    assert [each.tone for each in both.tones] == ["dark", "light"] and both.tones[0] == dark
    # The same balls stand in for both people.
    assert both.tones[1].error_share == pytest.approx(both.error_share)
    assert both.tone_lines()[1][3] == "0 %, 1 subject"


@pytest.mark.parametrize("told", ["[]", "{}", '{"tone": "dark"}', '{"tone": 101}', '{"tone": true}', "{"])
def test_a_person_file_that_tells_no_tone_is_refused(faces, told):
    (faces / "a" / "person.json").write_text(told)
    with pytest.raises(RelightError, match="give it"):
        find_subjects(faces)


def test_methods_of_pictures_in_colour_are_scored_too(faces):
    """What takes faces apart is shown the picture in colour; the balls light up on the lamp's side."""
    for path in (faces / "b").iterdir():
        if path.stem not in ("azimuth_+000_elevation_+00", "azimuth_+070_elevation_+00"):
            path.unlink()
    shutil.rmtree(faces / "a")
    scores = score_lamp_faces(load_model("sfsnet-humans-64-v3"), faces, progress=False)
    assert scores.pictures == 1 and scores.correlation > 0.5


def test_folders_without_such_faces_are_refused(faces, tmp_path, capsys):
    with pytest.raises(RelightError, match="no folder"):
        find_subjects(tmp_path / "absent")
    for path in (faces / "a").glob("azimuth_+000_elevation_+00*"):
        path.unlink()
    assert [subject.name for subject in find_subjects(faces)] == ["b"]
    shutil.rmtree(faces / "b")
    words = ["evaluate", "--weights", "dmshn-scenes-256-v2", "--real-lights", str(faces)]
    assert main(words) == 2
    assert "holds no faces under known lamps" in capsys.readouterr().err
    assert main([*words, "--limit", "3"]) == 2
    assert "--limit has no meaning with --real-lights" in capsys.readouterr().err


def test_methods_without_a_light_are_refused(faces):
    with pytest.raises(RelightError, match="takes no light"):
        score_lamp_faces(portrait_stand_in.loaded(takes_light=False), faces)
