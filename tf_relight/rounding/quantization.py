"""Training with the rounding of 8-bit inference: layers whose tensors have 256 steps, as on a phone.

A network is wired once, when it is made: `make_int8(source)` of each layer takes the range of the layer's
input and returns that of its output. While `Int8.on` is false, the layers are the usual ones. While it is
true, every tensor is a whole number of steps times the size of a step, and every layer computes with the
whole numbers in the way of XNNPACK's int8 kernels. float32 holds these sums exactly, so the outputs are those
of the file, bit for bit; `int8.quantization_aware` writes it. Rounding counts as the identity in gradients.

One range for all pictures costs the layers next to the result most. `Int8.finish` lets the last ones do
without: their tensors are float32, and a convolution finds the range of its input in each picture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

LOWEST, HIGHEST = -128, 127
WEIGHT_STEPS = 127
"""Weights have the steps -127..127, so that zero lies in the middle."""
_TIE = 1 / 64
"""Bilinear resizing by two gives sixteenths of a step; float32 must not push a tie to the wrong side."""
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Steps:
    """The steps of one tensor: their size, and the first and the last, counted from the one that is 0.0."""

    scale: Any
    first: Any
    last: Any


class Int8:
    """The ranges of a network's tensors, and whether the tensors are rounded.

    `calibration` finds the ranges before a training with rounding; they stay while the weights learn.

    Attributes:
        on: whether they are.
        limits: smallest and largest number of each range, (ranges, 2); zeros before they are found.
        training: whether the run that goes on is one of training.
        tail: how many of the last convolutions have no fixed ranges.
    """

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.limits: Any = None
        self.training = False
        self.tail = 0
        self._layers: list[Any] = []
        self._ranges: list[Range] = []
        self._steps: list[Steps] = []
        self._watcher: Callable[[Range, Any], None] | None = None

    def new_range(self, layer: keras.layers.Layer) -> Range:
        """Return the range of what `layer` gives; layers are wired in the order in which they compute."""
        self._layers.append(layer)
        self._ranges.append(Range(self, len(self._ranges)))
        return self._ranges[-1]

    def unit_range(self) -> Range:
        """Return the range 0..1 of a picture."""
        return Range(self, None, picture=True)

    def finish(self, tail: int = 0) -> None:
        """End the wiring: the range that was made last is that of the picture which the network gives.

        Args:
            tail: how many of the last convolutions do without fixed ranges, with the sums between and behind
                them. 0 fixes the last range to 0..1.

        Raises:
            ValueError: no convolution would be left with a fixed range.
        """
        convolutions = [i for i, layer in enumerate(self._layers) if isinstance(layer, _Convolution)]
        if not 0 <= tail < len(convolutions):
            raise ValueError(f"{tail} of {len(convolutions)} convolutions cannot do without fixed ranges")
        self.tail = tail
        first = convolutions[-tail] if tail else len(self._ranges) - 1
        self._ranges[-1].picture = True
        for each in self._ranges[first:]:
            each.index, each.fixed = None, not tail
        del self._ranges[first:]

    def build(self, layer: keras.layers.Layer) -> None:
        """Make the weight "ranges" of `layer`, if there are any ranges."""
        if self._ranges:
            layer.ranges = self.limits = keras.Variable(
                "zeros",
                (len(self._ranges), 2),
                dtype="float32",
                trainable=False,
                autocast=False,
                name="ranges",
            )

    @property
    def started(self) -> bool:
        """Whether every range is set; before, a rounded network gives NaN."""
        if self.limits is None:
            return False
        limits = ops.convert_to_numpy(self.limits)
        return bool((limits[:, 1] > limits[:, 0]).all())

    @contextlib.contextmanager
    def running(self, training: bool | None = False) -> Iterator[None]:
        """Read the ranges for one run of the network; in training rounding lets gradients through."""
        if not self.on:
            yield
            return
        self._steps, self.training = _steps(ops.convert_to_tensor(self.limits)), bool(training)
        try:
            yield
        finally:
            self._steps, self.training = [], False

    def steps_of(self, index: int) -> Steps:
        """Return the steps of a learned range; only inside `running`."""
        return self._steps[index]

    @contextlib.contextmanager
    def switched(self, on: bool) -> Iterator[None]:
        """Switch the rounding on or off for a while."""
        before, self.on = self.on, on
        try:
            yield
        finally:
            self.on = before

    @contextlib.contextmanager
    def watched(self, look: Callable[[Range, Any], None]) -> Iterator[None]:
        """Show every tensor that a layer gives without rounding to `look`, for a while; in eager mode."""
        self._watcher = look
        try:
            with self.switched(False):
                yield
        finally:
            self._watcher = None

    def shown(self, tensor: Range, values: Any) -> Any:
        """Show a tensor to whoever watches, and return it."""
        if self._watcher is not None:
            self._watcher(tensor, values)
        return values


class Range:
    """Which numbers the 256 steps of a tensor stand for.

    Attributes:
        index: the row of `Int8.limits`; None for 0..1 and for tensors without a fixed range.
        picture: whether the tensor is one that the network takes or gives.
        fixed: whether all pictures share the range; if not, the tensor is float32.
    """

    def __init__(self, int8: Int8, index: int | None, *, picture: bool = False) -> None:
        self.int8, self.index = int8, index
        self.picture, self.fixed = picture, True

    @property
    def steps(self) -> Steps:
        """The steps as they are now; only inside `Int8.running` and of fixed ranges."""
        assert self.fixed
        if self.index is None:
            return Steps(np.float32(1.0 / (HIGHEST - LOWEST)), 0.0, float(HIGHEST - LOWEST))
        return self.int8.steps_of(self.index)

    def count(self, values: Any) -> Any:
        """Return `values`, which lie at steps or between two, as whole steps; halves go up."""
        steps = values / self.steps.scale
        return self.nearest(ops.floor(steps + (0.5 + _TIE)), steps)

    def nearest(self, rounded: Any, exact: Any) -> Any:
        """Return `rounded`; in training with the gradient of `exact`."""
        # The difference is exact in float32, so adding it gives `rounded` itself.
        return exact + ops.stop_gradient(rounded - exact) if self.int8.training else rounded

    def values(self, rounded: Any, exact: Any) -> Any:
        """Return whole steps, if there are any, as numbers; in training with the gradient of `exact`."""
        steps = self.steps
        inside = ops.minimum(ops.maximum(self.nearest(rounded, exact), steps.first), steps.last)
        return inside * steps.scale

    def round(self, values: Any) -> Any:
        """Return means and interpolations of steps as numbers at steps; without fixed ones as they are."""
        return self.count(values) * self.steps.scale if self.fixed else values

    def enter(self, values: Any) -> Any:
        """Return any numbers, such as a picture's, as numbers at steps."""
        steps = values * (1.0 / self.steps.scale)
        return self.values(ops.round(steps), steps)


