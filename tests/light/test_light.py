"""The Light object: each way to describe light means the same directions."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.contract.card import Port
from tf_relight.errors import RelightError
from tf_relight.light import spherical_harmonics as sh
from tf_relight.light.appearance import describe
from tf_relight.light.lamps import USUAL_AMBIENT
from tf_relight.light.light import Light
from tf_relight.light.presets import PRESETS
from tf_relight.light.spherical_harmonics import is_nonnegative, smallest_shading

azimuths, elevations = st.floats(-180, 180), st.floats(-90, 90)
few = settings(max_examples=25, deadline=None)


def sides(light: Light) -> tuple[float, float, float, float]:
    """Mean brightness of the left, right, upper and lower half of the ball."""
    picture = light.sphere(64).astype(float)
    return picture[:, :32].mean(), picture[:, 32:].mean(), picture[:32].mean(), picture[32:].mean()


def test_left_is_left_and_up_is_up():
    left, right, *_ = sides(Light.from_direction(-90, 0))
    assert left > 1.3 * right
    left, right, *_ = sides(Light.from_direction(90, 0))
    assert right > 1.3 * left
    *_, up, down = sides(Light.from_direction(0, 90))
    assert up > 1.3 * down
    front, back = Light.from_direction(0, 0).sphere(64), Light.from_direction(180, 0).sphere(64)
    assert front[32, 32, 0] > 1.2 * back[32, 32, 0]


@few
@given(azimuths, st.floats(-85, 85))
def test_a_direction_is_found_again(azimuth, elevation):
    found = Light.from_direction(azimuth, elevation).angles
    assert abs((found[0] - azimuth + 180) % 360 - 180) < 1e-6 and found[1] == pytest.approx(
        elevation, abs=1e-6
    )


@few
@given(azimuths, elevations, st.floats(0, 1))
def test_directed_lights_exist_and_lie_in_the_range_of_the_training(azimuth, elevation, ambient):
    light = Light.from_direction(azimuth, elevation, ambient=ambient)
    assert is_nonnegative(light.coefficients)
    assert 0.7 <= light.luminance[0] <= 0.9


@pytest.mark.parametrize("name", PRESETS)
def test_presets_lie_in_the_range_of_the_training(name):
    light = Light.from_preset(name)
    assert is_nonnegative(light.coefficients)
    assert 0.7 <= light.luminance[0] <= 0.9
    # DPR's demo lights have 0.76.
    assert light.told_in("lightness").contrast <= 0.78
    assert smallest_shading(light.luminance) > 0
    assert PRESETS[name].about


def test_presets_come_from_where_they_say():
    assert Light.from_preset("split").angles[0] == pytest.approx(-90, abs=1)
    assert Light.from_preset("Golden-Hour").angles[0] == pytest.approx(65, abs=1)
    red, _, blue = Light.from_preset("candle").coefficients[0]
    assert red > 1.5 * blue
    assert Light.from_preset("ambient").contrast == 0


def test_temperature_warms_and_keeps_the_luminance():
    neutral, warm = Light.from_direction(30, 20), Light.from_direction(30, 20, temperature=2800)
    np.testing.assert_allclose(warm.luminance, neutral.luminance, atol=1e-12)
    assert warm.coefficients[3, 0] > neutral.coefficients[3, 0] > warm.coefficients[3, 2]
    grey = Light.from_direction(30, 20, temperature=6500)
    np.testing.assert_allclose(grey.coefficients, neutral.coefficients, atol=1e-6)
    red = Light.from_direction(30, 20, colour=(2, 0, 0))
    assert red.coefficients[3, 1] == 0 and red.luminance[0] == pytest.approx(USUAL_AMBIENT)


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"elevation": 91}, "outside -90..90"),
        ({"azimuth": float("nan")}, "not a finite number"),
        ({"ambient": 1.5}, "outside 0..1"),
        ({"intensity": 0}, "not above 0"),
        ({"temperature": 500}, "outside 1000..15000"),
        ({"colour": (0, 0, 0)}, "three finite numbers"),
        ({"colour": (1, 1, 1), "temperature": 3000}, "not both"),
    ],
)
def test_directions_out_of_range_are_refused(arguments, message):
    with pytest.raises(RelightError, match=message):
        Light.from_direction(**{"azimuth": 0, "elevation": 0, **arguments})


@few
@given(azimuths, st.floats(-60, 60), st.floats(-180, 180))
def test_turning_about_the_vertical_adds_to_the_azimuth(azimuth, elevation, turn):
    turned = Light.from_direction(azimuth, elevation).rotate(azimuth=turn)
    expected = Light.from_direction(azimuth + turn, elevation)
    np.testing.assert_allclose(turned.coefficients, expected.coefficients, atol=1e-12)


def test_pitch_raises_and_roll_turns_clockwise():
    front, above = Light.from_direction(0, 0), Light.from_direction(0, 90)
    raised, rolled = front.rotate(pitch=40), above.rotate(roll=90)
    np.testing.assert_allclose(raised.coefficients, Light.from_direction(0, 40).coefficients, atol=1e-12)
    np.testing.assert_allclose(rolled.coefficients, Light.from_direction(90, 0).coefficients, atol=1e-12)


@few
@given(azimuths, elevations)
def test_mirrored_light_lights_the_mirrored_ball(azimuth, elevation):
    light = Light.from_direction(azimuth, elevation, temperature=3000)
    np.testing.assert_allclose(
        light.mirror().sphere(32).astype(int), light.sphere(32)[:, ::-1].astype(int), atol=1
    )


def test_sum_and_product():
    a, b = Light.from_direction(0, 0), Light.from_direction(90, 0)
    np.testing.assert_allclose((a + b * 0.5).coefficients, a.coefficients + b.coefficients / 2)
    np.testing.assert_allclose((2 * a).coefficients, 2 * a.coefficients)
    assert ((a * (2, 1, 0)).coefficients[:, 2] == 0).all()
    assert (a + b).normalised().luminance[0] == pytest.approx(USUAL_AMBIENT)


def test_a_light_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="read-only"):
        Light.from_direction(0, 0).coefficients[0] = 1


@few
@given(azimuths, st.floats(-60, 60), azimuths, st.floats(-60, 60), st.floats(0, 1))
def test_a_light_on_the_way_keeps_its_contrast(a, up_a, b, up_b, share):
    start, end = Light.from_direction(a, up_a), Light.from_direction(b, up_b)
    np.testing.assert_allclose(start.interpolate(end, 0).coefficients, start.coefficients, atol=1e-9)
    np.testing.assert_allclose(start.interpolate(end, 1).coefficients, end.coefficients, atol=1e-9)
    assert start.interpolate(end, share).contrast == pytest.approx(start.contrast, abs=1e-3)


def test_from_left_to_right_goes_around_the_vertical():
    middle = Light.from_direction(-90, 0).interpolate(Light.from_direction(90, 0), 0.5)
    assert middle.contrast == pytest.approx(Light.from_direction(0, 0).contrast)
    assert middle.angles[1] == pytest.approx(0, abs=1e-6)


def test_vidit_lights():
    assert Light.from_vidit("E_4500").angles[0] == pytest.approx(90)
    assert abs(Light.from_vidit("N_6500").angles[0]) == pytest.approx(180)
    assert Light.from_vidit("SW_2500").angles[0] == pytest.approx(-45)
    with pytest.raises(RelightError, match="no VIDIT light"):
        Light.from_vidit("X_4500")


def test_words_of_the_command_line(tmp_path):
    path = tmp_path / "light.txt"
    Light.from_direction(10, 20).to_file(path)
    assert Light.parse(str(path)).angles == pytest.approx((10, 20), rel=1e-4)  # fitted at 1024 places
    assert Light.parse("nw_4500").angles[0] == pytest.approx(-135)
    assert Light.parse("rembrandt").angles[0] < 0
    with pytest.raises(RelightError, match="Did you mean 'rembrandt'"):
        Light.parse("rembrant")
    with pytest.raises(RelightError, match="no file"):
        Light.parse("absent.hdr")
    with pytest.raises(RelightError, match="no light file"):
        Light.parse("absent.txt")


@few
@given(azimuths, elevations, st.sampled_from(["dpr", "sfsnet", "image"]), st.booleans())
def test_files_keep_a_light(tmp_path_factory, azimuth, elevation, frame, warm):
    light = Light.from_direction(azimuth, elevation, temperature=3000 if warm else None)
    path = tmp_path_factory.mktemp("light") / "light.txt"
    light.to_file(path, frame)
    found = Light.from_file(path)
    assert found.domain == ("lightness" if frame == "dpr" and not warm else "linear")
    # SfSNet's files have few decimals; nine are written.
    np.testing.assert_allclose(found.coefficients, light.told_in(found.domain).coefficients, atol=1e-8)


def test_a_grey_file_is_read_by_numpy_as_dpr_does(tmp_path):
    light = Light.from_direction(10, 20)
    light.to_file(tmp_path / "light.txt")
    np.testing.assert_allclose(np.loadtxt(tmp_path / "light.txt"), light.grey("lightness"), rtol=1e-12)


def test_a_light_of_dpr_stays_as_it_is_and_a_physical_one_is_told_in_lightness(tmp_path):
    numbers = np.array([0.8, -0.3, 0.2, 0.1, 0.05, -0.1, 0.02, 0.03, -0.06])
    np.savetxt(tmp_path / "dpr.txt", numbers)
    found = Light.from_file(tmp_path / "dpr.txt")
    np.testing.assert_allclose(found.grey("lightness"), numbers, rtol=1e-15)
    lamp = Light.from_direction(60, 20, ambient=0.1)
    told = lamp.told_in("lightness")
    assert told.told_in("lightness") is told and lamp.told_in("linear") is lamp
    # A shading of 0.1 beside 1 is 0.38 beside 1 in lightness: the lamp is milder there.
    assert told.contrast < 0.65 * lamp.contrast and told.angles == pytest.approx(lamp.angles, abs=0.05)
    # There and back loses what nine numbers cannot hold.
    back = told.told_in("linear")
    assert np.linalg.norm(back.luminance - lamp.luminance) < 0.25 * np.linalg.norm(lamp.luminance)


@few
@given(azimuths, elevations, st.floats(0.2, 5))
def test_light_changes_alike_in_both_domains(azimuth, elevation, factor):
    lamp = Light.from_direction(20, 10, ambient=0.3)
    told = lamp.told_in("lightness")
    for change in (lambda x: x.rotate(azimuth, elevation, 15), Light.mirror, lambda x: x * factor):
        expected = change(lamp).told_in("lightness").coefficients
        # A turned light is fitted at other places of the sphere.
        np.testing.assert_allclose(change(told).coefficients, expected, atol=2e-3 * max(1, factor))


def test_softness_goes_from_the_sun_to_half_of_the_sky():
    contrasts = [Light.from_direction(-60, 20, softness=soft).contrast for soft in (0, 0.3, 0.5, 0.8, 1)]
    assert contrasts == sorted(contrasts, reverse=True)
    normals = np.array([[0.0, -1, 0], [0, 0, 1], [1, 0, 0]])
    sky = Light.from_direction(0, 90, ambient=0, softness=1)
    # Half of a sphere of light: full from above, half from the sides.
    received = sh.shading(normals, sky.luminance)
    np.testing.assert_allclose(received / received[1], [0.5, 1, 0.5], atol=1e-6)


def test_lights_of_two_domains_are_added_and_blended_as_irradiance():
    lamp, other = (Light.from_direction(azimuth, 20, ambient=0.4) for azimuth in (-60, 40))
    told = other.told_in("lightness")
    both, half = lamp + told, lamp.interpolate(told, 0.5)
    assert both.domain == half.domain == "linear"
    np.testing.assert_allclose(both.coefficients, (lamp + told.told_in("linear")).coefficients)
    shares = np.linalg.norm(both.coefficients - (lamp + other).coefficients)
    assert shares < 0.08 * np.linalg.norm(both.coefficients)


def test_a_ball_looks_the_same_in_both_domains():
    lamp = Light.from_direction(-60, 20)
    seen = lamp.sphere(64).astype(int), lamp.told_in("lightness").sphere(64).astype(int)
    assert np.abs(seen[0] - seen[1]).mean() < 6 and np.abs(seen[0] - seen[1]).max() < 40


@pytest.mark.parametrize(
    "text,message",
    [
        ("1 2 3 4 5 6 7 8", "holds 8 numbers"),
        ("1 2 3 4 5 6 7 8 9 10", "holds 10 numbers"),
        ("1 2 3 4 nan 6 7 8 9", "NaN or infinity"),
        ("1 2 3 4 inf 6 7 8 9", "NaN or infinity"),
        ("1 2 three 4 5 6 7 8 9", "'three' is not a number"),
        ("", "holds 0 numbers"),
        ("# frame: opengl\n1 2 3 4 5 6 7 8 9", "unknown light frame 'opengl'"),
        ("1 " * 70_000, "too large"),
    ],
)
def test_broken_light_files_are_refused(tmp_path, text, message):
    path = tmp_path / "light.txt"
    path.write_text(text)
    with pytest.raises(RelightError, match=message):
        Light.from_file(path)


def test_an_sfsnet_file_where_nine_numbers_are_meant(tmp_path):
    path = tmp_path / "light.txt"
    path.write_text(" ".join(map(str, range(27))))
    with pytest.raises(RelightError, match="27 numbers, an SfSNet light"):
        Light.from_file(path, "dpr")
    np.testing.assert_allclose(Light.from_file(path).coefficients[0], [0, 9, 18], atol=1e-12)


def test_files_that_are_no_text_or_absent(tmp_path):
    (tmp_path / "light.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(RelightError, match="not text"):
        Light.from_file(tmp_path / "light.txt")
    with pytest.raises(RelightError, match="no light file"):
        Light.from_file(tmp_path / "absent.txt")
    with pytest.raises(RelightError, match="Cannot write"):
        Light.from_direction(0, 0).to_file(tmp_path / "light.txt" / "light.txt")


def write_hdr(path, pixels: np.ndarray) -> None:
    assert cv2.imwrite(str(path), pixels.astype(np.float32)[..., ::-1])


def test_environment_map(tmp_path):
    pixels = np.full((32, 64, 3), 0.1)
    pixels[10:12, 16] = (300.0, 200, 100)  # a lamp at the left, raised
    write_hdr(tmp_path / "map.hdr", pixels)
    light = Light.from_hdr(tmp_path / "map.hdr")
    azimuth, elevation = light.angles
    assert azimuth == pytest.approx(-90, abs=5) and elevation == pytest.approx(90 - 180 * 11 / 32, abs=6)
    assert light.luminance[0] == pytest.approx(USUAL_AMBIENT) and smallest_shading(light.luminance) > -1e-6
    assert light.coefficients[0, 0] > light.coefficients[0, 2]
    turned = Light.from_hdr(tmp_path / "map.hdr", turn=90)
    assert turned.angles[0] == pytest.approx(azimuth + 90)


def test_broken_maps_are_refused(tmp_path):
    path = tmp_path / "map.hdr"
    write_hdr(path, np.zeros((8, 16, 3)))
    with pytest.raises(RelightError, match="is black"):
        Light.from_hdr(path)
    content = path.read_bytes()
    write_hdr(path, np.random.default_rng(0).random((64, 128, 3)))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RelightError, match="broken or cut off"):
        Light.from_hdr(path)
    path.write_bytes(content.replace(b"-Y 8 +X 16", b"-Y 99999 +X 99999"))
    with pytest.raises(RelightError, match="million pixels"):
        Light.from_hdr(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(RelightError, match="not a Radiance map"):
        Light.from_hdr(path)
    with pytest.raises(RelightError, match="no environment map"):
        (tmp_path / "map.png").write_bytes(b"")
        Light.from_hdr(tmp_path / "map.png")


@pytest.mark.parametrize("value,message", [(-1.0, "negative"), (np.nan, "not numbers")])
def test_pixels_that_are_no_light_are_refused(tmp_path, monkeypatch, value, message):
    pixels = np.ones((8, 16, 3), np.float32)
    pixels[3, 4] = value
    (tmp_path / "map.hdr").write_bytes(b"")
    monkeypatch.setattr("tf_relight.light.files._read_radiance", lambda path: pixels)
    with pytest.raises(RelightError, match=message):
        Light.from_hdr(tmp_path / "map.hdr")


def test_exr_maps(tmp_path):
    openexr = pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    pixels = np.full((16, 32, 3), 0.5, np.float32)
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    with openexr.File(header, {"RGB": pixels}) as file:
        file.write(str(tmp_path / "map.exr"))
    assert Light.from_hdr(tmp_path / "map.exr").contrast == pytest.approx(0, abs=1e-6)
    (tmp_path / "broken.exr").write_bytes((tmp_path / "map.exr").read_bytes()[:100])
    with pytest.raises(RelightError, match="not a readable"):
        Light.from_hdr(tmp_path / "broken.exr")
    pixels[3, 4, 1] = -0.25
    with openexr.File(header, {"RGB": pixels}) as file:
        file.write(str(tmp_path / "negative.exr"))
    with pytest.raises(RelightError, match="negative pixels"):
        Light.from_hdr(tmp_path / "negative.exr")


def test_exr_without_the_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    (tmp_path / "map.exr").write_bytes(b"")
    with pytest.raises(RelightError, match=r"tf_relight\[exr\]"):
        Light.from_hdr(tmp_path / "map.exr")


def test_the_light_of_a_photo_is_what_the_network_says():
    def estimate_light(model, image):
        assert model == "network" and image.shape == (4, 4, 3)
        return np.arange(1, 10, dtype=np.float32)

    port = Port("source_light", "light", 1, domain="lightness")
    method = SimpleNamespace(estimate_light=estimate_light, info=SimpleNamespace(source_light=port))
    loaded = SimpleNamespace(model="network", method=method)
    light = Light.from_photo(loaded, np.zeros((4, 4, 3), np.float32))
    np.testing.assert_allclose(light.luminance, np.arange(1, 10))
    assert light.domain == "lightness"


@pytest.mark.parametrize("values", [np.ones(8), np.ones((3, 9)), "bright", [1, 2, None]])
def test_arrays_of_another_shape_are_refused(values):
    with pytest.raises(RelightError, match="A light must"):
        Light.from_array(values)


def test_arrays_that_are_not_finite_are_refused():
    with pytest.raises(RelightError, match="finite"):
        Light.from_array([1, 2, 3, 4, 5, 6, 7, 8, np.nan])


def test_the_demo_sphere_of_even_light_is_plain():
    picture = Light.from_preset("ambient").sphere(32, paper=True)
    assert set(np.unique(picture)) == {0, 127}


def test_description_in_words():
    assert describe(Light.from_preset("ambient")) == "even light from all around"
    assert describe(Light.from_direction(90, 0)).startswith("from the right (azimuth 90, elevation 0)")
    assert describe(Light.from_direction(-45, 30)).startswith("from the front left, 30 degrees up")
    assert describe(Light.from_direction(0, -85)).startswith("from straight below")


@pytest.mark.reference
@pytest.mark.parametrize("number", range(3))
def test_spheres_are_those_of_the_official_demo(reference_data, number):
    folder = reference_data / "dpr" / "dev"
    light = Light.from_file(folder / "example_light" / f"rotate_light_{number:02d}.txt")
    official = cv2.imread(str(folder / "official_result" / f"light_{number:02d}.png"))
    # The stretch to full range takes out the demo's factor, so any brightness gives the same picture.
    np.testing.assert_array_equal((light * 0.7).sphere(256, paper=True), official)


@pytest.mark.reference
def test_the_seven_demo_lights_are_one_light_turned_in_the_picture(reference_data):
    folder = reference_data / "dpr" / "dev" / "example_light"
    first = Light.from_file(folder / "rotate_light_00.txt")
    for number in range(7):
        official = Light.from_file(folder / f"rotate_light_{number:02d}.txt")
        turned = first.rotate(roll=-360 / 7 * number)
        np.testing.assert_allclose(turned.coefficients, official.coefficients, atol=1e-13)


@pytest.mark.reference
def test_an_official_sfsnet_file(reference_data):
    path = reference_data / "sfsnet" / "dev" / "light_txt" / "0003" / "000041_light_1_3.txt"
    light = Light.from_file(path)
    # The file: 1, z (toward the camera), x (down), y (right), ... of red; then green, then blue.
    numbers = np.loadtxt(path).reshape(3, 9)
    np.testing.assert_allclose(light.coefficients[0], numbers[:, 0])
    np.testing.assert_allclose(light.coefficients[1], -numbers[:, 1], atol=1e-12)
    np.testing.assert_allclose(light.coefficients[2], -numbers[:, 2], atol=1e-12)
    np.testing.assert_allclose(light.coefficients[3], numbers[:, 3], atol=1e-12)
