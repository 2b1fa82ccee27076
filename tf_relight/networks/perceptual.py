"""Feature networks trained on ImageNet, and LPIPS, the learned distance of pictures.

AlexNet, VGG-16 and SqueezeNet 1.1 are built here in the layout of torchvision, channels last, so that its
checkpoints load as they are. Only the convolutions are built: neither LPIPS nor a perceptual loss uses the
classifier. All arithmetic is float32, also under a mixed-precision policy.

The trained numbers are not part of this package; `tf_relight.weights.record` knows where they come from.
Without them there is no LPIPS (`lpips_or_none` returns None), never a made-up one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from tf_relight.errors import RelightError, suggest
from tf_relight.weights import fetch, torch_file
from tf_relight.weights import record as weights_record

Net = Literal["alex", "vgg", "squeeze"]
Tensors = Mapping[str, np.ndarray]

TRUNK_WEIGHTS = {
    "alex": "alexnet-torchvision",
    "vgg": "vgg16-torchvision",
    "squeeze": "squeezenet1_1-torchvision",
}
"""The record of the torchvision checkpoint of each network."""

LINEAR_WEIGHTS = {net: f"lpips-{net}-v0.1" for net in TRUNK_WEIGHTS}
"""The record of the LPIPS v0.1 linear layers of each network."""

SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""The smallest height and width that reach the last LPIPS tap of each network."""

# What LPIPS subtracts and divides by, for pictures in -1..1.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


def trunk(net: Net, taps: str = "lpips") -> keras.Model:
    """Build the convolutions of a network: (B, H, W, 3) to the list of its feature maps, untrained.

    `taps="lpips"` gives the activations LPIPS compares, 5 for "alex" and "vgg", 7 for "squeeze".
    `taps="last"` gives only the output of the last layer, which for "vgg" is its last pooling (pool5,
    512 channels, H/32 x W/32).

    Raises:
        RelightError: unknown network or taps.

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; Simonyan
        and Zisserman, "Very Deep Convolutional Networks", 2015; Iandola et al., "SqueezeNet", 2016; the
        taps from Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018.
    """
    _check_net(net)
    if taps not in ("lpips", "last"):
        raise RelightError(f"Unknown taps '{taps}': use 'lpips' or 'last'.")
    image = keras.Input((None, None, 3), dtype="float32")
    features = {"alex": _alexnet, "vgg": _vgg16, "squeeze": _squeezenet}[net](image)
    model = keras.Model(image, features[:-1] if taps == "lpips" else features[-1], name=f"{net}_{taps}")
    # Else a mixed-precision policy would round the input before the first layer.
    model.dtype_policy = keras.dtype_policies.DTypePolicy("float32")
    model.trainable = False
    return model


def load_trunk(model: keras.Model, tensors: Tensors) -> None:
    """Put the tensors of a torchvision checkpoint into a `trunk`.

    Names may begin with "features." or not; the tensors of the classifier are left out.

    Raises:
        RelightError: a tensor is missing, has another shape, or is left over.
    """
    features = {
        name.removeprefix("features."): np.asarray(value)
        for name, value in tensors.items()
        if not name.startswith("classifier.")
    }
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        name = layer.name.removeprefix("features_").replace("_", ".")
        values = [_take(features, f"{name}.weight"), _take(features, f"{name}.bias")]
        if values[0].ndim == 4:
            values[0] = values[0].transpose(2, 3, 1, 0)
        for value, variable in zip(values, layer.weights, strict=True):
            if value.shape != tuple(variable.shape):
                raise RelightError(
                    f"Tensor '{name}' has the shape {value.shape}, {model.name} needs "
                    f"{tuple(variable.shape)}: these are the weights of another network."
                )
        layer.set_weights(values)
    if features:
        raise RelightError(f"Tensor '{next(iter(features))}' has no place in {model.name}.")


