"""The graph's picture functions give the numbers of the toolkit's NumPy path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from export.photo_graph import light_graph, picture_graph, transfer_graph
from tests.portrait_stand_in import OWN_LIGHT, Shader
from tf_relight import methods
from tf_relight.contract.card import Port
from tf_relight.light.light import Light
from tf_relight.photo import colour, lightness, transfer
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.reading import read_picture
from tf_relight.relighting import coloured, light_range, portraits
from tf_relight.relighting.photos import relight_picture
from tf_relight.relighting.request import RelightOptions

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RANDOM = np.random.default_rng(0)


def psnr(ours, theirs) -> float:
    return -10 * np.log10(max(np.mean(np.square(np.asarray(ours, np.float64) - theirs)), 1e-20))


def photo(name: str) -> np.ndarray:
    return read_picture(EXAMPLES / name).pixels


def with_depths() -> np.ndarray:
    """Random pixels, some black, white and nearly black."""
    pixels = RANDOM.random((37, 41, 3)).astype(np.float32)
    pixels[0], pixels[1] = 0, 1
    pixels[2] *= 0.02
    return pixels


def open_function(function, *channels: int):
    """Trace a function of pictures once for all sizes."""
    specs = [tf.TensorSpec((None, None, count), tf.float32) for count in channels]
    graph = tf.function(function, input_signature=specs)
    return lambda *pictures: graph(*pictures).numpy()


# -- Colour --------------------------------------------------------------------------------------------------


def test_lab_there_and_back():
    pixels = with_depths()
    lab = colour.rgb_to_lab(pixels)
    np.testing.assert_allclose(picture_graph.rgb_to_lab(pixels), lab, atol=1e-4)
    np.testing.assert_allclose(picture_graph.lab_to_rgb(lab), pixels, atol=5e-6)


def test_lightness_and_its_change():
    pixels = with_depths()
    before = lightness.lightness(pixels)
    np.testing.assert_allclose(picture_graph.lightness(pixels)[..., 0], before, atol=1e-6)
    after = np.clip(before * RANDOM.uniform(0.3, 1.9, before.shape), 0, 1).astype(np.float32)
    found = picture_graph.change_lightness(pixels, before[..., None], after[..., None])
    np.testing.assert_allclose(found, lightness.change_lightness(pixels, before, after), atol=2e-6)


def test_weave_is_taken_out_as_there():
    before = cv2.GaussianBlur(RANDOM.random((200, 160)).astype(np.float32), (0, 0), 2)
    after = np.clip(1.2 * before + RANDOM.normal(0, 0.05, before.shape), 0, 1).astype(np.float32)
    found = picture_graph.without_weave(before[..., None], after[..., None], 200)[..., 0]
    np.testing.assert_allclose(found, portraits.without_weave(before, after), atol=5e-6)


# -- Light ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("azimuth", "elevation"), [(0, 0), (-60, 30), (120, -40), (10, 90), (400, -90), (9999, 20)]
)
def test_angles_and_brightness(azimuth, elevation):
    light = Light.from_direction(azimuth, elevation)
    found = light_graph.from_angles(tf.constant(float(azimuth)), tf.constant(float(elevation)), 0)
    np.testing.assert_allclose(found, light.luminance, atol=1e-6)
    own = np.float32([0.7, 0, 0.1, 0, 0, 0, 0, 0, 0])
    taken, same, gain = light_graph.exposed(found, "linear", "lightness", tf.constant(own))
    expected = light_range.exposed(light, "lightness", own)
    # The root is steep near black, where float32 and float64 differ.
    np.testing.assert_allclose(taken, expected.numbers, atol=2e-4)
    np.testing.assert_allclose(same, expected.own, atol=1e-6)
    assert float(gain) == pytest.approx(expected.gain, rel=1e-4)
    alone = light_graph.network_light(found, "linear", "lightness")
    np.testing.assert_allclose(alone, light_range.network_light(light, "lightness"), atol=2e-4)


@pytest.mark.parametrize("first", [0.2, 0.6, 3.0])
def test_lights_of_any_brightness_come_into_range(first):
    values = np.array([first, 0.3, 0.4, -0.5, 0, 0, 0.2, 0, 0.1], np.float32)
    for domain in ("lightness", "linear"):
        expected = light_range.network_light(Light.from_array(values, domain=domain), domain)
        taken = light_graph.network_light(tf.constant(values), domain, domain)
        np.testing.assert_allclose(taken, expected, atol=1e-6)


def test_coloured_lights_are_told_in_lightness_as_there():
    light = Light.from_direction(-50, 20, temperature=3000)
    port = Port("light", "light", 3, domain="lightness")
    flat = tf.constant(light.coefficients.T.ravel(), tf.float32)
    found, gain = light_graph.network_numbers(flat, "linear", port, 0)
    expected, expected_gain = coloured.network_numbers(light, port)
    np.testing.assert_allclose(np.reshape(found, (3, 9)).T, expected, atol=1e-3)
    assert float(gain) == expected_gain == 1.0


@pytest.mark.parametrize("kelvin", [2500.0, 6500.0, 15000.0])
def test_tint_of_a_lamp(kelvin):
    expected = colour.planckian_rgb(kelvin) / colour.planckian_rgb(6500)
    np.testing.assert_allclose(light_graph.tint(tf.constant(kelvin)), expected, atol=1e-6)


def test_percentile_is_numpys():
    values = RANDOM.random((31, 17)).astype(np.float32)
    assert float(light_graph.percentile(values, 95)) == pytest.approx(np.percentile(values, 95), abs=1e-7)


BAD_LIGHTS = {
    "NaN": (lambda: light_graph.check_light(tf.fill([9], np.nan), 4), "Light.*4.*holds NaN"),
    "dark": (lambda: light_graph.check_light(tf.zeros(9), 4), "Light.*4.*is dark"),
    "elevation": (
        lambda: light_graph.from_angles(tf.constant(0.0), tf.constant(91.0), 0),
        "91.*outside -90..90",
    ),
    "azimuth": (lambda: light_graph.from_angles(tf.constant(np.inf), tf.constant(0.0), 2), "2.*not a finite"),
    "kelvin": (lambda: light_graph.tint(tf.constant(500.0)), "500.*outside 1000..15000 K"),
    "NaN kelvin": (lambda: light_graph.tint(tf.constant(np.nan)), "outside 1000..15000 K"),
}


@pytest.mark.parametrize(("make", "message"), BAD_LIGHTS.values(), ids=BAD_LIGHTS)
def test_says_what_is_wrong_with_a_light(make, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.function(make)()


# -- Transfer ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[3, 1], ids=["colour", "lightness"])
def transfers(request):
    """Both ways to transfer, and how to make a picture of their channels."""
    channels = request.param
    foot = transfer.SRGB_FOOT if channels == 3 else transfer.LIGHTNESS_FOOT
    graph = open_function(lambda *pictures: transfer_graph.transfer(*pictures, foot), *[channels] * 3)

    def reference(full, before, after):
        return transfer.transfer(full, before, after, foot=foot)

    return graph, reference, lambda pixels: np.ascontiguousarray(pixels[..., 3 - channels :])


@pytest.mark.parametrize(("name", "softness"), [("coffee.jpg", 1.4), ("astronaut.jpg", 0.0)])
def test_transfer_is_the_toolkits(name, softness, transfers):
    graph, reference, channels_of = transfers
    full = channels_of(photo(name))
    before = resize(full, (full.shape[0] // 3 + 1, full.shape[1] // 3))
    across = np.linspace(0.3, 1.3, before.shape[1], dtype=np.float32)[:, None]
    after = np.clip(before * across, 0, 1)
    if softness:
        after = cv2.GaussianBlur(after, (0, 0), softness).reshape(before.shape)
    expected = reference(full, before, after)
    assert psnr(expected, full) < 30  # the light did change
    # 132 dB as measured; OpenCV rounds places to 1/32, which a sharp grid would show.
    assert psnr(graph(full, before, after), expected) > 110


@pytest.mark.parametrize("size", [(1, 1), (129, 257)])
def test_transfer_of_any_size(size, transfers):
    graph, reference, channels_of = transfers
    full = channels_of(RANDOM.random((*size, 3)).astype(np.float32))
    before = resize(full, (max(1, size[0] // 2), max(1, size[1] // 2)))
    after = np.sqrt(before)
    np.testing.assert_allclose(graph(full, before, after), reference(full, before, after), atol=2e-4)


@pytest.mark.parametrize("size", [(20, 30), (90, 100), (30, 90)])
def test_resize_is_the_toolkits(size):
    pixels = RANDOM.random((57, 43, 3)).astype(np.float32)
    np.testing.assert_allclose(transfer_graph.resize(pixels, *size), resize(pixels, size), atol=5e-5)


# -- Whole pictures ------------------------------------------------------------------------------------------


def shader_network(luminance, light):
    """`portrait_stand_in.Shader` in TensorFlow."""
    across = tf.linspace(-1.0, 1.0, tf.shape(luminance)[2])[:, None]
    relit = luminance * (0.75 + 0.25 * across * tf.clip_by_value(2 * light[:, 3, None, None, None], -1, 1))
    return relit, tf.constant(OWN_LIGHT)[None]


@pytest.mark.parametrize(("size", "kelvin"), [((80, 60), None), ((20, 28), 3000.0)])
def test_portrait_is_the_toolkits_without_faces(size, kelvin):
    pixels = resize(photo("astronaut.jpg"), size)
    light = Light.from_direction(70, 20)
    loaded = SimpleNamespace(model="the model", method=Shader(), metadata={})
    relighter = portraits.PortraitRelighter(Picture(pixels), loaded, size=64, faces=())
    expected = relighter.relight(RelightOptions(light=light, temperature=kelvin)).pixels
    values, port = tf.constant(light.luminance, tf.float32), methods.get("dpr512").info.light
    lamp = None if kelvin is None else light_graph.tint(tf.constant(kelvin))
    found = picture_graph.relight_portrait(pixels, shader_network, 64, values, "linear", port, 0, lamp)
    assert psnr(expected, pixels) < 30
    assert psnr(found, expected) > 80


@pytest.mark.parametrize("size", [(80, 60), (20, 28)])
def test_scene_is_the_toolkits(size):
    pixels = resize(photo("coffee.jpg"), size)

    def network(image):
        return 1.1 * image**2

    method = SimpleNamespace(
        name="squares",
        info=replace(methods.get("dmshn").info, native_size=32),
        check_mode=lambda mode: None,
        relight=lambda model, image, mode: np.clip(network(image), 0, 1),
    )
    loaded = SimpleNamespace(model=None, method=method, metadata={"size": 40})
    expected = relight_picture(Picture(pixels), loaded).pixels
    assert psnr(picture_graph.relight_scene(pixels, network, 40), expected) > 80


def test_networks_that_fail_are_named():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Use other weights"):
        picture_graph.relight_scene(photo("coffee.jpg"), lambda image: image * np.nan, 32)
