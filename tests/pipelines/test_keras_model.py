"""Networks as Keras models, photos in every form, and finding methods."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

import tf_relight
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.pipelines.keras_model import PictureModel
from tf_relight.relighting.in_python import as_picture

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def portraits() -> PictureModel:
    return tf_relight.load("lit_unet")


def pictures(count: int = 2, size: int = 32) -> np.ndarray:
    coarse = RNG.random((count, 4, 4, 3)).astype(np.float32)
    return np.asarray(keras.ops.image.resize(coarse, (size, size), data_format="channels_last"))


def test_predict_gives_what_the_method_gives(portraits):
    light, given = Light.from_preset("split"), pictures()
    got = portraits.predict({"image": given, "light": portraits.lights([light] * 2)}, verbose=0)
    loaded = tf_relight.load_model("lit-unet-humans-128-v1")
    want = [loaded.method.relight(loaded.model, each, light.grey("lightness")) for each in given]
    # Measured 2e-6: the change to Lab and back in float32 here, in float64 there.
    np.testing.assert_allclose(got, np.stack(want), atol=2e-5)


def test_fit_and_evaluate_are_those_of_keras():
    model = PictureModel(
        "lit_unet", tf_relight.methods.get("lit_unet").small_config().model_dump(mode="json")
    )
    given, target = pictures(4), pictures(4)
    inputs = {"image": given, "light": model.lights(Light.from_preset("loop")).repeat(4, axis=0)}
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mae", metrics=["mse"])
    before = model.evaluate(inputs, target, verbose=0, return_dict=True)
    history = model.fit(inputs, target, epochs=8, batch_size=2, verbose=0)
    assert set(before) == {"loss", "mse"} and history.history["loss"][-1] < history.history["loss"][0]


def test_a_saved_model_is_the_same_model(portraits, tmp_path):
    portraits.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = {"image": pictures(1), "light": portraits.lights(Light.from_preset("split"))}
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), portraits.predict(inputs, verbose=0))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (np.zeros((1, 32, 32, 3), np.float32), "takes image and light, not image"),
        (
            {"image": np.zeros((32, 32, 3)), "light": np.zeros((1, 9, 1))},
            r"\(B, H, W, 3\), not \(32, 32, 3\)",
        ),
    ],
)
def test_wrong_inputs_are_told(portraits, inputs, said):
    with pytest.raises(RelightError, match=said):
        portraits(inputs)


def test_a_fixed_light_takes_no_light_and_unknown_names_are_told():
    model = PictureModel("dmshn", {"width": 4})
    assert model.predict(pictures(1), verbose=0).shape == (1, 32, 32, 3)
    with pytest.raises(RelightError, match="its light is fixed"):
        model.lights(Light.from_preset("split"))
    with pytest.raises(RelightError, match="No weights ship with 'unet'"):
        tf_relight.load("unet")


def test_a_photo_comes_in_every_form(tmp_path):
    pixels = RNG.integers(0, 256, (8, 6, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    forms = [tmp_path / "a.png", str(tmp_path / "a.png"), image, pixels, keras.ops.convert_to_tensor(pixels)]
    for form in forms:
        np.testing.assert_array_equal(as_picture(form).stored, pixels)
    clear = Image.fromarray(np.dstack([pixels, np.full((8, 6), 51, np.uint8)]))
    np.testing.assert_allclose(as_picture(clear).alpha, 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((2, 4, 4, 3)), "A batch of shape"),
        (np.zeros((4, 4)), r"shape \(H, W, 3\), not \(4, 4\)"),
        (np.zeros((4, 4, 3), np.int32), "uint8 or floating point 0..1, not int32"),
        (np.full((4, 4, 3), 200.0), "Divide 8-bit values by 255"),
        (3, "a int came"),
        (None, "a NoneType came"),
    ],
)
def test_what_is_no_photo_is_told(wrong, said):
    with pytest.raises(RelightError, match=said):
        tf_relight.relight(wrong, method="dmshn")


def test_relight_gives_a_picture_that_shows_and_saves_itself(tmp_path):
    relit = tf_relight.relight(RNG.integers(0, 256, (40, 48, 3), dtype=np.uint8), method="dmshn")
    assert relit.shape == (40, 48, 3) and relit.image.size == (48, 40)
    assert np.asarray(relit).dtype == np.float32
    assert relit._repr_png_().startswith(b"\x89PNG") and relit._repr_html_().count("<img") == 2
    relit.save(tmp_path / "relit.png")
    np.testing.assert_array_equal(as_picture(tmp_path / "relit.png").stored, np.asarray(relit.image))
    with pytest.raises(RelightError, match="A light is a tf_relight.Light or a word"):
        tf_relight.relight(relit, light=7)


def test_methods_are_found_by_what_they_do():
    assert tf_relight.list_models("DPR*") == ["dpr512", "dpr1024"]
    assert "lit_unet" in tf_relight.list_models(task="portrait", pretrained=True)
    assert set(tf_relight.list_models(takes_light=True)).isdisjoint(tf_relight.list_models(takes_light=False))
    assert tf_relight.list_models("nothing*") == []
    with pytest.raises(RelightError, match="filter is empty"):
        tf_relight.list_models(" ")
