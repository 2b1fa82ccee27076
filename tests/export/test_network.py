"""The network as a function of named tensors: the numbers of Keras, in forms that phones run."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from export.network import leave_mirroring, phone_forms, relight_function
from tests.export.int8.rounding import picture, rounding_network
from tests.export.narrow import narrow_model
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import image_map
from tf_relight.networks.layers import Downsample2x

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("size", [64, None])
def test_scenes_are_the_models_clipped_output(size):
    loaded = narrow_model("dmshn")
    function, inputs, outputs = relight_function(loaded, size)
    image = RANDOM.uniform(0, 1, (1, 64, 64, 3)).astype(np.float32)
    found = function(image=image)
    assert [spec.name for spec in inputs] == ["image"] and set(found) == {spec.name for spec in outputs}
    expected = np.clip(loaded.model(image), 0, 1)
    assert 0 < expected.std()
    np.testing.assert_allclose(found["relit"], expected, atol=1e-6)


def test_the_clip_may_be_left_to_a_converter():
    loaded = narrow_model("dmshn")
    image = np.full((1, 32, 32, 3), 40.0, np.float32)
    free, _, _ = relight_function(loaded, 32, clip="none")
    clipped, _, _ = relight_function(loaded, 32)
    value = free(image=image)["relit"].numpy()
    assert value.min() < 0 or value.max() > 1
    np.testing.assert_array_equal(clipped(image=image)["relit"], value.clip(0, 1))


def test_rounding_is_left_out_unless_it_is_asked_for():
    loaded = rounding_network()
    image = picture(32, 5)
    rounded = np.asarray(loaded.model(image))
    loaded.model.set_switches(quantise=False)
    exact = np.clip(loaded.model(image), 0, 1)
    loaded.model.set_switches(quantise=True)
    assert np.abs(rounded - exact).max() > 0.002
    for size in (32, None):
        plain, _, _ = relight_function(loaded, size)
        np.testing.assert_allclose(plain(image=image)["relit"], exact, atol=1e-6)
        same, _, _ = relight_function(loaded, size, rounded=True)
        np.testing.assert_array_equal(same(image=image)["relit"], rounded)
    assert loaded.model.int8.on


@pytest.mark.parametrize("size", [64, None])
def test_portraits_give_the_picture_and_its_own_light(size):
    loaded = narrow_model("dpr512")
    function, _, outputs = relight_function(loaded, size)
    image = RANDOM.uniform(0, 1, (1, 64, 64, 1)).astype(np.float32)
    light = RANDOM.normal(0, 1, (1, 1, 1, 9)).astype(np.float32)
    found = function(image=image, light=light)
    expected = loaded.model.forward(image, light.reshape(1, 9), training=False)
    np.testing.assert_allclose(found["relit"], expected["output"], atol=1e-6)
    np.testing.assert_allclose(found["source_light"], np.reshape(expected["light"], (1, 1, 1, 9)), atol=1e-6)
    assert {spec.name: spec.shape for spec in outputs if size}.get("source_light", (1, 1, 1, 9)) == (
        1,
        1,
        1,
        9,
    )


def test_open_sizes_take_a_batch():
    function, _, _ = relight_function(narrow_model("dpr512"), None)
    image = RANDOM.uniform(0, 1, (3, 48, 32, 1)).astype(np.float32)
    light = RANDOM.normal(0, 1, (3, 1, 1, 9)).astype(np.float32)
    both = function(image=image, light=light)
    one = function(image=image[1:2], light=light[1:2])
    np.testing.assert_allclose(both["relit"][1:2], one["relit"], atol=1e-5)
    np.testing.assert_allclose(both["source_light"][1:2], one["source_light"], atol=1e-5)


def test_phone_forms_halve_by_resizing_and_are_taken_back():
    loaded = narrow_model("dmshn")
    layers = [each for each in loaded.model._flatten_layers() if isinstance(each, Downsample2x)]
    assert layers
    graph = tf.function(lambda x: loaded.model(x))

    def kinds() -> set[str]:
        made = tf.function(graph.python_function).get_concrete_function(tf.TensorSpec((1, 32, 32, 3)))
        return {node.op for node in made.graph.as_graph_def().node}

    with phone_forms(loaded.model):
        assert "AvgPool" not in kinds()
    assert "AvgPool" in kinds()
    assert all("call" not in vars(each) for each in layers)


def test_a_slope_that_all_channels_share_is_repeated_for_each():
    import keras

    layer = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2, 3])
    x = RANDOM.normal(0, 1, (2, 4, 4, 6)).astype(np.float32)
    expected = np.asarray(layer(x))
    model = keras.Sequential([layer])
    with phone_forms(model):
        np.testing.assert_array_equal(model(x), expected)
        graph = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec(x.shape)).graph
    slopes = [each.outputs[0].shape for each in graph.get_operations() if each.type == "Neg"]
    assert [1, 1, 6] in slopes
    np.testing.assert_array_equal(layer(x), expected)


def test_the_forms_are_taken_back_after_an_error():
    loaded = narrow_model("dmshn")
    with pytest.raises(KeyError), phone_forms(loaded.model):
        raise KeyError
    assert not any("call" in vars(each) for each in loaded.model._flatten_layers())


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(RelightError, match="dpr512 cannot be written for 40 pixels"):
        relight_function(narrow_model("dpr512"), 40)


def test_the_mean_with_the_mirrored_picture_may_be_left_to_the_app():
    loaded = narrow_model("lit_unet")
    image = RANDOM.uniform(0, 1, (1, 32, 32, 1)).astype(np.float32)
    light = RANDOM.normal(0, 0.3, (1, 1, 1, 9)).astype(np.float32)
    signs = np.diag(image_map("hflip")).astype(np.float32)
    function, _, _ = relight_function(loaded, 32)
    whole = function(image=image, light=light)
    leave_mirroring(loaded)
    there = function(image=image, light=light)
    back = function(image=image[:, :, ::-1], light=light * signs)
    mean = (there["relit"] + back["relit"][:, :, ::-1]) / 2
    np.testing.assert_allclose(mean, whole["relit"], atol=1e-6)
    np.testing.assert_allclose(
        (there["source_light"] + signs * back["source_light"]) / 2, whole["source_light"], atol=1e-6
    )
    assert np.abs(there["relit"] - whole["relit"]).max() > 1e-5
    with pytest.raises(RelightError, match="takes no mean with the mirrored picture"):
        leave_mirroring(narrow_model("dmshn"))
