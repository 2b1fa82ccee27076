"""Finding faces in photos."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tf_relight.photo.picture import shrunk, to_u8

# The detector looks at a copy of this long side; only when it sees nobody, at the larger one.
LOOKED_AT = (640, 1280)
LEAST_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Face:
    """A face in a picture, in pixels of that picture.

    Attributes:
        left, top, width, height: box from the hairline to the chin; it may touch the border.
        confidence: 0..1, how sure the detector is.
    """

    left: float
    top: float
    width: float
    height: float
    confidence: float

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the middle of the box."""
        return self.top + self.height / 2, self.left + self.width / 2

    def moved(self, down: float, right: float) -> Face:
        """Return the face in a picture whose corner lies elsewhere."""
        return replace(self, top=self.top + down, left=self.left + right)

    def scaled(self, scale: float) -> Face:
        """Return the face in a picture of another size."""
        box = (self.left * scale, self.top * scale, self.width * scale, self.height * scale)
        return Face(*box, confidence=self.confidence)


def find_faces(pixels: np.ndarray) -> list[Face]:
    """Return the faces in a picture, the largest first; turned or covered ones may be missed.

    Args:
        pixels: (H, W, 3) sRGB, any size; float 0..1, uint8 or uint16.

    Source: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
    Networks", IEEE Signal Processing Letters 23 (2016); the weights come with the package `mtcnn`.
    """
    long_side = max(pixels.shape[:2])
    for looked_at in LOOKED_AT:
        scale = min(1.0, looked_at / long_side)
        size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
        small = to_u8(shrunk(pixels, size))
        faces = [_face(found).scaled(1 / scale) for found in _detector().detect_faces(small)]
        faces = [face for face in faces if face.confidence >= LEAST_CONFIDENCE]
        if faces or scale == 1:
            break
    return sorted(faces, key=lambda face: -face.height)


def _face(found: dict[str, Any]) -> Face:
    left, top, width, height = (float(value) for value in found["box"])
    return Face(left, top, width, height, float(found["confidence"]))


@functools.cache
def _detector() -> Any:
    # Imported here: it brings TensorFlow in, which takes seconds.
    from mtcnn import MTCNN

    return MTCNN(device="CPU:0")