def vgg16_features(tensors: Tensors | None = None) -> keras.Model:
    """Return VGG-16 up to its last pooling, with the torchvision weights, for `losses.perceptual_vgg16`.

    It takes pictures in 0..1 as they are, without the ImageNet mean and deviation, because MSR-Net was
    trained that way; the weight of its loss counts on that scale. Pictures need at least 32x32 pixels.

    Raises:
        RelightError: `tensors` is None and the weights file is not there or damaged.

    Source: L_p of MSR-Net (Das et al., 2021).
    """
    if tensors is None:
        tensors = torch_file.read(fetch.find(TRUNK_WEIGHTS["vgg"]))
    model = trunk("vgg", taps="last")
    load_trunk(model, tensors)
    return model


def vgg16_shallow_features(tensors: Tensors | None = None) -> keras.Model:
    """Return VGG-16 up to relu3_3, with the torchvision weights, for `losses.perceptual_vgg16_shallow`.

    It takes pictures in 0..1, without the ImageNet mean and deviation, as GridDehazeNet's release does, and
    gives the outputs of relu1_2, relu2_2 and relu3_3. Pictures need at least 16x16 pixels.

    Raises:
        RelightError: `tensors` is None and the weights file is not there or damaged.

    Source: GridDehazeNet (Liu et al., 2019), section 3.4.
    """
    if tensors is None:
        tensors = torch_file.read(fetch.find(TRUNK_WEIGHTS["vgg"]))
    whole = trunk("vgg")
    load_trunk(whole, tensors)
    model = keras.Model(whole.inputs[0], whole.outputs[:3], name="vgg16_relu3_3")
    model.dtype_policy = keras.dtype_policies.DTypePolicy("float32")
    model.trainable = False
    return model


def vgg19_features(tensors: Tensors | None = None) -> keras.Model:
    """Return VGG-19 up to relu3_1, with the torchvision weights, for `losses.perceptual_vgg19`.

    It takes pictures in -1..1, without the ImageNet mean and deviation, as DRN's release does, and gives the
    outputs of relu1_1, relu2_1 and relu3_1. Pictures need at least 4x4 pixels.

    Raises:
        RelightError: `tensors` is None and the weights file is not there or damaged.

    Source: DRN, equation 8; the taps are those of its release.
    """
    if tensors is None:
        tensors = torch_file.read(fetch.find("vgg19-torchvision"))
    image = keras.Input((None, None, 3), dtype="float32")
    tap1 = _conv(image, "0", 64, 3, pad=1)
    tap2 = _conv(_pool(_conv(tap1, "2", 64, 3, pad=1), 2), "5", 128, 3, pad=1)
    tap3 = _conv(_pool(_conv(tap2, "7", 128, 3, pad=1), 2), "10", 256, 3, pad=1)
    model = keras.Model(image, [tap1, tap2, tap3], name="vgg19_relu3_1")
    model.dtype_policy = keras.dtype_policies.DTypePolicy("float32")
    model.trainable = False
    needed = {f"features.{number}" for number in (0, 2, 5, 7, 10)}
    load_trunk(model, {name: value for name, value in tensors.items() if name.rsplit(".", 1)[0] in needed})
    return model


