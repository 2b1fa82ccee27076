"""What a SavedModel answers: the numbers of Keras, pictures of any size, clear words for bad input."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.saved_model.write import WeightsOrigin, export_savedmodel
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.picture import Picture
from tf_relight.photo.reading import read_picture
from tf_relight.relighting.photos import load_for, relight_picture
from tf_relight.relighting.portraits import PortraitRelighter
from tf_relight.relighting.request import RelightOptions

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
LIGHT = Light.from_direction(60, 20)
RANDOM = np.random.default_rng(0)


def photo(name: str, size: tuple[int, int], kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.open(EXAMPLES / name).resize(size[::-1]).save(stream, kind, **options)
    return stream.getvalue()


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).astype(np.float32) / 255


def psnr(ours, theirs) -> float:
    return -10 * np.log10(max(np.mean(np.square(np.asarray(ours, np.float64) - theirs)), 1e-20))


# -- Numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 48), (37, 61)])
def test_floats_of_scenes_are_those_of_keras(size, scene):
    image = RANDOM.random((2, *size, 3)).astype(np.float32)
    expected = [scene.loaded.method.relight(scene.loaded.model, each) for each in image]
    found = scene.signatures["relight"](image=tf.constant(image))["relit"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 48), (37, 61)])
def test_floats_of_portraits_are_those_of_keras(size, portrait):
    image = RANDOM.random((2, *size, 3)).astype(np.float32)
    lights = np.stack([LIGHT.luminance, LIGHT.mirror().luminance]).astype(np.float32)
    pairs = zip(image, lights, strict=True)
    method, model = portrait.loaded.method, portrait.loaded.model
    expected = [method.relight(model, each, light) for each, light in pairs]
    found = portrait.signatures["relight"](image=tf.constant(image), light=tf.constant(lights))["relit"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_files_of_scenes_are_those_of_relight_image(scene):
    contents = photo("coffee.jpg", (100, 150)), photo("astronaut.jpg", (40, 30))
    found = scene.files("relight_png", *contents)
    for ours, content in zip(found, contents, strict=True):
        expected = relight_picture(Picture(pixels_of(content)), scene.loaded).pixels
        assert psnr(pixels_of(ours), expected) > 55  # what 8 bits leave


def test_files_of_portraits_are_those_of_relight_image(portrait):
    contents = photo("astronaut.jpg", (120, 90)), photo("astronaut.jpg", (31, 40))
    lights = LIGHT.told_in("lightness"), LIGHT.mirror().told_in("lightness")
    found = portrait.files("relight_png", *contents, light=[light.luminance for light in lights])
    for ours, content, light in zip(found, contents, lights, strict=True):
        relighter = PortraitRelighter(Picture(pixels_of(content)), portrait.loaded, faces=())
        assert psnr(pixels_of(ours), relighter.relight(RelightOptions(light=light)).pixels) > 55


@pytest.mark.slow
def test_angles_are_those_of_the_toolkit(portrait):
    content = photo("astronaut.jpg", (120, 90))
    angles = {"azimuth": [60, 60], "elevation": [20, 20], "temperature": [6500, 3000]}
    found = [pixels_of(each) for each in portrait.files("relight_angles", content, content, **angles)]
    relighter = PortraitRelighter(Picture(pixels_of(content)), portrait.loaded, faces=())
    for ours, kelvin in zip(found, (None, 3000), strict=True):
        expected = relighter.relight(RelightOptions(light=LIGHT, temperature=kelvin)).pixels
        stream = io.BytesIO()
        image = Image.fromarray(np.rint(expected * 255).astype(np.uint8))
        image.save(stream, "JPEG", quality=95, subsampling=0)
        assert psnr(ours, pixels_of(stream.getvalue())) > 50
    red, _, blue = (found[1] - found[0]).mean((0, 1))
    assert red > 0 > blue


def test_a_batch_gives_what_its_pictures_give_alone(scene):
    sideways = Image.Exif()
    sideways[0x0112] = 6
    contents = (
        photo("coffee.jpg", (60, 90), "JPEG", exif=sideways),
        photo("astronaut.jpg", (33, 20), "WEBP"),
        photo("astronaut.jpg", (80, 80), "PNG"),
    )
    together = scene.files("relight_png", *contents)
    assert [pixels_of(each).shape for each in together] == [(90, 60, 3), (33, 20, 3), (80, 80, 3)]
    assert together == [scene.files("relight_png", content)[0] for content in contents]


def test_an_empty_batch_gives_an_empty_one(scene):
    assert scene.files("relight_png") == []


WITHOUT_KERAS = """
import sys
for name in ("keras", "tf_relight", "export"):
    sys.modules[name] = None
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
"""


@pytest.mark.slow
def test_files_without_keras_and_this_package(scene, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo("coffee.jpg", (50, 70), "JPEG"))
    script = """
