"""DMSHN beside the official dehazing networks, and its training stages."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight import methods

# The official float32 network differs from its own float64 run by 1.6e-7; sums in another order add a little.
PARITY = 1e-5

FEATURES = {
    "feature3": "feature_lv3",
    "residual3": "residual_lv3",
    "feature2": "feature_lv2",
    "residual2": "residual_lv2",
    "feature1": "feature_lv1",
}


def official(reference_data, wiring: str):
    """The default network with the official dehazing tensors."""
    method = methods.get("dmshn")
    config = method.config({"finest_level": wiring})
    model = method.build_model(config)
    variables = {v.path.removeprefix("dmshn/"): v for v in model.variables}
    with np.load(reference_data / "dmshn/dev/dmshn_dehaze_weights.npz") as tensors:
        mapping = method.weight_map(config)
        assert set(mapping) == set(tensors.files)
        assert sorted(mapping.values()) == sorted(variables)
        for theirs, ours in mapping.items():
            tensor = tensors[theirs]
            variables[ours].assign(tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor)
    return model


@pytest.mark.reference
@pytest.mark.parametrize("wiring,theirs", [("own", "train"), ("level_2", "test")])
def test_parity_with_the_official_tensors(reference_data, wiring, theirs):
    model = official(reference_data, wiring)
    for size in ("64x96", "256x384"):
        with np.load(reference_data / f"dmshn/dev/dmshn_gold_{size}.npz") as file:
            gold = {name: file[name] for name in file.files}
        image = gold["input_uint8"][None].astype(np.float32) / 255.0 - 0.5
        output = np.array(model(image))[0].transpose(2, 0, 1)
        assert np.abs(output - gold[f"output_{theirs}"]).max() <= PARITY
        if size == "64x96":
            features = model.features(image)
            for ours, name in FEATURES.items():
                name = f"{name}_{theirs}" if name == "feature_lv1" else name
                difference = np.abs(np.array(features[ours])[0].transpose(2, 0, 1) - gold[name]).max()
                assert difference <= PARITY, name


def test_stacked_runs_the_second_net_on_the_result_of_the_first():
    method = methods.get("stacked_dmshn")
    model = method.build_model(method.config({"width": 4}))
    image = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    first, second = model.nets
    expected = np.array(second(first(image)["output"])["output"])
    np.testing.assert_allclose(np.array(model(image)), expected, atol=1e-6)


def test_odd_size_equals_the_mirrored_picture_cropped():
    method = methods.get("dmshn")
    model = method.build_model(method.config({"width": 4}))
    image = np.random.default_rng(0).random((1, 20, 30, 3), dtype=np.float32)
    padded = np.pad(image, ((0, 0), (0, 12), (0, 2), (0, 0)), mode="reflect")
    np.testing.assert_allclose(np.array(model(image)), np.array(model(padded))[:, :20, :30], atol=1e-6)


@pytest.mark.parametrize("height,width", [(1, 1), (3, 50), (16, 16)])
def test_any_size_goes_through_and_unknown_sizes_trace(height, width):
    import tensorflow as tf

    method = methods.get("dmshn")
    model = method.build_model(method.config({"width": 4}))
    image = np.random.default_rng(0).random((1, height, width, 3), dtype=np.float32)
    traced = tf.function(lambda x: model(x), input_signature=[tf.TensorSpec((None, None, None, 3))])
    # Interpolation by resizing and by hand differ in the order of float32 sums.
    np.testing.assert_allclose(np.array(model(image)), traced(image).numpy(), atol=1e-5)


def stages(**recipe):
    method = methods.get("dmshn")
    return method.stages(method.config(), method.recipe(recipe))


def test_combined_loss_is_l2_and_then_the_four_weighted_terms():
    first, second = stages()
    assert [(t.loss, t.weight) for t in first.losses] == [("l2", 1.0)]
    weights = {term.loss: term.weight for term in second.losses}
    assert weights == {"l1": 1.0, "ssim": -5e-3, "vgg16": 0.006, "tv": 2e-8}
    assert (first.share, second.share) == (0.6, 0.4)
    assert (first.learning_rate.initial, first.learning_rate.final) == (2e-3, 5e-5)


def test_other_rows_of_table_2():
    assert [[t.loss for t in s.losses] for s in stages(loss="mse")] == [["l2"]]
    (csl,) = stages(loss="csl")
    assert [(t.loss, t.weight) for t in csl.losses] == [("l2", 1.0), ("advanced_sobel", 0.25)]


def test_ssim_term_rewards_likeness():
    """The index is 1 for equal pictures, so its weight must lower the loss where pictures agree."""
    from tf_relight.networks.losses import LOSSES

    picture = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    weight = next(t.weight for t in stages()[1].losses if t.loss == "ssim")
    assert weight * float(LOSSES["ssim"](picture, picture)) < weight * float(
        LOSSES["ssim"](picture, 1 - picture)
    )


def test_first_weights_are_small_normal():
    import keras

    keras.utils.set_random_seed(0)
    model = methods.get("dmshn").build_model()
    kernel = model.nets[0].encoders[0].steps[1].conv1.kernel.numpy()
    # 9216 draws: the sample's standard deviation lies within 3 % of the true one.
    assert kernel.std() == pytest.approx(0.5 * np.sqrt(2 / (9 * 32)), rel=0.03)
    assert all(np.all(v.numpy() == 0) for v in model.variables if v.name == "bias")
