"""Which numbers of a tensor 8 bits should hold, and pictures that show what a tensor may hold. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

BINS = 4096
MOST_VALUES = 1 << 16
"""Counted of one tensor and picture, evenly spread; counting all takes longer than the network."""
_SHARES = np.concatenate([np.arange(0.15, 0.5, 0.05), np.arange(0.5, 1.001, 0.025)])
_BRIGHT = 0.45


@dataclass
class Extremes:
    """Smallest and largest value of each channel, (C,)."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Extremes:
        """Return those of a tensor (..., C); a number has one channel."""
        rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
        return cls(rows.min(axis=0), rows.max(axis=0))

    @property
    def largest(self) -> np.ndarray:
        """Largest absolute value of each channel, (C,)."""
        return np.maximum(-self.low, self.high)

    def joined(self, other: Extremes) -> Extremes:
        """Return the extremes of both."""
        return Extremes(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def divided(self, scale: np.ndarray | None) -> Extremes:
        """Return what they are after each channel is divided by a positive number, (C,); None is one."""
        return self if scale is None else Extremes(self.low / scale, self.high / scale)


LEAST_SCALE = 1 / 32
"""Channels are raised at most by 32 to the power of the strength, for the weights that read them shrink."""


def even_scales(largest: np.ndarray, strength: float) -> np.ndarray:
    """Return what the channels of tensors are divided by to make their ranges alike, (C,) float32.

    Args:
        largest: absolute value of each channel, (C,); not all are 0.
        strength: 0 leaves all as it is, 1 makes all ranges equal.

    Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
    section 4.1. Differs: the ranges are measured, and for whole groups of tensors joined by sums.
    """
    shares = np.maximum(largest / largest.max(), LEAST_SCALE).astype(np.float32)
    return shares ** np.float32(strength)


@dataclass
class Histogram:
    """How often values fall into equal bins from `low` to `high`."""

    low: float
    high: float
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS))

    @classmethod
    def between(cls, extremes: Extremes) -> Histogram:
        """Return an empty one from the smallest to the largest value of all channels."""
        return cls(float(extremes.low.min()), float(extremes.high.max()))

    def add(self, values: np.ndarray) -> None:
        """Count values; those outside belong to the first or the last bin."""
        pixels = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
        # An odd step meets all columns of a picture whose width is even.
        values = pixels[:: values.size // MOST_VALUES | 1]
        if self.high > self.low:
            bins = ((values - self.low) * (BINS / (self.high - self.low))).astype(np.int32)
            self.counts += np.bincount(np.clip(bins, 0, BINS - 1).ravel(), minlength=BINS)

    def best_range(self) -> tuple[float, float]:
        """Return the range whose 256 steps give the smallest mean squared error; 0 is always inside."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        if self.counts.sum() == 0 or high <= low:
            return low, high
        centres = self.low + (np.arange(BINS) + 0.5) * (self.high - self.low) / BINS
        lows = low * _SHARES if low < 0 else np.zeros(1)
        highs = high * _SHARES if high > 0 else np.zeros(1)
        total = self.counts.sum()
        cut_low = np.array([(self.counts * np.minimum(centres - each, 0) ** 2).sum() for each in lows])
        cut_high = np.array([(self.counts * np.maximum(centres - each, 0) ** 2).sum() for each in highs])
        step = (highs[None] - lows[:, None]) / 255
        error = cut_low[:, None] + cut_high[None] + total * step**2 / 12
        row, column = np.unravel_index(int(error.argmin()), error.shape)
        return float(lows[row]), float(highs[column])


def brightened(picture: np.ndarray) -> np.ndarray:
    """Return a picture 0..1 with a mean of 0.45 by raising it to a power; brighter ones stay as they are.

    Rendered scenes are as dark as those of VIDIT; ranges that have seen nothing else cut photos off.
    """
    mean = float(picture.mean())
    if not 0 < mean < _BRIGHT:
        return picture
    low, high = 0.0, 1.0  # of the exponent; the mean falls as it grows
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if float((picture**middle).mean()) > _BRIGHT else (low, middle)
    return picture ** np.float32(low)
