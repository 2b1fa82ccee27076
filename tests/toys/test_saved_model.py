"""Methods that give pictures in colour and take a light, as a SavedModel."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_relight.light.lamps import light_as
from tf_relight.light.light import Light

LIGHT = Light.from_array(
    Light.from_direction(60, 20).luminance[:, None] * np.array([1.2, 1.0, 0.7], np.float32)
)


@pytest.fixture(scope="module", params=["toy_sfsnet", "toy_siamese"])
def served(request, runs, tmp_path_factory):
    """A toy and the signatures of its SavedModel."""
    import tensorflow as tf

    from export.saved_model.write import WeightsOrigin, export_savedmodel
    from tests.toys import TOYS
    from tf_relight import methods
    from tf_relight.methods.trained import load_model

    with pytest.MonkeyPatch.context() as patch:
        for name, module in TOYS.items():
            patch.setitem(methods.METHODS, name, module)
        loaded = load_model(runs / request.param / "weights.safetensors")
        folder = Path(
            export_savedmodel(
                loaded,
                tmp_path_factory.mktemp("served"),
                side=32,
                origin=WeightsOrigin("toy", "0", "none"),
                warmup=False,
            )
        )
        yield loaded, tf.saved_model.load(str(folder)).signatures


def numbers(loaded, light: Light) -> np.ndarray:
    """A light as the signatures take it, (1, 9 C)."""
    values = np.asarray(light.coefficients, np.float32)
    return light_as(values, loaded.method.info.light.channels).T.reshape(1, -1).astype(np.float32)


def test_floats_are_those_of_keras(served):
    import tensorflow as tf

    from tf_relight.methods.method import light_input

    loaded, signatures = served
    image = np.random.default_rng(0).random((1, 32, 48, 3), dtype=np.float32)
    given = numbers(loaded, LIGHT)
    channels = loaded.method.info.light.channels
    light = light_input(loaded.method.info.light, given.reshape(channels, 9).T)
    expected = loaded.method.relight(loaded.model, image[0], light)
    found = signatures["relight"](image=tf.constant(image), light=tf.constant(given))["relit"]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("by", ["light", "angles"])
def test_files_are_those_of_relight_image(served, by):
    """The photo has no face, so that the toolkit takes all of it, as the graph does."""
    import tensorflow as tf

    from tf_relight.photo.picture import Picture
    from tf_relight.relighting.coloured import relight_in_colour
    from tf_relight.relighting.request import RelightOptions

    loaded, signatures = served
    coarse = np.random.default_rng(2).integers(40, 220, (9, 12, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    photo.save(stream, "PNG")
    content = tf.constant([stream.getvalue()])
    if by == "light":
        grey = loaded.method.info.light.channels == 1
        light = Light.from_array(np.repeat(LIGHT.luminance[:, None], 3, axis=1)) if grey else LIGHT
        options = RelightOptions(light=light, size=32)
        made = signatures["relight_png"](image_bytes=content, light=tf.constant(numbers(loaded, light)))
    else:
        options = RelightOptions(light=Light.from_direction(60, 20), size=32, temperature=3000)
        angles = {
            "azimuth": tf.constant([60.0]),
            "elevation": tf.constant([20.0]),
            "temperature": tf.constant([3000.0]),
        }
        made = signatures["relight_angles"](image_bytes=content, **angles)
    relit = relight_in_colour(Picture(np.asarray(photo)), loaded, options).pixels
    found = np.asarray(Image.open(io.BytesIO(made["relit_bytes"].numpy()[0])).convert("RGB"))
    expected = np.rint(relit * 255).astype(np.uint8)
    if by == "angles":
        stream = io.BytesIO()
        Image.fromarray(expected).save(stream, "JPEG", quality=95, subsampling=0)
        expected = np.asarray(Image.open(stream))
    error = np.mean(np.square((found.astype(np.float64) - expected) / 255))
    assert -10 * np.log10(error + 1e-12) > 50
    assert np.abs(relit - np.asarray(photo, np.float32) / 255).mean() > 0.02


def test_a_light_that_is_no_number_is_refused(served):
    import tensorflow as tf

    loaded, signatures = served
    light = numbers(loaded, LIGHT) * np.nan
    count = "27" if light.size == 27 else "nine"
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"Send {count} finite numbers"):
        signatures["relight"](image=tf.zeros((1, 32, 32, 3)), light=tf.constant(light))