class LPIPS:
    """The learned perceptual distance v0.1 of two pictures: 0 for equal ones, larger for less alike.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
    """

    def __init__(
        self,
        net: Net = "alex",
        *,
        trunk_tensors: Tensors,
        linear_tensors: Tensors | None,
        baseline: bool = False,
    ) -> None:
        """Build the distance from a torchvision checkpoint and the v0.1 linear layers.

        With `baseline=True` the channels are summed unweighted and `linear_tensors` must be None.

        Raises:
            RelightError: tensors that do not fit the network or each other.
        """
        _check_net(net)
        if baseline != (linear_tensors is None):
            raise RelightError("LPIPS takes its linear layers, or baseline=True and none.")
        self.net = net
        self.name = f"lpips_{net}_{'baseline' if baseline else 'v0.1'}"
        self.trunk = trunk(net)
        load_trunk(self.trunk, trunk_tensors)
        channels = [int(shape[-1]) for shape in self.trunk.output_shape]
        if linear_tensors is None:
            heads = [np.ones(count, np.float32) for count in channels]
        else:
            heads = _linear_heads(linear_tensors, channels)
        self._heads = [ops.convert_to_tensor(head) for head in heads]

    def __call__(self, a_u8: np.ndarray, b_u8: np.ndarray) -> np.ndarray:
        """Return the distance of each pair of uint8 sRGB pictures, float32 (B,).

        Takes (B, H, W, 3), or (H, W, 3) for one pair.

        Raises:
            RelightError: not uint8, different sizes, or too small for the network (`SMALLEST`).
        """
        return self.per_layer(a_u8, b_u8).sum(axis=1)

    def per_layer(self, a_u8: np.ndarray, b_u8: np.ndarray) -> np.ndarray:
        """Return what each layer adds to the distance, float32 (B, layers).

        Raises:
            RelightError: as the call.
        """
        maps = self.layer_maps(*self._inputs(a_u8, b_u8))
        return np.stack([ops.convert_to_numpy(ops.mean(m, axis=(1, 2))) for m in maps], axis=1)

    def spatial(self, a_u8: np.ndarray, b_u8: np.ndarray) -> np.ndarray:
        """Return where the pictures differ, float32 (B, H, W): each layer's map scaled up, all summed.

        Its mean differs a little from the distance, because scaling up gives the border another weight.

        Raises:
            RelightError: as the call.
        """
        a, b = self._inputs(a_u8, b_u8)
        size = (int(a.shape[1]), int(a.shape[2]))
        total = 0.0
        for layer_map in self.layer_maps(a, b):
            scaled = ops.image.resize(layer_map[..., None], size, interpolation="bilinear", antialias=False)
            total = total + ops.convert_to_numpy(scaled)[..., 0]
        return np.asarray(total)

    def layer_maps(self, a: Any, b: Any) -> list[Any]:
        """Return the weighted squared feature difference of each layer for float pictures in -1..1.

        Tensors (B, h, w); gradients flow, so their means can serve as a loss.
        """
        a, b = ops.cast(a, "float32"), ops.cast(b, "float32")
        shift, scale = ops.convert_to_tensor(_SHIFT, "float32"), ops.convert_to_tensor(_SCALE, "float32")
        features_a, features_b = self.trunk((a - shift) / scale), self.trunk((b - shift) / scale)
        return [
            ops.sum(ops.square(_unit_length(x) - _unit_length(y)) * head, axis=-1)
            for x, y, head in zip(features_a, features_b, self._heads, strict=True)
        ]

    def _inputs(self, a_u8: np.ndarray, b_u8: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = np.asarray(a_u8), np.asarray(b_u8)
        if a.dtype != np.uint8 or b.dtype != np.uint8:
            raise RelightError(
                f"LPIPS needs 8-bit pictures, not {a.dtype} and {b.dtype}: quantise them first."
            )
        if a.shape != b.shape or a.ndim not in (3, 4) or a.shape[-1] != 3:
            raise RelightError(f"LPIPS needs two RGB pictures of one size, not {a.shape} and {b.shape}.")
        least = SMALLEST[self.net]
        if min(a.shape[-3:-1]) < least:
            raise RelightError(
                f"LPIPS with {self.net} needs pictures of at least {least}x{least} pixels, "
                f"not {a.shape[-2]}x{a.shape[-3]}."
            )
        batch = (-1, *a.shape[-3:])
        return tuple(x.reshape(batch).astype(np.float32) / 127.5 - 1.0 for x in (a, b))  # type: ignore[return-value]


def lpips_or_none(net: Net = "alex") -> LPIPS | None:
    """Return LPIPS v0.1 with the recorded weights, or None when one of the two files is not there.

    It never downloads. A score table prints n/a for None.

    Raises:
        RelightError: unknown network, or a file that is there but damaged.
    """
    _check_net(net)
    names = (TRUNK_WEIGHTS[net], LINEAR_WEIGHTS[net])
    if not all(weights_record.path_of(name).is_file() for name in names):
        return None
    trunk_tensors, linear_tensors = (torch_file.read(fetch.find(name)) for name in names)
    return LPIPS(net, trunk_tensors=trunk_tensors, linear_tensors=linear_tensors)


def _check_net(net: str) -> None:
    if net not in TRUNK_WEIGHTS:
        known = ", ".join(TRUNK_WEIGHTS)
        raise RelightError(f"Unknown feature network '{net}', known: {known}.{suggest(net, TRUNK_WEIGHTS)}")


def _take(tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name not in tensors:
        raise RelightError(f"The checkpoint lacks the tensor 'features.{name}': it is of another network.")
    return tensors.pop(name)


def _linear_heads(tensors: Tensors, channels: list[int]) -> list[np.ndarray]:
    heads = []
    for index, count in enumerate(channels):
        head = np.asarray(tensors.get(f"lin{index}.model.1.weight", np.empty(0)), np.float32)
        if head.shape != (1, count, 1, 1) or not (head >= 0.0).all():
            raise RelightError(
                f"The LPIPS linear layers have no fitting lin{index} ({count} weights, none negative)."
            )
        heads.append(head.reshape(count))
    return heads


def _unit_length(features: Any) -> Any:
    """Scale each pixel's feature vector to length 1."""
    # The floor is far below the 1e-10 that LPIPS adds. It only keeps the gradient of a dead pixel finite.
    length = ops.sqrt(ops.maximum(ops.sum(ops.square(features), axis=-1, keepdims=True), 1e-30))
    return features / (length + 1e-10)


def _conv(x: Any, name: str, filters: int, size: int, stride: int = 1, pad: int = 0) -> Any:
    """Apply a convolution and a ReLU, zero-padded by `pad` on every side as in torchvision."""
    if pad and stride > 1:
        x = keras.layers.ZeroPadding2D(pad, dtype="float32")(x)
    padding = "same" if pad and stride == 1 else "valid"
    layer = keras.layers.Conv2D(filters, size, stride, padding, dtype="float32", name=f"features_{name}")
    return keras.layers.ReLU(dtype="float32")(layer(x))


def _pool(x: Any, size: int) -> Any:
    return keras.layers.MaxPooling2D(size, 2, dtype="float32")(x)


def _pool_ceil(x: Any) -> Any:
    """Apply a 3x3 stride-2 maximum that also takes the rest at the right and the bottom (ceil_mode)."""
    # One more row and column of zeros: after a ReLU they never win, and for odd sizes no window reaches them.
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), dtype="float32")(x)
    return _pool(x, 3)


