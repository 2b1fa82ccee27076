"""SfSNet: its parameters, its shading, and weights of three releases against an independent computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods.official import _in_our_layout
from tf_relight.methods.sfsnet import official
from tf_relight.methods.trained import assign_weights, tensor_variables
from tf_relight.weights import caffe_file

WIDTH = 3
UNITS = range(1, 6)


def random_caffe() -> dict[str, np.ndarray]:
    """Layers of a narrow SfSNet as Caffe keeps them: "layer.0" and so on."""
    rng = np.random.default_rng(4)
    wide, found = 2 * WIDTH, {}

    def conv(name: str, ins: int, outs: int, side: int) -> None:
        found[f"{name}.0"] = rng.normal(0, 0.4 / np.sqrt(ins * side * side), (outs, ins, side, side))
        found[f"{name}.1"] = rng.normal(0, 0.1, outs)

    def norm(name: str, channels: int) -> None:
        factor = 2.5
        found[f"{name}.0"] = rng.normal(0, 0.2, channels) * factor
        found[f"{name}.1"] = rng.uniform(0.5, 2, channels) * factor
        found[f"{name}.2"] = np.array([factor])

    conv("conv1", 3, WIDTH, 7)
    norm("bn1", WIDTH)
    conv("conv2", WIDTH, wide, 3)
    norm("bn2", wide)
    conv("conv3", wide, wide, 3)
    for letter, last in (("n", "Nconv0"), ("a", "Aconv0")):
        for i in UNITS:
            for ending in ("", "r"):
                norm(f"{letter}bn{i}{ending}", wide)
                conv(f"{letter}conv{i}{ending}", wide, wide, 3)
        norm(f"{letter}bn6r", wide)
        found[f"{letter}up6.0"] = np.zeros((wide, 1, 4, 4))
        conv(f"{letter}conv6", wide, wide, 1)
        norm(f"{letter}bn6", wide)
        conv(f"{letter}conv7", wide, WIDTH, 3)
        norm(f"{letter}bn7", WIDTH)
        conv(last, WIDTH, 3, 1)
    conv("lconv1", 3 * wide, wide, 1)
    norm("lbn1", wide)
    found["fc_light.0"], found["fc_light.1"] = rng.normal(0, 0.2, (27, wide)), rng.normal(0, 0.5, 27)
    return {name: values.astype(np.float32) for name, values in found.items()}


class Independent:
    """SfSNet written out in NumPy from the paper's layers, in Caffe's conventions: (C, H, W), blue first."""

    def __init__(self, layers: dict[str, np.ndarray]) -> None:
        self.layers = layers

    def conv(self, name: str, x: np.ndarray, stride: int = 1) -> np.ndarray:
        weight, bias = self.layers[f"{name}.0"], self.layers[f"{name}.1"]
        pad = weight.shape[-1] // 2
        padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        made = np.stack([correlate(padded, kernel, mode="valid")[0] for kernel in weight])
        return (made + bias[:, None, None])[:, ::stride, ::stride]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        mean, variance = (self.layers[f"{name}.{i}"] / self.layers[f"{name}.2"] for i in (0, 1))
        return np.maximum((x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5), 0)

    def stack(self, letter: str, x: np.ndarray) -> np.ndarray:
        for i in UNITS:
            y = self.conv(f"{letter}conv{i}", self.norm(f"{letter}bn{i}", x))
            x = x + self.conv(f"{letter}conv{i}r", self.norm(f"{letter}bn{i}r", y))
        return self.norm(f"{letter}bn6r", x)

    @staticmethod
    def doubled(x: np.ndarray) -> np.ndarray:
        """The transposed convolution with the fixed kernel, pixel by pixel."""
        taps = np.array([0.25, 0.75, 0.75, 0.25])
        channels, height, width = x.shape
        out = np.zeros((channels, 2 * height + 2, 2 * width + 2))
        for i in range(height):
            for j in range(width):
                out[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += x[:, i, j, None, None] * np.outer(taps, taps)
        return out[:, 1:-1, 1:-1]

    def generator(self, letter: str, last: str, x: np.ndarray) -> np.ndarray:
        x = self.norm(f"{letter}bn6", self.conv(f"{letter}conv6", self.doubled(x)))
        return self.conv(last, self.norm(f"{letter}bn7", self.conv(f"{letter}conv7", x)))

    def __call__(self, blue_first: np.ndarray) -> dict[str, np.ndarray]:
        x = self.norm("bn1", self.conv("conv1", blue_first))
        shared = self.conv("conv3", self.norm("bn2", self.conv("conv2", x)), stride=2)
        normal, albedo = self.stack("n", shared), self.stack("a", shared)
        features = np.concatenate([normal, albedo, shared])
        pooled = self.norm("lbn1", self.conv("lconv1", features)).mean(axis=(1, 2))
        light = self.layers["fc_light.0"] @ pooled + self.layers["fc_light.1"]
        return {
            "code": self.generator("n", "Nconv0", normal),
            "albedo": self.generator("a", "Aconv0", albedo),
            "light": light.reshape(3, 9),
        }


def paper_shading(normal: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The authors' nine functions of normals (H, W, 3), x down, y right, times a light (3, 9)."""
    x, y, z = np.moveaxis(normal, -1, 0)
    nine = [
        0.8862269254527579 * np.ones_like(x),
        1.0233267079464883 * z,
        1.0233267079464883 * x,
        1.0233267079464883 * y,
        0.24770795610037571 * (2 * z * z - x * x - y * y),
        0.8580855308097834 * x * z,
        0.8580855308097834 * y * z,
        0.4290427654048917 * (x * x - y * y),
        0.8580855308097834 * x * y,
    ]
    return np.stack(nine, axis=-1) @ light.T


