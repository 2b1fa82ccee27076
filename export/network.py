"""A loaded network as a plain function of named tensors, in the forms that phones run whole.

The trained model stays as it is: layers whose usual form a delegate refuses are written in another form only
while the function is traced. Both forms give the same numbers up to the rounding of float32.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from export.signatures import TensorSpec, check_sizes, inputs_of, outputs_of
from tf_relight.contract.card import COEFFICIENTS, Port
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    import keras

    from tf_relight.methods.trained import LoadedModel

Network = Callable[..., dict[str, Any]]
"""Named tensors to a dict of named tensors."""
Clip = Literal["plain", "none"]


def relight_function(
    loaded: LoadedModel, size: int | None = None, *, clip: Clip = "plain", rounded: bool = False
) -> tuple[Network, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the network as a function, its inputs and its outputs; see `signatures` for names and ranges.

    Args:
        size: side in pixels of the square picture, with a batch of 1, for phones; None leaves both open.
        clip: "plain" brings scenes into 0..1. "none" leaves that to an int8 converter, which gives the last
            convolution this range, so that it saturates by itself; the clip would be left to slow kernels.
        rounded: with the rounding of 8-bit inference, of a network that was trained with it. Without it, such
            a network is what other files and servers compute, and what the rounding is judged by.

    Raises:
        RelightError: the network cannot take `size`.
    """
    info = loaded.method.info
    if size is not None:
        check_sizes(loaded.method.name, info, (size,))
    return _network(loaded, size, clip, rounded), inputs_of(info, size), outputs_of(info, size)


def _network(loaded: LoadedModel, size: int | None, clip: Clip, rounded: bool) -> Network:
    model, info = loaded.model, loaded.method.info

    def run(**tensors: Any) -> dict[str, Any]:
        import tensorflow as tf

        inputs = {port.name: _from_tensor(port, tensors[port.name]) for port in info.inputs}
        with phone_forms(model) if size else contextlib.nullcontext(), _rounding(model, rounded):
            outputs = model.infer(inputs, training=False)
        made = {port.name: _to_tensor(port, outputs[port.name]) for port in info.outputs}
        bounded = [port.name for port in info.outputs if port.kind == "srgb" and clip == "plain"]
        return made | {name: tf.clip_by_value(made[name], 0.0, 1.0) for name in bounded}

    return run


def _from_tensor(port: Port, tensor: Any) -> Any:
    """A light (B, 1, 1, 9 C), colour by colour, becomes (B, 9, C); pictures stay."""
    import tensorflow as tf

    if port.kind != "light":
        return tensor
    if port.channels == 1:
        return tf.reshape(tensor, (-1, COEFFICIENTS, 1))
    return tf.transpose(tf.reshape(tensor, (-1, port.channels, COEFFICIENTS)), (0, 2, 1))


def _to_tensor(port: Port, value: Any) -> Any:
    """The way back from `_from_tensor`."""
    import tensorflow as tf

    if port.kind != "light":
        return value
    if port.channels > 1:
        value = tf.transpose(value, (0, 2, 1))
    return tf.reshape(value, (-1, 1, 1, COEFFICIENTS * port.channels))


@contextlib.contextmanager
def _rounding(model: Any, on: bool) -> Iterator[None]:
    """Switch the rounding of a network that knows it, for a while."""
    int8 = getattr(model, "int8", None)
    if int8 is None:
        yield
        return
    with int8.switched(on):
        yield


def leave_mirroring(loaded: LoadedModel) -> None:
    """Make a network that takes the mean with its mirrored picture answer once, to half the work.

    Raises:
        RelightError: the network does no such thing.
    """
    if not getattr(loaded.model, "mirrored", False):
        raise RelightError(
            f"{loaded.method.name} takes no mean with the mirrored picture. Leave out --leave-mirroring."
        )
    loaded.model.mirrored = False


@contextlib.contextmanager
def phone_forms(model: keras.Model) -> Iterator[None]:
    """Give some layers of `model` another form of the same numbers, and take it back at the end."""
    import keras

    from tf_relight.networks.layers import Downsample2x

    forms: dict[type, Callable[[Any, Any], Any]] = {
        Downsample2x: _halve,
        keras.layers.PReLU: _prelu_of_channels,
    }
    changed = [layer for layer in model._flatten_layers() if type(layer) in forms]
    try:
        for layer in changed:
            # Not through Keras' own attribute tracking: this is no part of the model.
            object.__setattr__(layer, "call", functools.partial(forms[type(layer)], layer))
        yield
    finally:
        for layer in changed:
            object.__delattr__(layer, "call")


def _halve(layer: Any, x: Any) -> Any:
    """Downsample2x: bilinear resizing by 0.5 also is the mean of 2x2; XNNPACK has no int8 average pooling."""
    import tensorflow as tf

    return tf.image.resize(x, (x.shape[1] // 2, x.shape[2] // 2), "bilinear")


def _prelu_of_channels(layer: Any, x: Any) -> Any:
    """PReLU: one slope that all channels share is repeated for each; the GPU delegate takes no other."""
    import tensorflow as tf

    slopes = tf.convert_to_tensor(layer.alpha) * tf.ones((1, 1, x.shape[-1]), x.dtype)
    return tf.nn.relu(x) + -slopes * tf.nn.relu(-x)