def _alexnet(x: Any) -> list[Any]:
    conv1 = _conv(x, "0", 64, 11, stride=4, pad=2)
    conv2 = _conv(_pool(conv1, 3), "3", 192, 5, pad=2)
    conv3 = _conv(_pool(conv2, 3), "6", 384, 3, pad=1)
    conv4 = _conv(conv3, "8", 256, 3, pad=1)
    conv5 = _conv(conv4, "10", 256, 3, pad=1)
    return [conv1, conv2, conv3, conv4, conv5, _pool(conv5, 3)]


def _vgg16(x: Any) -> list[Any]:
    taps, index = [], 0
    for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            x = _conv(x, str(index), filters, 3, pad=1)
            index += 2
        taps.append(x)
        x = _pool(x, 2)
        index += 1
    return [*taps, x]


def _fire(x: Any, name: str, squeeze: int, expand: int) -> Any:
    x = _conv(x, f"{name}_squeeze", squeeze, 1)
    parts = [_conv(x, f"{name}_expand1x1", expand, 1), _conv(x, f"{name}_expand3x3", expand, 3, pad=1)]
    return keras.layers.Concatenate(dtype="float32")(parts)


def _squeezenet(x: Any) -> list[Any]:
    taps = [_conv(x, "0", 64, 3, stride=2)]
    fire4 = _fire(_fire(_pool_ceil(taps[0]), "3", 16, 64), "4", 16, 64)
    fire7 = _fire(_fire(_pool_ceil(fire4), "6", 32, 128), "7", 32, 128)
    taps += [fire4, fire7, _fire(_pool_ceil(fire7), "9", 48, 192)]
    for name, squeeze, expand in (("10", 48, 192), ("11", 64, 256), ("12", 64, 256)):
        taps.append(_fire(taps[-1], name, squeeze, expand))
    return [*taps, taps[-1]]
