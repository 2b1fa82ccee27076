"""The start of a training with 8-bit rounding: even channels, and ranges found on pictures.

A range too wide wastes some of its 256 steps, one too narrow cuts features off. Those found here lose least
on the pictures; the training keeps them and fits the weights to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tf_relight.rounding.equalisation import equalise
from tf_relight.rounding.quantization import Range
from tf_relight.rounding.ranges import Extremes, Histogram

_UNUSED = (0.0, 1.0)
"""The range of a tensor that is 0 on all pictures; every range needs a width."""


def calibrate(model: Any, pictures: Iterable[np.ndarray]) -> None:
    """Even out the channels of a network that can round and set all its ranges; its float result stays.

    Args:
        model: has an `int8`; runs in eager mode, without rounding.
        pictures: (B, H, W, 3) float32 sRGB 0..1 each; gone through twice.
    """
    extremes = equalise(model, channel_extremes(model, pictures))
    counted = {each.index: Histogram.between(extremes[each]) for each in extremes if each.index is not None}

    def look(tensor: Range, values: Any) -> None:
        if tensor.index is not None:
            counted[tensor.index].add(np.asarray(values))

    with model.int8.watched(look):
        for picture in pictures:
            model(picture)
    best = [counted[index].best_range() for index in range(len(counted))]
    model.int8.limits.assign([(low, high) if high > low else _UNUSED for low, high in best])


def channel_extremes(model: Any, pictures: Iterable[np.ndarray]) -> dict[Range, Extremes]:
    """Return what each channel of every rounded tensor spans on pictures, before any rounding."""
    found: dict[Range, Extremes] = {}

    def look(tensor: Range, values: Any) -> None:
        seen = Extremes.of(np.asarray(values))
        found[tensor] = found[tensor].joined(seen) if tensor in found else seen

    with model.int8.watched(look):
        for picture in pictures:
            model(picture)
    return found
