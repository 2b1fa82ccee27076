"""Three predictions that know nothing of light: what a network has to beat.

'input unchanged' says how far apart the two lights are, 'best affine colour' how much of it is colour and
exposure, 'mean training image' how much all the targets have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tf_relight.data.source import Source
from tf_relight.errors import RelightError

Prediction = Callable[[np.ndarray], np.ndarray]
"""A picture (H, W, 3) float32 sRGB 0..1 to a picture of the same kind and size."""

INPUT_UNCHANGED = "input unchanged"
BEST_AFFINE_COLOUR = "best affine colour"
MEAN_TRAINING_IMAGE = "mean training image"

MOST_SAMPLES = 2000
"""Samples that are fitted to; sets that form pictures on the fly can hold hundreds of thousands."""


def input_unchanged(image: np.ndarray) -> np.ndarray:
    """Return a copy of the picture."""
    return image.copy()


@dataclass(frozen=True)
class AffineColour:
    """One affine map of the colours for every pixel of every picture.

    Attributes:
        matrix: (3, 4); target = matrix[:, :3] @ rgb + matrix[:, 3], sRGB values 0..1.
    """

    matrix: np.ndarray

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Map a picture and clip it to 0..1."""
        mapped = image @ self.matrix[:, :3].T.astype(np.float32) + self.matrix[:, 3].astype(np.float32)
        return np.clip(mapped, 0.0, 1.0)


@dataclass(frozen=True)
class MeanPicture:
    """The same picture for every input; (H, W, 3) float32 0..1."""

    picture: np.ndarray

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the mean picture.

        Raises:
            RelightError: the input has another size than the training pictures.
        """
        if image.shape != self.picture.shape:
            raise RelightError(
                f"The mean training image is {_size(self.picture)}, but a picture is {_size(image)}: "
                "train and evaluate at one size."
            )
        return self.picture.copy()


def fit_baselines(
    source: Source, *, limit: int | None = None, progress: bool = True
) -> dict[str, Prediction]:
    """Fit the three baselines to the pairs of a training source, in one pass over it.

    Of a source with more than `MOST_SAMPLES` samples so many are used, spread evenly over it.

    The affine map is the least-squares solution over all pixels before clipping, from normal equations in
    float64.

    Args:
        source: gives `image` and `target`, uint8 (H, W, 3).
        limit: use the first so many samples only.

    Returns:
        Name to prediction, in the order of the score table.

    Raises:
        RelightError: the source is empty or lacks a field, or a file of it cannot be read.
    """
    from tf_relight.progress import track

    lacking = {"image", "target"} - set(source.fields)
    if lacking:
        raise RelightError(f"The training data has no {' and no '.join(sorted(lacking))} to fit to.")
    count = len(source) if limit is None else min(limit, len(source))
    if count == 0:
        raise RelightError("The training data is empty: there is nothing to fit the baselines to.")
    inner, outer = np.zeros((4, 4)), np.zeros((4, 3))
    total: np.ndarray | None = None
    chosen = range(count) if count <= MOST_SAMPLES else _spread(count, MOST_SAMPLES)
    for index in track(chosen, "Fitting baselines", show=progress):
        sample = source.read(index)
        target = sample["target"].astype(np.float64) / 255.0
        colours = sample["image"].reshape(-1, 3).astype(np.float64) / 255.0
        colours = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)
        inner += colours.T @ colours
        outer += colours.T @ target.reshape(-1, 3)
        total = target if total is None else total + target
    assert total is not None
    # The pseudo-inverse also serves grey or constant pictures, whose equations have no single solution.
    matrix = (np.linalg.pinv(inner, hermitian=True) @ outer).T
    return {
        INPUT_UNCHANGED: input_unchanged,
        BEST_AFFINE_COLOUR: AffineColour(matrix),
        MEAN_TRAINING_IMAGE: MeanPicture((total / len(chosen)).astype(np.float32)),
    }


def _spread(count: int, chosen: int) -> list[int]:
    return [number * count // chosen for number in range(chosen)]


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
