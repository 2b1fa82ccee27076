"""Evening out the channels of a float network before it is trained with the rounding to 8 bits.

One range serves all channels of a tensor, so that a channel ten times smaller than the largest is left with
25 of the 256 steps. Where only sums, resizing and convolutions with ReLU touch a tensor, dividing a channel
by a number and multiplying the weights that read it changes nothing but the ranges.

Source: Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1; here for whole groups of tensors joined by sums, with measured ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tf_relight.rounding.quantization import Conv2D, Conv2DTranspose, Range, Sum
from tf_relight.rounding.ranges import Extremes, even_scales

STRENGTH = 0.5
"""0 leaves all as it is, 1 makes all ranges of a tensor equal; `export.int8.quantize` says what was tried."""


def equalise(model: Any, extremes: Mapping[Range, Extremes]) -> dict[Range, Extremes]:
    """Change the weights of a network that can round; what it computes without rounding stays.

    Args:
        extremes: of each tensor's channels, as `calibration.channel_extremes` finds them.

    Returns:
        What the extremes are with the new weights.
    """
    # Any: layers without ranges, which a Range | None would have to allow for, are not among them.
    layers: list[Any] = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, (Conv2D, Conv2DTranspose, Sum)) and layer.range is not None
    ]
    groups = _Groups(layers)
    largest: dict[Range, np.ndarray] = {}
    for tensor, each in extremes.items():
        group = groups.of(tensor)
        largest[group] = np.maximum(largest.get(group, 0.0), each.largest)
    scales = {
        group: even_scales(each, STRENGTH)
        for group, each in largest.items()
        if group not in groups.fixed and each.max() > 0
    }
    for layer in layers:
        if not isinstance(layer, Sum):
            (source,) = _sources(layer)
            _scale(layer, scales.get(groups.of(source)), scales.get(groups.of(layer.range)))
    return {tensor: each.divided(scales.get(groups.of(tensor))) for tensor, each in extremes.items()}


def _sources(layer: Any) -> tuple[Range, ...]:
    return tuple(layer.sources) if hasattr(layer, "sources") else (layer.source,)


class _Groups:
    """Which tensors must be scaled alike; `fixed` are the groups of pictures, which are not scaled."""

    def __init__(self, layers: Iterable[Any]) -> None:
        self._parent: dict[Range, Range] = {}
        pictures: list[Range] = []
        for layer in layers:
            sources = _sources(layer)
            pictures += [each for each in (*sources, layer.range) if each.picture]
            joined: Range = layer.range
            if isinstance(layer, Sum):
                for source in sources:
                    self._parent[self.of(source)] = self.of(joined)
        self.fixed = {self.of(each) for each in pictures}

    def of(self, tensor: Range) -> Range:
        """Return the tensor that stands for the group."""
        while (parent := self._parent.get(tensor, tensor)) is not tensor:
            tensor = parent
        return tensor


def _scale(layer: Any, before: np.ndarray | None, after: np.ndarray | None) -> None:
    """Multiply the weights that read a tensor by `before`, divide those that write one by `after`."""
    kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias)
    # The kernel of a transposed convolution has its outputs first.
    transposed = isinstance(layer, Conv2DTranspose)
    if before is not None:
        kernel = kernel * (before if transposed else before[:, None])
    if after is not None:
        kernel, bias = kernel / (after[:, None] if transposed else after), bias / after
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