def loaded(found, **more):
    method = methods.get("sfsnet")
    config = method.config({**official.config_of(found), **more})
    used, _ = official.used_tensors(found, config)
    model = method.build_model(config)
    shapes = {name: tuple(variable.shape) for name, variable in tensor_variables(model).items()}
    assign_weights(model, _in_our_layout(used, method.weight_map(config), shapes))
    return model


def picture() -> np.ndarray:
    return np.random.default_rng(1).random((12, 16, 3)).astype(np.float32)


def check_against_the_paper(model, expected) -> None:
    image = picture()
    found = model.infer({"image": image[None], "light": np.zeros((1, 9, 3), np.float32)})
    found = {name: np.asarray(value)[0] for name, value in found.items()}
    blue, green, red = expected["code"]
    normal = 2 * np.stack([red, green, blue], axis=-1) - 1  # x down, y right, z toward the camera
    normal /= np.sqrt((normal**2).sum(-1, keepdims=True) + 1e-8)
    ours = np.stack([normal[..., 1], -normal[..., 0], normal[..., 2]], axis=-1)
    albedo = np.moveaxis(expected["albedo"][::-1], 0, -1)
    shading = paper_shading(normal, expected["light"])
    # float32 sums of some 50 products, in another order.
    np.testing.assert_allclose(found["normal"], ours, atol=2e-4)
    np.testing.assert_allclose(found["albedo"], albedo, atol=2e-5)
    np.testing.assert_allclose(found["shading"], shading, atol=5e-4)
    np.testing.assert_allclose(found["rebuilt"], albedo * shading, atol=5e-4)


def test_a_caffe_model_answers_as_the_layers_of_the_paper_written_out(tmp_path):
    layers = random_caffe()
    net = caffe_file._message_class()()
    for name in dict.fromkeys(name.rpartition(".")[0] for name in layers):
        layer = net.layer.add(name=name)
        for number in range(3):
            if f"{name}.{number}" in layers:
                blob = layer.blobs.add()
                blob.shape.dim.extend(layers[f"{name}.{number}"].shape)
                blob.data.extend(layers[f"{name}.{number}"].ravel().tolist())
    path = tmp_path / "random.caffemodel"
    path.write_bytes(net.SerializeToString())
    found = official.read(path)
    assert found.keys() == layers.keys()
    expected = Independent(layers)(np.moveaxis(picture()[..., ::-1], -1, 0) * (255 / 256))
    check_against_the_paper(loaded(found), expected)


