"""Which convolutions a file may round, and which stay as they are: as few as a bound asks for.

Rounding errors of different layers add up like noise. So each layer is rounded alone first, and those that
spoil most are kept. In networks for pictures these are layers at full resolution with few weights: keeping
them costs few bytes.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.litert.runtimes import InterpreterRuntime
from export.signatures import RELIT, signature_name

if TYPE_CHECKING:
    from export.int8.calibration import Calibration

JUDGED, SCOUTED = 6, 2
"""Calibration pictures that tell how good a file is, and that tell layers apart."""
STEPS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48)
"""How many convolutions are kept, tried in turn."""
WORTH = 0.25
"""Share of all bytes to spare that keeping any convolution is taken to cost, beside its own."""


@dataclass(frozen=True)
class Selected:
    """A file, the numbers of the convolutions that stayed as they were, and its PSNR in dB."""

    content: bytes
    kept: tuple[int, ...]
    psnr: float


class Judge:
    """Tells how far a file is from the float32 one, on a few calibration pictures."""

    def __init__(self, content: bytes, size: int, calibration: Calibration, count: int = JUDGED) -> None:
        """Run the float32 file.

        Args:
            size: chooses the signature. count: number of pictures.
        """
        self._signature = signature_name(size)
        samples = list(calibration.samples(size))
        step = max(1, len(samples) // count)
        # From the second on: every second rendered scene is as bright as a photo.
        self._samples = samples[1::step][:count] or samples[:1]
        self._wanted = self._run(content)

    def psnr(self, content: bytes) -> float:
        """Return the smallest PSNR of the pictures in dB."""
        pairs = zip(self._wanted, self._run(content), strict=True)
        errors = [float(np.mean((wanted - got) ** 2, dtype=np.float64)) for wanted, got in pairs]
        return -10 * math.log10(max(*errors, 1e-20))

    def _run(self, content: bytes) -> list[np.ndarray]:
        with tempfile.TemporaryDirectory(prefix="export-judge-") as folder:
            path = Path(folder) / "judged.tflite"
            path.write_bytes(content)
            runtime = InterpreterRuntime(path, threads=os.cpu_count() or 1)
            return [runtime.run(self._signature, sample)[RELIT] for sample in self._samples]


def select(
    rounded: Callable[[frozenset[int]], bytes],
    scouted: Callable[[frozenset[int]], bytes],
    costs: Sequence[int],
    judge: Judge,
    scout: Judge,
    *,
    target: float,
    largest: float,
) -> Selected:
    """Return the file that keeps the fewest convolutions for `target`, or the best one if none reaches it.

    Args:
        rounded: makes the file in which the convolutions of the given numbers stay as they are.
        scouted: the same for the scout, for which one graph is enough.
        costs: bytes that it costs to keep each convolution.
        judge: tells when the target is reached. scout: tells which layers spoil most, with less work.
        target: dB on the judge's pictures. largest: bytes that the file may have.
    """
    content = rounded(frozenset())
    best = Selected(content, (), judge.psnr(content))
    if best.psnr >= target:
        return best
    everything = frozenset(range(len(costs)))
    # Kept ones may spoil a little too: in large ones the weights stay rounded.
    floor = _error(scout.psnr(scouted(everything)))
    noise = [
        max(_error(scout.psnr(scouted(everything - {place}))) - floor, 0.0) for place in range(len(costs))
    ]
    order = _affordable(noise, costs, largest - len(content))
    # What was measured of each alone tells where to begin; the judge is slow.
    allowed = _error(target) / _error(best.psnr) * (sum(noise) + floor)
    left = [floor + sum(noise) - sum(noise[place] for place in order[:count]) for count in STEPS]
    first = next((count for count, each in zip(STEPS, left, strict=True) if each <= allowed), STEPS[-1])
    counts = sorted({min(each, len(order)) for each in STEPS if each >= first} | {min(first, len(order))})
    for count in counts:
        kept = frozenset(order[:count])
        content = rounded(kept)
        if len(content) > largest:
            break
        psnr = judge.psnr(content)
        if psnr > best.psnr:
            best = Selected(content, tuple(sorted(kept)), psnr)
        if best.psnr >= target:
            break
    return best


def _error(psnr: float) -> float:
    return float(10 ** (-psnr / 10))


def _affordable(noise: Sequence[float], costs: Sequence[int], spare: float) -> list[int]:
    """Return the convolutions that `spare` bytes can keep, those first that spoil most for their cost."""
    # Each one more also costs time, so that a cheap one must be worth it.
    least = max(spare, 1.0) * WORTH
    order = []
    for place in sorted(range(len(costs)), key=lambda each: -noise[each] / (costs[each] + least)):
        if costs[place] <= spare:
            spare -= costs[place]
            order.append(place)
    return order
