"""DPR: what its wiring means. Parity with the official networks is in test_dpr_official.py."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tf_relight import methods
from tf_relight.methods.dpr import LIGHT_CHANNELS, official

WIDTH = 4


def network(name: str = "dpr512"):
    import keras

    keras.utils.set_random_seed(2)
    method = methods.get(name)
    return method.build_model(method.config({"width": WIDTH}))


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def lights(count: int) -> np.ndarray:
    directed = np.random.default_rng(1).normal(0, 0.3, (count, 8))
    return np.concatenate([np.full((count, 1), 0.8), directed], axis=1).astype(np.float32)


@pytest.fixture
def model():
    return network()


@pytest.mark.parametrize("name,shrunk", [("dpr512", 16), ("dpr1024", 32)])
@pytest.mark.parametrize("height,width", [(64, 96), (70, 58), (1, 1)])
def test_what_forward_returns(name, shrunk, height, width):
    outputs = network(name).forward(pictures(2, height, width, 1), lights(2))
    assert outputs["output"].shape == (2, height, width, 1)
    assert outputs["light"].shape == (2, 9)
    assert outputs["features"].shape == (2, -(-height // shrunk), -(-width // shrunk), 8 * WIDTH)
    assert 0 <= np.min(outputs["output"]) and np.max(outputs["output"]) <= 1


def test_the_target_light_enters_through_the_bottleneck_only(model):
    lightness = pictures(1, 64, 64, 1)
    first, second = (model.forward(lightness, light[None]) for light in lights(2))
    np.testing.assert_array_equal(first["light"], second["light"])
    np.testing.assert_array_equal(first["features"], second["features"])
    assert np.abs(np.array(first["output"]) - np.array(second["output"])).max() > 1e-3
    tensors = model.features(lightness, lights(1))
    before, after = np.array(tensors["bottleneck"]), np.array(tensors["relit_bottleneck"])
    np.testing.assert_array_equal(before[..., LIGHT_CHANNELS:], after[..., LIGHT_CHANNELS:])
    assert np.ptp(after[..., :LIGHT_CHANNELS], axis=(1, 2)).max() == 0, "the same light everywhere"


def test_skips_are_switched_on_from_the_innermost_outwards(model):
    """With `skip_count` n, levels 3 down to 4 - n go without: what their `upper` holds does not matter."""
    lightness, light = pictures(1, 64, 64, 1), lights(1)
    for skip_count in range(5):
        model.set_switches(skip_count=skip_count)
        before = np.array(model.forward(lightness, light)["output"])
        for number, upper in enumerate(model.hourglass.uppers):
            kernel = upper.conv1.kernel.numpy()
            upper.conv1.kernel.assign(np.roll(kernel, 1, axis=0))
            changed = np.abs(np.array(model.forward(lightness, light)["output"]) - before).max()
            upper.conv1.kernel.assign(kernel)
            assert (changed > 0) == (number >= skip_count)


def test_switched_off_skips_are_not_trained(model):
    method = methods.get("dpr512")
    for stage in method.stages(model_config(model), method.recipe()):
        model.attach_networks([stage])
        model.set_switches(**stage.switches)
        trained = {id(variable) for variable in model.stage_variables(stage)}
        for number, upper in enumerate(model.hourglass.uppers):
            assert {id(v) in trained for v in upper.variables} == {number >= stage.switches["skip_count"]}


def model_config(model):
    return methods.get("dpr512").config({"size": model.size, "width": model.width})


def relit_lightness(model, lightness, light):
    """(H, W) L of Lab 0..1 and a light (9,) to the relit lightness (H, W)."""
    return methods.get("dpr512").predict(model, image=lightness[..., None], light=light[:, None])["relit"][
        ..., 0
    ]


def test_switches_reach_a_graph_that_was_traced_before(model):
    lightness, light = pictures(32, 32), lights(1)[0]
    full = relit_lightness(model, lightness, light)
    model.set_switches(skip_count=4)
    assert np.abs(relit_lightness(model, lightness, light) - full).max() > 1e-4
    model.set_switches()
    np.testing.assert_array_equal(relit_lightness(model, lightness, light), full)


def test_wrong_switches_are_refused(model):
    with pytest.raises(ValueError, match="not 0..4"):
        model.set_switches(skip_count=5)
    with pytest.raises(TypeError, match="no switches"):
        model.set_switches(skip=1)


@pytest.mark.parametrize("name", ["dpr512", "dpr1024"])
def test_features_of_the_original_photo(name):
    model = network(name)
    batch = {key: pictures(2, 64, 64, 1) ** power for key, power in (("image", 1), ("original", 2))}
    batch |= {"target": batch["image"], "light": lights(2)[..., None], "target_light": lights(2)[..., None]}
    assert "original_features" not in model.compute(batch, training=False)
    model.set_switches(match_features=True)
    outputs = model.compute(batch, training=False)
    expected = model.forward(batch["original"], lights(2)[::-1])["features"]
    np.testing.assert_array_equal(outputs["original_features"], expected)
    assert np.abs(np.array(outputs["original_features"]) - np.array(outputs["features"])).max() > 1e-3


def test_the_second_pass_counts_in_the_running_statistics():
    """The counters of the official checkpoints show twice as many steps while features are matched."""
    batch = {key: pictures(2, 64, 64, 1) for key in ("image", "original")}
    batch |= {"light": lights(2)[..., None], "target_light": lights(2)[..., None]}
    moved = []
    for matching in (False, True):
        model = network()
        model.set_switches(match_features=matching)
        model.compute(batch, training=True)
        # The statistics are 0 at first; a step leaves a tenth of the mean, two leave 0.19 of it.
        moved.append([np.array(norm.moving_mean) for norm in (model.pre.norm, model.tail1.norm)])
    np.testing.assert_allclose(moved[1][0], 1.9 * moved[0][0], rtol=1e-4)
    np.testing.assert_allclose(moved[1][1], moved[0][1], rtol=1e-4)


@pytest.mark.parametrize("name", ["dpr512", "dpr1024"])
def test_odd_size_equals_the_mirrored_picture_cropped(name):
    model = network(name)
    lightness = pictures(1, 40, 58, 1)
    rows, columns = ((-40) % (32 if name == "dpr1024" else 16), 6)
    padded = np.pad(lightness, ((0, 0), (0, rows), (0, columns), (0, 0)), mode="reflect")
    whole = np.array(model.forward(padded, lights(1))["output"])
    np.testing.assert_array_equal(model.forward(lightness, lights(1))["output"], whole[:, :40, :58])


@pytest.mark.parametrize("name", ["dpr512", "dpr1024"])
def test_unknown_sizes_trace(name):
    import tensorflow as tf

    model = network(name)
    signature = [tf.TensorSpec((None, None, None, 1)), tf.TensorSpec((None, 9))]
    traced = tf.function(lambda *given: model.forward(*given)["output"], input_signature=signature)
    for height, width in ((32, 64), (33, 17)):
        lightness = pictures(2, height, width, 1)
        expected = np.array(model.forward(lightness, lights(2))["output"])
        np.testing.assert_allclose(traced(lightness, lights(2)).numpy(), expected, atol=1e-5)


def test_both_sizes_have_the_same_tensors():
    from tf_relight.methods.trained import assign_weights, tensor_variables

    small, large = network("dpr512"), network("dpr1024")
    tensors = {name: np.array(variable) for name, variable in tensor_variables(small).items()}
    assign_weights(large, tensors)
    assert {name: v.shape for name, v in tensor_variables(large).items()} == {
        name: tensor.shape for name, tensor in tensors.items()
    }


def test_bfloat16_computes_in_half_and_answers_in_full_precision():
    import keras

    lightness, light = pictures(1, 64, 64, 1), lights(1)
    full = network().forward(lightness, light)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = network().forward(lightness, light)
    finally:
        keras.config.set_dtype_policy("float32")
    for name, value in half.items():
        assert keras.backend.standardize_dtype(value.dtype) == "float32", name
    # 8 bits of mantissa through some forty layers.
    assert 0 < np.abs(np.array(half["output"]) - np.array(full["output"])).max() < 0.05


def test_first_weights_are_those_of_pytorch():
    method = methods.get("dpr512")
    kernel = method.build_model(method.config()).hourglass.lows1[3].conv2.kernel.numpy()
    bound = 1 / np.sqrt(9 * 155)
    assert np.abs(kernel).max() <= bound
    # The standard deviation of a uniform distribution; 216,000 draws are within 1 %.
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)


def test_relit_pictures_keep_their_colour(model):
    from tf_relight.photo.colour import rgb_to_lab

    # Little colour, so that no lightness takes it out of sRGB.
    image = (0.5 + 0.02 * (pictures(40, 32, 3) - 0.5)).astype(np.float32)
    relit = methods.get("dpr512").relight(model, image, lights(1)[0])
    before, after = rgb_to_lab(image), rgb_to_lab(relit)
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=0.01)
    expected = relit_lightness(model, before[..., 0] / 100, lights(1)[0])
    np.testing.assert_allclose(after[..., 0] / 100, expected, atol=1e-4)


def test_estimated_light_is_that_of_the_lightness(model):
    from tf_relight.photo.colour import rgb_to_lab

    image = pictures(64, 48, 3)
    expected = model.forward(rgb_to_lab(image)[None, ..., :1] / 100, lights(1))["light"][0]
    found = methods.get("dpr512").estimate_light(model, image)
    # Traced and eager: float32 sums in another order.
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-6)


def test_light_of_a_large_photo_is_estimated_at_the_size_of_training(model, monkeypatch):
    seen = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda x, *a, **k: seen.append(x.shape) or forward(x, *a, **k))
    methods.get("dpr512").estimate_light(model, pictures(600, 1200, 3))
    assert seen == [(1, 256, 512, 1)]


def test_the_demo_squeezes_truncates_and_stretches_back(model, monkeypatch):
    """A network that returns its input turns the demo into nothing but its 8-bit steps."""
    networks = methods.get("dpr512").networks
    seen = []

    def same(_, inputs):
        seen.append(inputs["image"][..., 0])
        return {"relit": inputs["image"] * np.float32(0.9999)}

    monkeypatch.setattr(networks, "run_once", same)
    image = np.full((30, 20, 3), 128, np.uint8)
    relit = networks.relight_paper(model, image, lights(1)[0])
    assert seen[0].shape == (512, 512) and seen[0].dtype == np.float32
    assert relit.shape == image.shape and relit.dtype == np.uint8
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    assert seen[0][0, 0] == np.float32(lab[0, 0, 0]) / np.float32(255)
    lab[..., 0] -= 1  # anything below a whole number is cut off
    np.testing.assert_array_equal(relit, cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


@pytest.mark.parametrize("name", ["dpr512", "dpr1024"])
def test_weight_map_names_every_tensor_once(name):
    from tf_relight.methods.trained import tensor_variables

    method = methods.get(name)
    mapping = method.weight_map(method.config())
    assert sorted(mapping.values()) == sorted(tensor_variables(method.build_model()))
    assert all(official.innermost_name(theirs) == theirs for theirs in mapping)


def test_names_of_nested_hourglasses():
    assert official.innermost_name("HG3.middle.middle.low1.bn1.bias") == "HG1.low1.bn1.bias"
    assert official.innermost_name("HG2.middle.middle.middle.post_FC1.weight") == "light.post_FC1.weight"
    assert official.innermost_name("model_512.HG0.middle.x") == "model_512.light.x"
    assert official.innermost_name("HG0.low1.conv1.weight") == "HG0.low1.conv1.weight"
