"""Morph targets: how far a shape moves some vertices of the body."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_relight.rendering.humans.assets import AssetError, asset_text


@dataclass(frozen=True, eq=False)
class Morph:
    """Offsets (N, 3) float32, in decimetres, of the vertices of some numbers (N,)."""

    numbers: np.ndarray
    offsets: np.ndarray

    def add_to(self, vertices: np.ndarray, amount: float) -> None:
        """Move the vertices (V, 3) in place; amount 1 is the whole shape."""
        vertices[self.numbers] += np.float32(amount) * self.offsets


def read_morph(path: Path, count: int) -> Morph:
    """Read a `.target.gz` file: lines "number x y z".

    Args:
        count: number of the body's vertices.

    Raises:
        AssetError: the file cannot be read or is damaged.
    """
    try:
        rows = [
            line.split()
            for line in asset_text(path).splitlines()
            if line.strip() and not line.startswith("#")
        ]
        table = np.array(rows, np.float64).reshape(-1, 4)
        numbers = table[:, 0].astype(np.int64)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
            raise ValueError("it moves vertices that the body does not have")
    except ValueError as error:
        raise AssetError(f"{path} is not a usable target: {error}.") from error
    return Morph(numbers, table[:, 1:].astype(np.float32))
