"""Relighting as augmentation: the interface of Keras' layers, the lights, the portrait path's numbers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tf_relight
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.pipelines.distribution import LightDistribution
from tf_relight.pipelines.random_relight import RandomRelight

LEFT_ONLY = {"lamps": {"azimuth": [-90, -90], "elevation": [10, 10], "second": 0}, "strength": [1, 1]}


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    from tf_relight.carried import EXAMPLES, carried_folder
    from tf_relight.photo.picture import resize
    from tf_relight.photo.reading import read_picture

    photo = read_picture(carried_folder(EXAMPLES) / "astronaut.jpg").pixels
    return np.stack([resize(photo, (64, 64))] * 4)


@pytest.fixture(scope="module")
def layer() -> RandomRelight:
    return RandomRelight(LEFT_ONLY, rate=1.0, value_range=(0, 1), size=64, seed=5)


def test_light_from_the_left_lightens_the_left(layer, faces):
    ratio = (np.asarray(layer(faces)) + 0.01) / (faces + 0.01)
    left, right = (ratio[:, 16:30, part].mean((1, 2, 3)) for part in (slice(24, 30), slice(33, 38)))
    # How soft the lamp is and how much even light is around it differ from picture to picture: 1.07 to 1.25.
    assert (left > 1.05 * right).all()


def test_it_is_what_the_portrait_path_gives(layer, faces):
    from tf_relight.photo.picture import Picture
    from tf_relight.relighting.photos import load_for
    from tf_relight.relighting.portraits import PortraitRelighter
    from tf_relight.relighting.request import RelightOptions

    light = LightDistribution.of(LEFT_ONLY).draw(1024, 5)
    choice = layer.get_random_transformation(faces, seed=7)
    got = np.asarray(layer.transform_images(faces, choice))
    first = light[int(np.asarray(choice["light"])[0])]
    relighter = PortraitRelighter(Picture(faces[0]), load_for("lit_unet", None), size=64, faces=())
    want = relighter.relight(RelightOptions(light=first)).pixels
    # The photo path smooths the change along the picture's edges and asks the network for the mirror image,
    # too: measured 0.025 and 0.036 in the mean under two lamps.
    assert np.abs(got[0] - want).mean() < 0.045
    changes = [(each + 0.02) / (faces[0] + 0.02) for each in (got[0], want)]
    assert np.corrcoef(changes[0].ravel(), changes[1].ravel())[0, 1] > 0.9


def test_everything_but_the_pictures_stays(layer, faces):
    data = {
        "images": faces,
        "labels": np.arange(4),
        "bounding_boxes": {"boxes": np.ones((4, 1, 4)), "labels": np.ones((4, 1))},
        "segmentation_masks": np.ones((4, 64, 64, 1)),
        "landmarks": np.ones((4, 5, 2)),
    }
    out = layer(dict(data))
    assert out.keys() == data.keys() and not np.array_equal(out["images"], faces)
    for name in data.keys() - {"images", "bounding_boxes"}:
        np.testing.assert_array_equal(out[name], data[name])
    np.testing.assert_array_equal(out["bounding_boxes"]["boxes"], data["bounding_boxes"]["boxes"])


def test_outside_training_and_at_rate_0_pictures_pass_unchanged(layer, faces):
    np.testing.assert_array_equal(layer(faces, training=False), faces)
    never = RandomRelight(rate=0.0, value_range=(0, 1), size=64)
    np.testing.assert_array_equal(never(faces), faces)


def test_the_seed_and_the_config_give_the_same_pictures(faces):
    first = RandomRelight(rate=0.5, value_range=(0, 1), size=64, seed=11)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first))
    np.testing.assert_array_equal(first(faces), again(faces))
    assert not np.array_equal(first(faces), again(faces[::-1] * 0.5))


def test_it_works_in_tf_data_and_inside_a_model(layer, faces):
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((faces, np.arange(4))).batch(2)
    batches = list(rows.map(lambda x, y: (layer(x), y)))
    assert [batch[0].shape for batch in batches] == [(2, 64, 64, 3)] * 2
    assert not np.array_equal(batches[0][0], faces[:2])
    one = next(iter(tf.data.Dataset.from_tensor_slices(faces).map(layer)))
    assert one.shape == (64, 64, 3)
    inputs = keras.Input((64, 64, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(layer(inputs)))
    assert not model.trainable_variables
    assert model.predict(faces, verbose=0).shape == (4, 3)
    np.testing.assert_allclose(model(faces, training=False), faces.mean((1, 2)), rtol=1e-5)


def test_coloured_lights_colour_and_bytes_are_taken(faces):
    warm = {"lamps": {"temperature": [2000, 2000], "second": 0, "ambient": [0, 0]}, "strength": [1, 1]}
    made = RandomRelight(warm, rate=1.0, size=64, seed=2)(np.round(faces * 255).astype(np.uint8))
    before, after = faces.mean((0, 1, 2)), np.asarray(made).mean((0, 1, 2)) / 255
    assert after[0] / after[2] > 1.2 * before[0] / before[2]


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (np.zeros((4, 4), np.float32), r"not of shape \(4, 4\)"),
        (np.zeros((1, 4, 4, 1), np.float32), r"not of shape \(1, 4, 4, 1\)"),
        (np.zeros((4, 4, 3), bool), "not of type bool"),
        (np.full((4, 4, 3), 200.0, np.float32), "value_range=.*lie in 0..200"),
        (np.full((4, 4, 3), np.nan, np.float32), "value_range"),
        ({"labels": np.zeros(3)}, "a dict with 'images'; one with 'labels' came"),
        (None, "None came"),
    ],
)
def test_wrong_pictures_are_told(layer, pictures, said):
    with pytest.raises(RelightError, match=said):
        layer(pictures)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lights": {"lamps": None}}, "the light distribution is empty"),
        ({"lights": {"shares": {"lamps": 0}}}, "the light distribution is empty"),
        ({"lights": {"presets": ["rembrant"]}}, "Did you mean 'rembrandt'"),
        ({"lights": {"lamps": {"azimuth": [10, -10]}}}, "is no range within -180..180"),
        ({"lights": {"lamp": {}}}, "unknown key"),
        ({"lights": 3}, "a int came"),
        ({"rate": 2.0}, "outside 0..1"),
        ({"value_range": (1, 0)}, "least, most"),
        ({"size": 4}, "at least 16"),
        ({"weights": "dmshn-scenes-256-v2"}, "needs a portrait method"),
    ],
)
def test_wrong_settings_are_told(arguments, said):
    with pytest.raises(RelightError, match=said):
        RandomRelight(**arguments)


def test_a_distribution_made_in_python_tells_its_mistakes_in_sentences():
    with pytest.raises(RelightError, match="the light distribution is empty: give lamps"):
        LightDistribution(lamps=None)
    with pytest.raises(RelightError, match="(?s)has mistakes:.*Did you mean 'split'.*shares are those of"):
        LightDistribution(shares={"lamp": 1}, presets=("splitt",))


def test_an_empty_file_of_lights_says_what_it_needs(tmp_path):
    (tmp_path / "lights.yaml").write_text("")
    with pytest.raises(RelightError, match="lights.yaml is empty: it needs at least one of 'lamps'"):
        LightDistribution.of(tmp_path / "lights.yaml")


def test_a_distribution_draws_what_it_says(tmp_path):
    (tmp_path / "lights.yaml").write_text("lamps: null\npresets: ['*']\nstrength: [1, 1]\n")
    drawn = LightDistribution.of(tmp_path / "lights.yaml").draw(40, seed=0)
    presets = [Light.from_preset(name).coefficients for name in tf_relight.light.presets.PRESETS]
    assert all(any(np.array_equal(light.coefficients, each) for each in presets) for light in drawn)
    begun = LightDistribution.of(tmp_path / "lights.yaml").draw(5, seed=0)
    assert all(np.array_equal(a.coefficients, b.coefficients) for a, b in zip(begun, drawn[:5], strict=True))
    lamps = LightDistribution(lamps={"azimuth": (20, 30), "elevation": (0, 5), "second": 0}).draw(40, seed=0)
    assert all(19 < light.angles[0] < 31 and -1 < light.angles[1] < 6 for light in lamps)
