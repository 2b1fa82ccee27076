"""Feature networks and LPIPS: layer arithmetic against numpy, properties, and the golden distances."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_relight.errors import RelightError
from tf_relight.networks import losses, perceptual
from tf_relight.weights import fetch, torch_file
from tf_relight.weights import record as weights_record

NETS = ("alex", "squeeze", "vgg")
CHANNELS = {
    "alex": [64, 192, 384, 256, 256],
    "vgg": [64, 128, 256, 512, 512],
    "squeeze": [64, 128, 256, 384, 384, 512, 512],
}


def random_trunk(net: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random tensors under the torchvision names, OIHW, scaled so that activations keep their size."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in perceptual.trunk(net).layers:
        if isinstance(layer, keras.layers.Conv2D):
            name = layer.name.replace("_", ".")
            height, width, before, after = layer.kernel.shape
            scale = np.sqrt(2 / (height * width * before))
            kernel = rng.standard_normal((after, before, height, width), np.float32) * np.float32(scale)
            tensors[f"{name}.weight"] = kernel
            tensors[f"{name}.bias"] = rng.standard_normal(after, np.float32) * np.float32(0.05)
    return tensors


def random_linear(net: str, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        f"lin{index}.model.1.weight": rng.random((1, count, 1, 1), np.float32)
        for index, count in enumerate(CHANNELS[net])
    }


@pytest.fixture(scope="module", params=["alex", "squeeze"])
def lpips(request) -> perceptual.LPIPS:
    net = request.param
    return perceptual.LPIPS(net, trunk_tensors=random_trunk(net), linear_tensors=random_linear(net))


def picture(height: int = 48, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_lpips_of_equal_pictures_is_zero(lpips):
    assert lpips(picture(), picture()).tolist() == [0.0]
    assert lpips.name == f"lpips_{lpips.net}_v0.1"


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.integers(1000, 2000))
def test_lpips_is_symmetric_and_positive(lpips, seed_a, seed_b):
    a, b = picture(seed=seed_a), picture(seed=seed_b)
    forth, back = lpips(a, b), lpips(b, a)
    assert forth > 0
    np.testing.assert_allclose(forth, back, rtol=1e-6)


def test_lpips_grows_with_noise(lpips):
    rng = np.random.default_rng(3)
    base = np.full((64, 64, 3), 128.0) + 40 * np.sin(np.arange(64) / 5)[:, None, None]
    noise = rng.normal(size=base.shape)
    noisy = [np.clip(base + level * noise, 0, 255).astype(np.uint8) for level in (0, 4, 12, 36)]
    distances = [float(lpips(noisy[0], other)[0]) for other in noisy]
    assert distances == sorted(distances) and distances[1] > 0


def test_lpips_shapes_and_batches(lpips):
    a = np.stack([picture(seed=s) for s in range(3)])
    b = np.stack([picture(seed=s + 10) for s in range(3)])
    distances = lpips(a, b)
    assert distances.shape == (3,) and distances.dtype == np.float32
    assert lpips.per_layer(a, b).shape == (3, len(CHANNELS[lpips.net]))
    assert lpips.spatial(a, b).shape == (3, 48, 40)
    # One at a time gives the same; float32 sums in another order.
    singles = [lpips(x, y)[0] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(distances, singles, rtol=1e-5)
    np.testing.assert_allclose(lpips.per_layer(a, b).sum(1), distances, rtol=1e-6)


def test_lpips_follows_its_formula(lpips):
    """The distance from the taps with plain numpy in float64."""
    a, b = picture(seed=1), picture(seed=2)
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    features = []
    for image in (a, b):
        scaled = ((image / 127.5 - 1 - shift) / scale).astype(np.float32)[None]
        taps = [np.asarray(tap, np.float64) for tap in lpips.trunk(scaled)]
        features.append([t / (np.sqrt((t**2).sum(-1, keepdims=True)) + 1e-10) for t in taps])
    heads = random_linear(lpips.net)
    expected = sum(
        ((x - y) ** 2 * heads[f"lin{i}.model.1.weight"].reshape(-1)).sum(-1).mean()
        for i, (x, y) in enumerate(zip(*features, strict=True))
    )
    assert lpips(a, b)[0] == pytest.approx(expected, rel=1e-5)


def test_lpips_baseline_has_no_linear_layers():
    tensors = random_trunk("alex")
    baseline = perceptual.LPIPS("alex", trunk_tensors=tensors, linear_tensors=None, baseline=True)
    ones = {name: np.ones_like(value) for name, value in random_linear("alex").items()}
    weighted = perceptual.LPIPS("alex", trunk_tensors=tensors, linear_tensors=ones)
    a, b = picture(seed=1), picture(seed=2)
    assert baseline(a, b)[0] == pytest.approx(weighted(a, b)[0])
    assert baseline.name == "lpips_alex_baseline"
    with pytest.raises(RelightError, match="baseline"):
        perceptual.LPIPS("alex", trunk_tensors=tensors, linear_tensors=None)


def test_lpips_has_a_finite_gradient_even_for_dead_pixels(lpips):
    image = tf.zeros((1, 48, 40, 3))
    with tf.GradientTape() as tape:
        tape.watch(image)
        maps = lpips.layer_maps(image, tf.ones_like(image) * 0.5)
        value = tf.add_n([tf.reduce_mean(m) for m in maps])
    assert np.isfinite(tape.gradient(value, image).numpy()).all()
    dead = tf.zeros((1, 2, 2, 4))
    with tf.GradientTape() as tape:
        tape.watch(dead)
        value = tf.reduce_sum(perceptual._unit_length(dead))
    assert np.isfinite(tape.gradient(value, dead).numpy()).all()


def test_lpips_is_float32_under_mixed_precision(lpips):
    a, b = picture(seed=1), picture(seed=2)
    expected = lpips(a, b)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = lpips.net
        mixed = perceptual.LPIPS(net, trunk_tensors=random_trunk(net), linear_tensors=random_linear(net))
        assert mixed(a, b).dtype == np.float32
        np.testing.assert_allclose(mixed(a, b), expected, rtol=1e-6)
    finally:
        keras.config.set_dtype_policy(before)


def test_lpips_refuses_what_it_cannot_compare(lpips):
    least = perceptual.SMALLEST[lpips.net]
    assert lpips(picture(least, least), picture(least, least, 1))[0] > 0
    with pytest.raises(RelightError, match=f"{least}x{least} pixels, not 40x{least - 1}"):
        lpips(picture(least - 1), picture(least - 1))
    with pytest.raises(RelightError, match="8-bit"):
        lpips(picture() / 255.0, picture())
    with pytest.raises(RelightError, match="one size"):
        lpips(picture(), picture(47))
    with pytest.raises(RelightError, match="RGB"):
        lpips(picture()[..., :1], picture()[..., :1])


@pytest.mark.parametrize("net", NETS)
def test_trunk_taps(net):
    model = perceptual.trunk(net)
    assert [shape[-1] for shape in model.output_shape] == CHANNELS[net]
    assert not model.trainable_weights
    least = perceptual.SMALLEST[net]
    assert all(min(tap.shape) > 0 for tap in model(np.zeros((1, least, least, 3), np.float32)))


@pytest.mark.parametrize("net, count", [("alex", 2_469_696), ("squeeze", 722_496), ("vgg", 14_714_688)])
def test_trunk_has_as_many_parameters_as_the_published_one(net, count):
    assert perceptual.trunk(net).count_params() == count


def plain_convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: int):
    """Convolve an (H, W, C) picture with an OIHW kernel as PyTorch defines it, in float64."""
    size = weight.shape[2]
    x = np.pad(x.astype(np.float64), ((pad, pad), (pad, pad), (0, 0)))
    rows, columns = ((length - size) // stride + 1 for length in x.shape[:2])
    out = np.empty((rows, columns, weight.shape[0]))
    for i in range(rows):
        for j in range(columns):
            patch = x[i * stride : i * stride + size, j * stride : j * stride + size]
            out[i, j] = np.tensordot(weight, patch.transpose(2, 0, 1), 3) + bias
    return out


@pytest.mark.parametrize(
    "net, layers, stride, pad", [("alex", "0", 4, 2), ("vgg", "02", 1, 1), ("squeeze", "0", 2, 0)]
)
@pytest.mark.parametrize("size", [(32, 35), (33, 40)])
def test_first_tap_is_padded_as_in_torchvision(net, layers, stride, pad, size):
    tensors = random_trunk(net)
    model = perceptual.trunk(net)
    perceptual.load_trunk(model, tensors)
    x = np.random.default_rng(1).standard_normal((*size, 3)).astype(np.float32)
    first = np.asarray(model(x[None])[0])[0]
    expected = x
    for layer in layers:
        weight, bias = tensors[f"features.{layer}.weight"], tensors[f"features.{layer}.bias"]
        expected = np.maximum(plain_convolution(expected, weight, bias, stride, pad), 0)
    np.testing.assert_allclose(first, expected, atol=1e-4)


@pytest.mark.parametrize("length", range(3, 12))
def test_squeezenet_pooling_keeps_the_rest(length):
    """ceil_mode: the last window may hang over the edge, and takes what there is."""
    x = np.random.default_rng(length).random((1, length, length + 1, 1), dtype=np.float32)
    out = np.asarray(perceptual._pool_ceil(x))

    def count(n):
        return -(-(n - 3) // 2) + 1

    assert out.shape == (1, count(length), count(length + 1), 1)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            assert out[0, i, j, 0] == x[0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3, 0].max()


def test_wrong_checkpoints_are_refused():
    model = perceptual.trunk("alex")
    tensors = random_trunk("alex")
    perceptual.load_trunk(model, tensors | {"classifier.1.weight": np.zeros((2, 2))})
    short = {name.removeprefix("features."): value for name, value in tensors.items()}
    perceptual.load_trunk(model, short)
    with pytest.raises(RelightError, match=r"lacks the tensor 'features\.10\.bias'"):
        perceptual.load_trunk(model, {k: v for k, v in tensors.items() if k != "features.10.bias"})
    with pytest.raises(RelightError, match="another network"):
        perceptual.load_trunk(model, tensors | {"features.0.weight": np.zeros((64, 3, 3, 3))})
    with pytest.raises(RelightError, match="no place"):
        perceptual.load_trunk(model, tensors | {"features.12.weight": np.zeros((1,))})
    with pytest.raises(RelightError, match="Did you mean 'alex'"):
        perceptual.trunk("alexx")
    with pytest.raises(RelightError, match="lin2"):
        bad = random_linear("alex")
        bad["lin2.model.1.weight"] = -bad["lin2.model.1.weight"]
        perceptual.LPIPS("alex", trunk_tensors=tensors, linear_tensors=bad)


def test_without_weights_there_is_no_lpips(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path))
    assert perceptual.lpips_or_none("alex") is None
    with pytest.raises(RelightError, match="vgg16"):
        perceptual.vgg16_features()
    with pytest.raises(RelightError, match="Unknown feature network"):
        perceptual.lpips_or_none("resnet")


def test_a_damaged_weights_file_is_an_error_not_a_missing_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path))
    for name in (perceptual.TRUNK_WEIGHTS["alex"], perceptual.LINEAR_WEIGHTS["alex"]):
        weights_record.path_of(name).write_bytes(b"not weights")
    with pytest.raises(RelightError):
        perceptual.lpips_or_none("alex")


def test_with_both_files_there_is_lpips(tmp_path, monkeypatch):
    files = {"alexnet-torchvision": random_trunk("alex"), "lpips-alex-v0.1": random_linear("alex")}
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(weights_record, "path_of", lambda name: tmp_path / name)
    monkeypatch.setattr(fetch, "find", lambda name: tmp_path / name)
    monkeypatch.setattr(torch_file, "read", lambda path: files[path.name])
    lpips = perceptual.lpips_or_none("alex")
    assert lpips.name == "lpips_alex_v0.1" and lpips(picture(), picture()).tolist() == [0.0]


def test_every_network_has_a_record():
    for name in (*perceptual.TRUNK_WEIGHTS.values(), *perceptual.LINEAR_WEIGHTS.values()):
        assert name in weights_record.KNOWN


def test_vgg16_features_are_the_last_pooling_and_serve_as_a_loss():
    features = perceptual.vgg16_features(random_trunk("vgg"))
    a, b = (np.random.default_rng(s).random((1, 64, 40, 3), dtype=np.float32) for s in (0, 1))
    assert features(a).shape == (1, 2, 1, 512)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))] * 2)
    def step(x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = losses.LOSSES["vgg16"](x, y, features=features)
        return value, tape.gradient(value, x)

    value, gradient = step(a, b)
    assert float(value) > 0 and np.abs(gradient.numpy()).max() > 0
    assert float(step(a, a)[0]) == 0.0


def test_shallow_vgg16_features_are_the_first_taps_of_the_trunk():
    tensors = random_trunk("vgg")
    model = perceptual.vgg16_shallow_features(tensors)
    whole = perceptual.trunk("vgg")
    perceptual.load_trunk(whole, tensors)
    x = np.random.default_rng(0).random((1, 32, 16, 3), dtype=np.float32)
    taps = model(x)
    assert [tuple(tap.shape) for tap in taps] == [(1, 32, 16, 64), (1, 16, 8, 128), (1, 8, 4, 256)]
    for tap, expected in zip(taps, whole(x)[:3], strict=True):
        np.testing.assert_array_equal(np.asarray(tap), np.asarray(expected))
    assert not model.trainable_variables


def test_vgg19_features_are_three_taps_of_the_checkpoint():
    rng = np.random.default_rng(0)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256)}
    tensors = {}
    for number, shape in shapes.items():
        tensors[f"features.{number}.weight"] = rng.normal(0, 0.05, (*shape, 3, 3)).astype(np.float32)
        tensors[f"features.{number}.bias"] = rng.normal(0, 0.05, shape[0]).astype(np.float32)
    tensors["classifier.0.weight"] = np.zeros((2, 2), np.float32)
    model = perceptual.vgg19_features(tensors)
    x = rng.random((1, 16, 16, 3), dtype=np.float32)
    taps = [np.asarray(tap) for tap in model(x)]
    assert [tap.shape for tap in taps] == [(1, 16, 16, 64), (1, 8, 8, 128), (1, 4, 4, 256)]
    # relu1_1 by hand at one inner pixel.
    patch = x[0, 4:7, 4:7].transpose(2, 0, 1)
    by_hand = (tensors["features.0.weight"] * patch).sum((1, 2, 3)) + tensors["features.0.bias"]
    np.testing.assert_allclose(taps[0][0, 5, 5], np.maximum(by_hand, 0), atol=1e-5)
    del tensors["features.7.bias"]
    with pytest.raises(RelightError, match="features.7"):
        perceptual.vgg19_features(tensors)


# The goldens are float32 runs of the published code. Both sides round at about 1e-7 of their activations;
# 1e-5 leaves room for another order of additions, while a wrong padding or tap shifts them by over 1e-3.
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=NETS)
def golden(request) -> str:
    return request.param


def synthetic_backbone(folder: Path, net: str) -> dict[str, np.ndarray]:
    info = json.loads((folder / "lpips_gold_info.json").read_text())
    rng = np.random.default_rng(1234)
    tensors = {}
    for name, shape in info["nets"][net]["features"]:
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) == 4 else 0.05
        tensors[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
    return tensors


@pytest.mark.reference
def test_lpips_equals_the_published_code(golden, reference_data):
    folder = reference_data / "lpips" / "dev"
    gold = np.load(folder / "lpips_gold_synthetic_backbone.npz")
    tensors = synthetic_backbone(folder, golden)
    linear = torch_file.read(folder / f"{golden}.pth")
    lpips = perceptual.LPIPS(golden, trunk_tensors=tensors, linear_tensors=linear)
    baseline = perceptual.LPIPS(golden, trunk_tensors=tensors, linear_tensors=None, baseline=True)
    ref, p0, p1 = (cv2.imread(str(folder / f"ex_{n}.png"))[..., ::-1] for n in ("ref", "p0", "p1"))
    for name, other in (("p0", p0), ("p1", p1)):
        expected = gold[f"{golden}_{name}"]
        np.testing.assert_allclose(lpips(ref, other), expected, atol=TOLERANCE, rtol=0)
        expected = gold[f"{golden}_{name}_layers"]
        np.testing.assert_allclose(lpips.per_layer(ref, other)[0], expected, atol=TOLERANCE, rtol=0)
    expected = gold[f"{golden}_p0_spatial"]
    np.testing.assert_allclose(lpips.spatial(ref, p0)[0], expected, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(baseline(ref, p0), gold[f"{golden}_p0_baseline"], atol=TOLERANCE, rtol=0)