content = tf.constant([open("photo.jpg", "rb").read()])
relit = model.signatures["serving_default"](image_bytes=content)["relit_bytes"]
open("relit.jpg", "wb").write(relit.numpy()[0])
"""
    words = [sys.executable, "-c", WITHOUT_KERAS + script, scene.folder]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=120)
    content = (tmp_path / "relit.jpg").read_bytes()
    assert content.startswith(b"\xff\xd8\xff")
    by_png = scene.files("relight_png", (tmp_path / "photo.jpg").read_bytes())[0]
    assert psnr(pixels_of(content), pixels_of(by_png)) > 35  # what JPEG leaves


@pytest.mark.slow
def test_saved_model_cli(scene, tmp_path):
    tool = Path(sys.executable).with_name("saved_model_cli")
    shown = subprocess.run(
        [tool, "show", "--dir", scene.folder, "--all"], capture_output=True, text=True, check=True
    )
    for name in ("relight", "relight_jpeg", "relight_png", "serving_default"):
        assert f"signature_def['{name}']" in shown.stdout
    np.save(tmp_path / "files.npy", np.array([photo("coffee.jpg", (50, 70), "JPEG")]))
    chosen = ["--tag_set", "serve", "--signature_def", "relight_jpeg", "--outdir", tmp_path]
    given = ["--inputs", f"image_bytes={tmp_path / 'files.npy'}"]
    subprocess.run([tool, "run", "--dir", scene.folder, *chosen, *given], check=True, capture_output=True)
    content = np.load(tmp_path / "relit_bytes.npy", allow_pickle=True)[0]
    assert pixels_of(content).shape == (50, 70, 3)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dmshn", "dpr512", "lit_unet"])
def test_real_photos_through_real_networks(method, tmp_path, reference_data):
    try:
        loaded = load_for(method, None)
    except RelightError as error:
        pytest.skip(str(error))
    folder = export_savedmodel(loaded, tmp_path, origin=WeightsOrigin("", "", ""), warmup=False)
    signature = tf.saved_model.load(str(folder)).signatures["relight_png"]
    portraits = reference_data / "portraits" / "dev"
    path = EXAMPLES / "coffee.jpg" if method == "dmshn" else portraits / "ffhq_00110.png"
    picture, inputs = read_picture(path), {}
    if method == "dmshn":
        expected = relight_picture(picture, loaded).pixels
    else:
        relighter = PortraitRelighter(picture, loaded, faces=())
        told = LIGHT.told_in("lightness")
        expected = relighter.relight(RelightOptions(light=told)).pixels
        inputs["light"] = tf.constant(told.luminance[None], tf.float32)
    found = signature(image_bytes=tf.constant([path.read_bytes()]), **inputs)["relit_bytes"].numpy()[0]
    assert psnr(expected, picture.pixels) < 25
    # Measured between the two pictures of 8 bits: 86.7 dB for DMSHN, 94.0 dB for DPR.
    assert psnr(pixels_of(found), np.rint(expected * 255) / 255) > 75


# -- Bad requests --------------------------------------------------------------------------------------------

TOO_MANY = photo("coffee.jpg", (500, 500))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no picture", "Picture.*1.*not a JPEG"), (TOO_MANY, "500.*more than the limit of 200,000")],
)
def test_bad_files_are_named(content, message, scene):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        scene.files("relight_png", photo("coffee.jpg", (20, 20)), content)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((1, 8, 8, 3), np.nan), "image holds NaN"),
        (np.full((1, 8, 8, 3), 200.0), "Divide 8-bit values by 255"),
        (np.zeros((1, 2049, 2048, 3)), "limit of 4,194,304 for floats.*2049.*2048.*relight_jpeg"),
        (np.zeros((1, 0, 100, 3)), "image has no pixels"),
    ],
)
def test_bad_floats_are_named(image, message, scene):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        scene.signatures["relight"](image=tf.constant(image, tf.float32))


@pytest.mark.parametrize(
    ("light", "message"),
    [
        ([[np.nan] * 9], "Light.*0.*holds NaN"),
        ([[0.0] * 9], "Light.*0.*is dark"),
        ([[0.8] * 9] * 2, "light.*has.*2.*entries for.*1.*pictures"),
    ],
)
def test_bad_lights_are_named(light, message, portrait):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        portrait.files("relight_png", photo("astronaut.jpg", (20, 20)), light=light)


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        ({"azimuth": [np.inf]}, "Light.*0.*an angle that is not a finite number"),
        ({"elevation": [np.nan]}, "Light.*0.*an angle that is not a finite number"),
        ({"elevation": [91.0]}, "91.*outside -90..90"),
        ({"temperature": [np.nan]}, "outside 1000..15000 K"),
    ],
)
def test_bad_angles_are_named(angles, message, portrait):
    given = {"azimuth": [30.0], "elevation": [20.0], "temperature": [6500.0], **angles}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        portrait.files("relight_angles", photo("astronaut.jpg", (20, 20)), **given)


def test_bad_light_beside_floats(portrait):
    image = tf.zeros((1, 8, 8, 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="light holds NaN"):
        portrait.signatures["relight"](image=image, light=tf.fill([1, 9], np.nan))