def _steps(limits: Any) -> list[Steps]:
    low, high = limits[:, 0], limits[:, 1]
    scale = short_scale((high - low) / (HIGHEST - LOWEST))
    # Ranges that are not set give no numbers, where the fixed point of sums would overflow without a word.
    scale = ops.where(high > low, scale, float("nan"))
    zero = ops.clip(ops.round(LOWEST - low / scale), LOWEST, HIGHEST)
    rows = (scale, LOWEST - zero, HIGHEST - zero)
    return [Steps(*each) for each in zip(*(ops.unstack(row) for row in rows), strict=True)]


def _steps_of_picture(values: Any) -> tuple[Any, Any]:
    """Return how many steps make 1.0 and which step is 0.0, (B, 1, 1, 1), so that they span each picture.

    The fuller end of the range decides where zero lies, as in XNNPACK.
    """
    axes = (1, 2, 3)
    low = ops.minimum(ops.min(values, axis=axes, keepdims=True), 0.0)
    high = ops.maximum(ops.max(values, axis=axes, keepdims=True), 0.0)
    width = high - low
    per_step = ops.where(width > 0, (HIGHEST - LOWEST) / ops.where(width > 0, width, 1.0), 1.0)
    low, high = low * per_step, high * per_step
    zero = ops.where(LOWEST + low + (HIGHEST + high) > 0, LOWEST - low, HIGHEST - high)
    return per_step, ops.round(ops.clip(zero, LOWEST, HIGHEST))


