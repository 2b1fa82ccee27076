"""What is done with a photo when the user names no method: people as portraits, anything else as a scene."""

from __future__ import annotations

import pytest

from tests import portrait_stand_in
from tf_relight import methods
from tf_relight.contract import usual
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo import faces
from tf_relight.photo.faces import Face
from tf_relight.photo.reading import read_picture
from tf_relight.relighting import photos
from tf_relight.relighting.photos import relight_photos


@pytest.fixture
def asked(monkeypatch):
    """The methods whose weights were asked for; faces are found in pictures called "person"."""
    loaded: list[tuple[str | None, object]] = []

    def load_for(method, weights, engine="keras"):
        loaded.append((method, weights))
        return portrait_stand_in.loaded(takes_light=method != usual.SCENE_METHOD)

    monkeypatch.setattr(photos, "load_for", load_for)
    found = [Face(8, 8, 24, 32, 1.0)]
    monkeypatch.setattr(faces, "find_faces", lambda pixels: found if pixels.shape[0] == 40 else [])
    monkeypatch.setattr("tf_relight.relighting.portraits.find_faces", faces.find_faces)
    return loaded


def test_people_are_relit_as_a_portrait_and_anything_else_as_a_scene(tmp_path, asked):
    person = portrait_stand_in.grey_photo(tmp_path / "person.png", (40, 48))
    cup = portrait_stand_in.grey_photo(tmp_path / "cup.png", (44, 48))
    report = relight_photos([person, cup], tmp_path / "out", progress=False)
    assert sorted(asked) == [(usual.SCENE_METHOD, None), (usual.PORTRAIT_METHOD, None)]
    assert [note for note in report.notes if "by the light 'loop'" in note and "person.png" in note]
    assert not [note for note in report.notes if "cup.png" in note]
    # The preset comes from the left; the stand-in for scenes gives the negative.
    assert portrait_stand_in.lit_side(read_picture(tmp_path / "out" / "person.png").pixels) < -0.01
    assert read_picture(tmp_path / "out" / "cup.png").pixels.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [{"light": Light.from_direction(60, 0)}, {"light": Light.from_direction(60, 0), "sphere": True}],
)
def test_a_light_means_a_portrait_whatever_the_photo_shows(tmp_path, asked, options):
    cup = portrait_stand_in.grey_photo(tmp_path / "cup.png", (44, 48))
    report = relight_photos([cup], tmp_path / "out.png", progress=False, **options)
    assert asked == [(usual.PORTRAIT_METHOD, None)] and "No face was found" in report.notes[0]


def test_what_belongs_to_a_light_without_one_is_refused(tmp_path, asked):
    cup = portrait_stand_in.grey_photo(tmp_path / "cup.png", (44, 48))
    with pytest.raises(RelightError, match="needs a light. Give --from"):
        relight_photos([cup], tmp_path / "out.png", progress=False, temperature=3000)
    assert asked == []


def test_the_demo_takes_its_own_weights_unless_others_are_named(tmp_path, asked):
    person = portrait_stand_in.grey_photo(tmp_path / "person.png", (40, 48))
    light = Light.from_direction(60, 0)
    for number, given in enumerate(({}, {"method": "dpr512"}, {"method": "dpr512", "weights": "mine"})):
        out = tmp_path / f"{number}.png"
        relight_photos([person], out, progress=False, light=light, paper=True, **given)
    official = ("dpr512", "dpr512-official")
    assert asked == [official, official, ("dpr512", "mine")]


def test_every_default_is_a_method_whose_weights_ship():
    for name in (usual.PORTRAIT_METHOD, usual.SCENE_METHOD, usual.DEMO_METHOD):
        assert methods.get(name).info.default_weights is not None
    assert methods.get(usual.PORTRAIT_METHOD).info.takes_light
    assert not methods.get(usual.SCENE_METHOD).info.takes_light