def test_a_caffe_model_as_hdf5_is_the_same(tmp_path):
    import h5py

    layers, path = random_caffe(), tmp_path / "random.caffemodel.h5"
    with h5py.File(path, "w") as file:
        for name, values in layers.items():
            file[f"data/{name.replace('.', '/')}"] = values
    found = official.read(path)
    for name, values in layers.items():
        np.testing.assert_array_equal(found[name], values)


def as_port(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Caffe's layers under the names of the PyTorch port, with scale 1 and shift 0."""
    named = {}
    for name, values in layers.items():
        layer, _, number = name.rpartition(".")
        base = layer
        if (
            layer[0] in "na"
            and layer[1:].rstrip("r")[-1] in "12345"
            and "bn" in layer
            or (layer[0] in "na" and "conv" in layer and layer.rstrip("r")[-1] in "12345")
        ):
            kind = "bn" if "bn" in layer else "conv"
            digit = layer.rstrip("r")[-1]
            base = f"{layer[0]}_res{digit}.{kind}{'r' if layer.endswith('r') else ''}"
        if "bn" in layer:
            factor = layers[f"{layer}.2"]
            if number == "2":
                named[f"{base}.weight"] = np.ones_like(layers[f"{layer}.0"])
                named[f"{base}.bias"] = np.zeros_like(layers[f"{layer}.0"])
                named[f"{base}.num_batches_tracked"] = np.array(1)
            else:
                named[f"{base}.{'running_mean' if number == '0' else 'running_var'}"] = values / factor
        else:
            named[f"{base}.{'weight' if number == '0' else 'bias'}"] = values
    return named


def test_the_port_of_the_caffe_model_answers_alike():
    layers = random_caffe()
    expected = Independent(layers)(np.moveaxis(picture()[..., ::-1], -1, 0) * (255 / 256))
    check_against_the_paper(loaded(as_port(layers)), expected)


def as_training(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same layers under the names of the PyTorch training, whose features come in another order."""
    port, named = as_port(layers), {}
    for name, values in port.items():
        layer, _, kind = name.rpartition(".")
        letter = layer[0]
        if "_res" in layer:
            unit, _, part = layer.partition(".")
            place = {"bn": 0, "conv": 2, "bnr": 3, "convr": 5}[part]
            layer = f"{letter}res{unit[-1]}.res.{place}"
        elif layer in ("nbn6r", "abn6r"):
            layer = f"{letter}reso.0"
        elif layer[1:] in ("conv6", "conv7", "bn6", "bn7"):
            layer = f"{letter}conv{int(layer[-1]) - 5}.conv.{int('bn' in layer)}"
        elif layer in ("conv1", "conv2", "bn1", "bn2"):
            layer = f"conv{layer[-1]}.conv.{int('bn' in layer)}"
        elif layer in ("lconv1", "lbn1"):
            layer = f"lconv.conv.{int(layer == 'lbn1')}"
        layer = {"Nconv0": "nout", "Aconv0": "aout", "fc_light": "lout"}.get(layer, layer)
        if "up6" not in layer:
            named[f"net.{layer}.{kind}" if "res" in layer else f"{layer}.{kind}"] = values
    weight = named["lconv.conv.0.weight"]
    third = weight.shape[1] // 3
    named["lconv.conv.0.weight"] = np.concatenate([weight[:, -third:], weight[:, :-third]], axis=1)
    return named


def test_the_pytorch_training_again_has_signed_normals_and_red_first():
    layers = random_caffe()
    model = loaded(as_training(layers), zero_border=True)
    image = picture()
    found = model.infer({"image": image[None], "light": np.zeros((1, 9, 3), np.float32)})
    expected = Independent(layers)(np.moveaxis(image, -1, 0))
    raw = np.moveaxis(expected["code"], 0, -1)
    albedo = np.moveaxis(expected["albedo"], 0, -1)
    np.testing.assert_allclose(np.asarray(found["albedo"])[0], albedo, atol=2e-5)
    # The release shades its normals as they are, without making them unit.
    shading = paper_shading(raw, expected["light"])
    np.testing.assert_allclose(np.asarray(found["shading"])[0], shading, atol=5e-4)


def test_half_a_model_and_another_network_are_refused(tmp_path):
    layers = random_caffe()
    method = methods.get("sfsnet")
    del layers["nconv3r.0"]
    with pytest.raises(RelightError, match="lacks 'nconv3r.weight'"):
        official.used_tensors(layers, method.config(official.config_of(layers)))
    with pytest.raises(RelightError, match="it is no SfSNet"):
        official.config_of({"conv1.weight": np.zeros(3)})
    (tmp_path / "bad.caffemodel").write_bytes(b"\x00\x01 no model")
    with pytest.raises(RelightError, match="damaged or not a Caffe model|no layer with numbers"):
        caffe_file.read(tmp_path / "bad.caffemodel")


def test_the_paper_counts_the_parameters_of_convolutions_and_of_the_last_layer():
    def learnt(**config):
        method = methods.get("sfsnet")
        return sum(
            v.shape.num_elements() for v in method.build_model(method.config(config)).trainable_weights
        )

    assert learnt(affine=False) == 3_416_353
    assert learnt(affine=True) == 3_416_353 + 7_040


def test_caffes_sums_weigh_the_light_less_than_means_do():
    method = methods.get("sfsnet")
    by = {
        reduction: {
            t.prediction: t
            for t in method.stages(method.config(), method.recipe({"reduction": reduction}))[0].losses
        }
        for reduction in ("mean", "caffe_sum")
    }
    assert by["caffe_sum"]["albedo"].loss == "l1_sum" and by["mean"]["albedo"].loss == "l1"
    network = methods.get("sfsnet").networks
    pictures = np.zeros((2, 8, 8, 3), np.float32)
    assert float(network.l1_sum(pictures + 0.5, pictures)) == pytest.approx(0.5 * 8 * 8 * 3)
    lights = np.zeros((2, 9, 3), np.float32)
    assert float(network.half_l2_sum(lights + 2.0, lights)) == pytest.approx(0.5 * 4 * 27)


def test_the_normals_own_layers_can_learn_first():
    method = methods.get("sfsnet")
    config = method.config({"width": WIDTH})
    first, joint = method.stages(config, method.recipe({"normals_first": 0.75}))
    assert (first.share, joint.share, joint.trains) == (0.75, 0.25, ("*",))
    assert [term.prediction for term in first.losses] == ["raw_normal"]
    model = method.build_model(config)
    learning = {v.path for v in model.stage_variables(first)}
    # Whatever is neither trained nor kept as it is would drift by its batch statistics.
    kept = {v.path for name in first.inference for v in model.find_part(name).trainable_variables}
    assert learning | kept == {v.path for v in model.trainable_variables} and not learning & kept
    with pytest.raises(RelightError, match="normals_first must be 0"):
        method.stages(method.config({"network": "skipnet"}), method.recipe({"normals_first": 0.5}))


def test_a_warm_light_makes_what_is_drawn_warm():
    method = methods.get("sfsnet")
    model = method.build_model(method.config({"width": WIDTH, "keep_detail": False}))
    image = picture()
    light = np.zeros((1, 9, 3), np.float32)
    light[:, 0] = 1.0
    grey = np.asarray(model.infer({"image": image[None], "light": light})["relit"])
    warm = np.asarray(model.infer({"image": image[None], "light": light * [1.1, 1.0, 0.8]})["relit"])
    assert (warm - grey)[..., 0].mean() > 0 > (warm - grey)[..., 2].mean()


def test_detail_is_kept_by_the_ratio_of_what_is_drawn():
    method = methods.get("sfsnet")
    model = method.build_model(method.config({"width": WIDTH}))
    image = picture()
    own = model.infer({"image": image[None], "light": np.zeros((1, 9, 3), np.float32)})["source_light"]
    same = np.asarray(model.infer({"image": image[None], "light": own})["relit"])[0]
    drawn = np.asarray(model.infer({"image": image[None], "light": own})["rebuilt"])[0]
    inside = (drawn > 0).all(-1) & (drawn < 1).all(-1)
    # Its own light gives the photo back, whatever an untrained network draws.
    np.testing.assert_allclose(same[inside], image[inside], atol=1e-4)