def short_scale(scale: Any) -> Any:
    """Return `scale` rounded up to 16 significant bits, without a gradient.

    A range's bounds, up to 255 times the scale, are then exact in float32: a converter that is given the
    bounds finds the very same scale.
    """
    bits = ops.view(ops.maximum(ops.stop_gradient(scale), _SMALLEST), "int32")
    return ops.view(ops.bitwise_and(bits + 0xFF, ~0xFF), "float32")


class _Convolution:
    """What convolutions and transposed convolutions share."""

    kernel: Any
    bias: Any
    activation: Any
    kernel_axes: tuple[int, ...]
    """What one scale of the weights covers where ranges are fixed."""
    output_axis: int
    """Of the kernel."""
    source: Range | None = None
    range: Range | None = None

    def make_int8(self, source: Range) -> Range:
        """Take the range of the input and return that of the output, behind the activation."""
        if self.activation not in (keras.activations.linear, keras.activations.relu):
            raise ValueError("8-bit convolutions have no activation but ReLU.")
        self.source, self.range = source, source.int8.new_range(self)
        return self.range

    def call(self, inputs: Any) -> Any:
        """(B, H, W, C) -> the convolution's output."""
        if self.range is None or self.source is None:
            return super().call(inputs)  # type: ignore[misc]
        if not self.range.int8.on:
            return self.range.int8.shown(self.range, super().call(inputs))  # type: ignore[misc]
        if not self.range.fixed:
            return self._call_of_tail(inputs)
        kernel, bias, scale = self.weight_steps()
        sum_scale = self.source.steps.scale * scale
        sums = self.activation(self.convolve(self.source.count(inputs), kernel) + bias)
        # Multiplied in this order and rounded to even, as XNNPACK does.
        steps = sums * (sum_scale / self.range.steps.scale)
        return self.range.values(ops.round(steps), steps)

    def weight_steps(self) -> tuple[Any, Any, Any]:
        """Return kernel and bias in whole steps, and the size of the kernel's; only inside `Int8.running`."""
        assert self.source is not None
        kernel = ops.convert_to_tensor(self.kernel)
        scale = short_scale(ops.max(ops.abs(kernel), axis=self.kernel_axes) / WEIGHT_STEPS)
        kernel, bias = kernel / scale, ops.convert_to_tensor(self.bias) / (self.source.steps.scale * scale)
        nearest = self.source.nearest
        return nearest(ops.round(kernel), kernel), nearest(ops.round(bias), bias), scale

    def _call_of_tail(self, inputs: Any) -> Any:
        """Return the output in float32; the input is rounded to the range that it has in each picture."""
        assert self.source is not None and self.range is not None
        if self.range.picture:
            # It has few filters, so float32 weights cost next to nothing, and they count most.
            return super().call(inputs)  # type: ignore[misc]
        kernel, scale = self._tail_weight_steps()
        per_step, zero = _steps_of_picture(ops.stop_gradient(inputs))
        steps = inputs * per_step
        whole = ops.clip(ops.round(ops.stop_gradient(steps)) + zero, LOWEST, HIGHEST) - zero
        sums = self.convolve(self.source.nearest(whole, steps), kernel)
        return self.activation(sums * (1.0 / per_step) * scale + ops.convert_to_tensor(self.bias))

    def tail_kernel(self) -> Any:
        """Return the kernel as it is without fixed ranges: at int8 steps, but for that of the result."""
        assert self.range is not None
        if self.range.picture:
            return self.kernel
        kernel, scale = self._tail_weight_steps()
        return kernel * (scale if self.output_axis == 3 else scale[:, None])

    def _tail_weight_steps(self) -> tuple[Any, Any]:
        """Return the kernel in whole steps, and their size for each output, (filters,)."""
        assert self.source is not None
        kernel = ops.convert_to_tensor(self.kernel)
        along = tuple(axis for axis in range(4) if axis != self.output_axis)
        largest = ops.stop_gradient(ops.max(ops.abs(kernel), axis=along, keepdims=True))
        scale = ops.maximum(largest, _SMALLEST) / WEIGHT_STEPS
        kernel = kernel / scale
        return self.source.nearest(ops.round(kernel), kernel), ops.reshape(scale, (-1,))

    def convolve(self, inputs: Any, kernel: Any) -> Any:
        """Return the bare convolution with another kernel."""
        raise NotImplementedError


