"""Pictures of the training on which a network finds its ranges before it rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tf_relight.data.source import Source
from tf_relight.rounding.ranges import brightened

COUNT = 16
"""Pictures, spread evenly over the source."""


@dataclass(frozen=True)
class CalibrationPictures:
    """The same pictures whenever they are gone through, and on every host; each also as bright as a photo."""

    source: Source

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield (1, H, W, 3) float32 sRGB 0..1."""
        for index in np.linspace(0, len(self.source) - 1, min(COUNT, len(self.source))).round().astype(int):
            picture = self.source.read(int(index))["image"].astype(np.float32)[None] / np.float32(255.0)
            yield picture
            yield brightened(picture)
