"""Relighting portraits with a stand-in network: crops, blending, colour, background, the light's range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from tests import portrait_stand_in
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.colour import srgb_to_linear
from tf_relight.photo.faces import Face
from tf_relight.photo.lightness import lightness
from tf_relight.photo.picture import Picture, resize
from tf_relight.relighting import light_range, official_demo, portraits
from tf_relight.relighting.face_places import regions
from tf_relight.relighting.light_range import network_light
from tf_relight.relighting.photos import relight_picture
from tf_relight.relighting.portraits import PortraitRelighter
from tf_relight.relighting.request import RelightOptions

RNG = np.random.default_rng(1)
LEFT = Light.from_direction(-60, 20)
FRONT = Light.from_direction(0, 0)


def loaded():
    return portrait_stand_in.loaded(native_size=64)


def photo(size=(90, 80), **fields):
    rows, columns = np.mgrid[: size[0], : size[1]] / max(size)
    pixels = np.stack([0.5 + 0.3 * rows, 0.4 + 0.2 * columns, 0.3 + 0 * rows], axis=-1)
    return Picture(pixels.astype(np.float32), **fields)


def face(left, top, height):
    return Face(left, top, 0.75 * height, height, 1.0)


@pytest.fixture
def nobody(monkeypatch):
    monkeypatch.setattr(portraits, "find_faces", lambda pixels: [])


def test_a_close_portrait_is_relit_whole_and_a_small_face_in_its_crop():
    assert regions((100, 80), []) == [(slice(0, 100), slice(0, 80), None)]
    assert regions((100, 80), [face(20, 20, 50)])[0][2] is None
    ((rows, columns, weight),) = regions((1000, 800), [face(300, 200, 100)])
    assert (rows, columns) == (slice(150, 350), slice(238, 438))
    assert weight.shape == (200, 200) and weight[100, 100] == 1 and weight.max() == 1
    # Soft to the very border: no step of more than a few hundredths.
    assert max(weight[0].max(), weight[-1].max(), weight[:, 0].max(), weight[:, -1].max()) < 0.001
    assert np.abs(np.diff(weight, axis=0)).max() < 0.03


def test_a_crop_at_the_border_of_the_picture_does_not_fade_there():
    ((rows, columns, weight),) = regions((1000, 800), [face(0, 0, 100)])
    assert rows.start == columns.start == 0
    assert weight[0, 0] == 1 and weight[-1].max() < 0.001 and weight[:, -1].max() < 0.001


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (63, 65)])
def test_any_shape_of_photo(size, nobody):
    model = loaded()
    relit = relight_picture(photo(size), model, RelightOptions(light=LEFT))
    assert relit.size == size and np.isfinite(relit.pixels).all()
    assert max(model.method.seen[0]) == 64


def test_the_network_sees_the_size_it_was_trained_at_or_the_one_asked_for(nobody):
    for pixels, size, expected in [
        ((300, 150), None, (64, 64)),
        ((30, 15), None, (64, 64)),
        ((80, 80), 48, (48, 48)),
    ]:
        model = loaded()
        PortraitRelighter(photo(pixels), model, size=size).relight(RelightOptions(light=LEFT))
        # Its own light, the photo under that, and the photo under the light.
        assert model.method.seen == [expected] * 3


def test_the_change_is_the_networks_and_colours_are_kept(nobody):
    picture, light = photo((128, 128)), Light.from_direction(60, 20).told_in("lightness")
    # The stand-in draws every photo at 0.75 of its lightness; that is no change of light.
    across = np.linspace(-1, 1, 128, dtype=np.float32) * min(
        1.0, 2 * network_light(light, "lightness", portrait_stand_in.OWN_LIGHT)[3]
    )
    expected = lightness(picture.pixels) * (1 + across / 3)
    relit = relight_picture(picture, loaded(), RelightOptions(light=light))
    assert np.abs(lightness(relit.pixels) - expected).mean() < 0.01
    before, after = srgb_to_linear(picture.pixels), srgb_to_linear(relit.pixels)
    red, green, blue = (after / before)[..., 0], (after / before)[..., 1], (after / before)[..., 2]
    # Neutral light: the channels change alike but for the little saturation that `lightness` moves.
    # Measured 0.22 and 0.30, where the light falls to a sixth.
    assert np.abs(np.log(red / green)).max() < 0.25 and np.abs(np.log(blue / green)).max() < 0.35


def everywhere(pixels, faces, size=None):
    return np.ones(size or pixels.shape[:2], np.float32)


def test_outside_the_crops_nothing_changes_and_several_faces_are_blended(monkeypatch):
    monkeypatch.setattr(portraits, "person_mask", everywhere)
    picture, faces = photo((400, 600)), [face(80, 100, 80), face(150, 110, 78)]
    model = loaded()
    relighter = PortraitRelighter(picture, model, faces=faces)
    relit = relighter.relight(RelightOptions(light=LEFT)).pixels
    assert len(model.method.seen) == 6 and relighter.notes == ()
    np.testing.assert_allclose(relit[:, 400:], picture.pixels[:, 400:], atol=1e-6)
    assert np.abs(relit[140, 90] - picture.pixels[140, 90]).max() > 0.01
    # No seam: the photo is a smooth ramp, so the largest step stays small.
    assert np.abs(np.diff(relit, axis=1)).max() < 0.02 and np.abs(np.diff(relit, axis=0)).max() < 0.02


def test_every_face_of_a_crowd_is_relit(monkeypatch):
    monkeypatch.setattr(portraits, "person_mask", everywhere)
    picture = photo((300, 1200))
    crowd = [face(20 + 55 * (number % 20), 30 + 120 * (number // 20), 40) for number in range(40)]
    relit = PortraitRelighter(picture, loaded(), faces=crowd).relight(RelightOptions(light=LEFT)).pixels
    for each in crowd:
        row, column = (round(place) for place in each.centre)
        # Beside the middle, where the stand-in's light changes nothing.
        assert np.abs(relit - picture.pixels)[row, column - 15 : column + 15].max() > 0.005


def test_strength(nobody):
    picture = photo()
    relighter = PortraitRelighter(picture, loaded())
    full, half, none = (
        relighter.relight(RelightOptions(light=LEFT, strength=strength)).pixels for strength in (1, 0.5, 0)
    )
    np.testing.assert_array_equal(none, picture.pixels)
    middle = (lightness(picture.pixels) + lightness(full)) / 2
    # Highlights bend, so that half the change is a little more than half of what is seen there.
    np.testing.assert_allclose(lightness(half), middle, atol=8e-3)


def test_crops_leave_the_background_out(monkeypatch):
    picture, asked = photo((400, 600)), []

    def left_half(pixels, faces):
        asked.append((pixels.shape[:2], faces[0].left, faces[0].top))
        mask = np.zeros(pixels.shape[:2], np.float32)
        mask[:, : pixels.shape[1] // 2] = 1
        return mask

    monkeypatch.setattr(portraits, "person_mask", left_half)
    relighter = PortraitRelighter(picture, loaded(), faces=[face(300, 100, 80)])
    relit = relighter.relight(RelightOptions(light=LEFT)).pixels
    # The crop is 160 wide around column 330: its face lies 50 from its left, 40 from its top.
    assert asked == [((160, 160), 50, 40)]
    np.testing.assert_array_equal(relit[:, 330:], picture.pixels[:, 330:])
    assert np.abs(relit - picture.pixels)[140, 270:330].max() > 0.005
    kept = relighter.relight(RelightOptions(light=LEFT, keep_background=True)).pixels
    np.testing.assert_array_equal(kept, relit)


def test_keep_background(monkeypatch):
    picture = photo((100, 100))
    mask = np.zeros((100, 100), np.float32)
    mask[:, :50] = 1
    monkeypatch.setattr(
        portraits, "person_mask", lambda _, faces, size=None: resize(mask, size or mask.shape)
    )
    relighter = PortraitRelighter(picture, loaded(), faces=[face(10, 10, 60)])
    relit = relighter.relight(RelightOptions(light=LEFT, keep_background=True, temperature=3000)).pixels
    np.testing.assert_array_equal(relit[:, 50:], picture.pixels[:, 50:])
    assert np.abs(relit[:, :50] - picture.pixels[:, :50]).mean() > 0.02


def test_nobody_is_a_note_and_an_error_where_the_background_is_to_be_kept(nobody):
    relit = relight_picture(photo(notes=("from the file",)), loaded(), RelightOptions(light=LEFT))
    assert relit.notes[0] == "from the file" and "No face was found" in relit.notes[1]
    with pytest.raises(RelightError, match="Leave out --keep-background"):
        relight_picture(photo(), loaded(), RelightOptions(light=LEFT, keep_background=True))


def test_temperature_colours_the_lit_side_more_than_the_shadow(nobody):
    grey = Picture(np.full((64, 64, 3), 0.5, np.float32))

    def warmth(kelvin):
        options = RelightOptions(light=Light.from_direction(80, 0), temperature=kelvin)
        light = srgb_to_linear(relight_picture(grey, loaded(), options).pixels)[32]
        return light[:, 0] / light[:, 2]

    warm, neutral, cold = warmth(3000), warmth(6500), warmth(12000)
    np.testing.assert_allclose(neutral, 1, atol=1e-3)
    assert warm[60] > 1.5 and cold[60] < 0.9
    assert warm[60] > warm[30] > warm[3] >= 0.999


def test_light_of_its_own_colour_and_grey_light(nobody):
    grey = Picture(np.full((64, 64, 3), 0.5, np.float32))
    plain = relight_picture(grey, loaded(), RelightOptions(light=LEFT)).pixels
    np.testing.assert_allclose(plain[..., 0], plain[..., 2], atol=1e-6)
    warm = Light.from_array(LEFT.luminance[:, None] * np.array([1.3, 0.95, 0.6]))
    relit = relight_picture(grey, loaded(), RelightOptions(light=warm)).pixels
    assert (relit[..., 0] > relit[..., 2] + 0.05).all()


def test_bits_and_alpha_stay(nobody):
    alpha = RNG.random((90, 80, 1), dtype=np.float32)
    relit = relight_picture(photo(alpha=alpha, bits=16), loaded(), RelightOptions(light=LEFT))
    assert relit.bits == 16
    np.testing.assert_array_equal(relit.alpha, alpha)


def test_sphere_in_the_corner_shows_even_where_the_photo_is_transparent(nobody):
    alpha = np.zeros((200, 100, 1), np.float32)
    options = RelightOptions(light=LEFT, strength=0, sphere=True)
    picture = photo((200, 100), alpha=alpha)
    relit = relight_picture(picture, loaded(), options)
    changed = np.abs(relit.pixels - picture.pixels).max(axis=2) > 0.02
    rows, columns = np.nonzero(changed)
    assert 180 < rows.min() and 80 < columns.min() and rows.max() < 199 and columns.max() < 99
    assert changed.sum() > 100 and relit.alpha[changed].mean() > 0.8 and not picture.alpha.any()
    assert relight_picture(photo((1, 1)), loaded(), options).size == (1, 1)


def test_paper_mode_is_the_demo_with_its_factor():
    model = loaded()
    picture = photo((40, 30))
    relit = relight_picture(picture, model, RelightOptions(light=LEFT, paper=True))
    np.testing.assert_allclose(relit.pixels, 1 - np.rint(picture.pixels * 255) / 255, atol=1e-6)
    np.testing.assert_allclose(model.method.lights[0], LEFT.grey("lightness") * 0.7, rtol=1e-6)


def test_paper_mode_writes_jpegs_as_the_demo_does(tmp_path):
    path = tmp_path / "a.jpg"
    notes = official_demo.write_as_paper(path, photo((40, 30), bits=16))
    with Image.open(path) as image:
        assert image.size == (30, 40) and JpegImagePlugin.get_sampling(image) == 2  # colour at half size
    assert notes == ("a.jpg: the official demo's JPEG has no 16 bits.",)


def dpr_light(first: float) -> Light:
    return Light.from_array(np.float64([0.7, 0, 0.2, 0.1, 0, 0, 0, 0, 0]) * (first / 0.7), domain="lightness")


def test_lights_of_dpr_are_brought_into_the_range_of_the_training_without_a_jump():
    for first in (0.525, 0.7, 0.98):
        light = dpr_light(first)
        np.testing.assert_allclose(network_light(light, "lightness"), light.luminance, rtol=1e-6)
    for first, wanted in ((7e-4, 0.4), (0.56, 0.56), (1.4, 1.22), (350, 1.25)):
        usual = network_light(dpr_light(first), "lightness")
        assert usual[0] <= wanted + 0.01 and usual[2] / usual[0] == pytest.approx(2 / 7)
    brightness = np.geomspace(0.01, 100, 2000)
    lights = [Light.from_array(np.eye(9)[0] * value, domain="lightness") for value in brightness]
    even = [network_light(light, "lightness")[0] for light in lights]
    steps = np.diff(even) / np.diff(np.log(brightness))
    assert steps.min() >= 0 and steps.max() < 1.3
    with pytest.raises(RelightError, match="dark"):
        network_light(Light.from_array(np.zeros(9)), "lightness")


@pytest.mark.parametrize("level", [0.4, 0.75, 1.1])
def test_a_physical_light_keeps_the_exposure_of_the_photo_unless_asked_otherwise(level):
    own = np.float32([level, -0.1, 0, 0.1, 0, 0, 0, 0, 0])
    for azimuth in (-60, 0, 30):
        light = Light.from_direction(azimuth, 20)
        numbers, same, gain = light_range.exposed(light, "lightness", own)
        face = gain * light_range.on_a_face(numbers) / light_range.on_a_face(same)
        side = gain * light_range.brightest(numbers) / light_range.brightest(same)
        # The face is as bright as before, unless its lit side would burn.
        assert max(face, side / light_range.BRIGHTER_SIDE) == pytest.approx(1, rel=1e-5)
        assert 0.4 < numbers[0] <= 0.7501 and 0.4 < same[0] <= 0.7501
        dimmer, _, less = light_range.exposed(light * 0.5, "lightness", own)
        np.testing.assert_allclose(less * dimmer, gain * numbers * 0.5**0.42, rtol=1e-5)
    behind, same, gain = light_range.exposed(Light.from_direction(180, 20), "lightness", own)
    assert gain * behind[0] <= 1.6 * same[0] * 1.0001
    assert gain * light_range.on_a_face(behind) < 0.97 * light_range.on_a_face(same)
    # A light of DPR is told in lightness and stays as it is.
    numbers, _, gain = light_range.exposed(dpr_light(0.8), "lightness", own)
    np.testing.assert_allclose(numbers, dpr_light(0.8).luminance)
    assert gain == 1


def test_the_own_light_of_a_photo_changes_nothing_however_bright_it_is():
    for level in (0.4, 0.75, 1.1):
        own = Light.from_direction(20, 30, ambient=0.4).grey("lightness") * level
        told = Light.from_array(own, domain="lightness")
        for light in (told, told.told_in("linear").normalised()):
            numbers, same, gain = light_range.exposed(light, "lightness", own)
            np.testing.assert_allclose(gain * numbers, same, atol=0.1 * level)


def test_a_network_that_fails_is_explained(nobody):
    model = loaded()
    model.method.predict = lambda model, **inputs: {
        "relit": inputs["image"] * np.nan,
        "source_light": inputs["light"],
    }
    with pytest.raises(RelightError, match="not numbers"):
        relight_picture(photo(), model, RelightOptions(light=LEFT))


def test_many_lights_look_for_faces_once(monkeypatch):
    calls = []
    monkeypatch.setattr(portraits, "find_faces", lambda pixels: calls.append(1) or [face(20, 20, 50)])
    relighter = PortraitRelighter(photo(), loaded())
    options = RelightOptions(light=LEFT)
    first = relighter.relight(options).pixels
    second = relighter.relight(replace(options, light=Light.from_direction(60, 20))).pixels
    assert calls == [1] and np.abs(first - second).mean() > 0.05
    np.testing.assert_array_equal(relighter.relight(options).pixels, first)