class Conv2D(_Convolution, keras.layers.Conv2D):
    """Keras' Conv2D; in 8 bits each output channel has its own scale of the weights."""

    kernel_axes = (0, 1, 2)
    output_axis = 3

    def convolve(self, inputs: Any, kernel: Any) -> Any:
        """Return the bare convolution with another kernel."""
        return self.convolution_op(inputs, kernel)


class Conv2DTranspose(_Convolution, keras.layers.Conv2DTranspose):
    """Keras' Conv2DTranspose; in 8 bits one scale serves all weights, as TensorFlow's converter knows it."""

    kernel_axes = (0, 1, 2, 3)
    output_axis = 2

    def convolve(self, inputs: Any, kernel: Any) -> Any:
        """Return the bare transposed convolution with another kernel."""
        return ops.conv_transpose(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )


class Sum(keras.layers.Layer):
    """x + y."""

    sources: tuple[Range, Range] | None = None
    range: Range | None = None

    def make_int8(self, first: Range, second: Range) -> Range:
        """Take the ranges of both inputs and return that of the sum."""
        self.sources, self.range = (first, second), first.int8.new_range(self)
        return self.range

    def call(self, x: Any, y: Any) -> Any:
        """Two tensors of one shape -> their sum."""
        if self.range is None or self.sources is None:
            return x + y
        if not self.range.int8.on:
            return self.range.int8.shown(self.range, x + y)
        first, second = self.sources
        if not self.range.fixed:
            return first.round(x) + second.round(y)
        x, y = first.count(x), second.count(y)
        scale = self.range.steps.scale
        x_factor, y_factor = first.steps.scale / scale, second.steps.scale / scale
        if not self.range.int8.training:
            whole = _fixed_point_sum(x, x_factor, y, y_factor)
            return self.range.values(whole, whole)
        steps = x * x_factor + y * y_factor
        return self.range.values(ops.floor(steps + 0.5), steps)


def _fixed_point_sum(x: Any, x_factor: Any, y: Any, y_factor: Any) -> Any:
    """Return round(x * x_factor + y * y_factor) of whole x and y, with XNNPACK's factors of 21 bits."""
    exponent = ops.right_shift(ops.view(ops.maximum(x_factor, y_factor), "int32"), 23) - 127
    shift = 20 - exponent
    total = ops.left_shift(ops.ones_like(shift), shift - 1)
    for steps, factor in ((x, x_factor), (y, y_factor)):
        # Adding to the exponent multiplies by two to the power of the shift, exactly.
        shifted = ops.view(ops.view(factor, "int32") + ops.left_shift(shift, 23), "float32")
        total = total + ops.cast(steps, "int32") * ops.cast(ops.round(shifted), "int32")
    return ops.cast(ops.right_shift(total, shift), "float32")
