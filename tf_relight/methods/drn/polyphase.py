"""DRN's way to relight pictures of twice its size: four half-size pictures, relit apart and averaged."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.methods.drn import MODES, Mode

PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(row, column) at which each half-size picture starts."""
_RELEASED_PHASES = ((0, 0), (0, 1), (0, 0), (1, 0))


def relight_polyphase(
    network: Callable[[np.ndarray], np.ndarray], image: np.ndarray, mode: Mode = "polyphase4"
) -> np.ndarray:
    """Relight every second pixel four times over, once for each phase, and average the enlarged results.

    Args:
        network: relights one picture (H, W, 3) sRGB 0..1.
        image: (H, W, 3) sRGB 0..1; H and W even.
        mode: "polyphase4" takes the four phases and puts each result where its pixels were. "released" does
            what the release does: it takes phase (0, 0) twice and (1, 1) never, and stretches to one pixel
            less than the full size.

    Returns:
        (H, W, 3) float32 sRGB 0..1.

    Raises:
        RelightError: an odd side, or an unknown mode.

    Source: test script of DRN's release.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        raise RelightError(f"A picture of {width}x{height} has an odd side: use the mode 'plain'.")
    if mode not in MODES[1:]:
        raise RelightError(f"Unknown mode '{mode}': use one of {', '.join(MODES[1:])}.")
    taken = PHASES if mode == "polyphase4" else _RELEASED_PHASES
    place = _enlarged if mode == "polyphase4" else _stretched
    total = np.zeros(image.shape, np.float32)
    for phase, (row, column) in zip(PHASES, taken, strict=True):
        relit = network(np.ascontiguousarray(image[row::2, column::2]))
        total += place(np.asarray(relit, np.float32), phase)
    return np.clip(total / len(PHASES), 0.0, 1.0)


def _enlarged(small: np.ndarray, phase: tuple[int, int]) -> np.ndarray:
    """Double (h, w, 3) linearly: pixel (i, j) stays at (2i + row, 2j + column); borders are repeated."""
    for axis, start in enumerate(phase):
        places = np.clip((np.arange(2 * small.shape[axis]) - start) / 2, 0, small.shape[axis] - 1)
        before = np.floor(places).astype(int)
        after = np.minimum(before + 1, small.shape[axis] - 1)
        share = (places - before).astype(np.float32)
        share = share.reshape([-1 if a == axis else 1 for a in range(3)])
        small = (1 - share) * small.take(before, axis) + share * small.take(after, axis)
    return small


def _stretched(small: np.ndarray, phase: tuple[int, int]) -> np.ndarray:
    """Stretch to 2h - 1 and repeat one row and column on the sides that the phase leaves open."""
    height, width = small.shape[:2]
    stretched = cv2.resize(small, (2 * width - 1, 2 * height - 1), interpolation=cv2.INTER_LINEAR)
    sides = [(1, 0) if start else (0, 1) for start in phase]
    return np.pad(stretched, [*sides, (0, 0)], mode="edge")
