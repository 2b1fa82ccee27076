"""What is kept of a rendered head: all that its picture under any light is made from."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.guarded.arrays import read_npz
from tf_relight.guarded.structured import parse_json

FORMAT_VERSION = 3
DIRECTIONS = 64
_ADVICE = "delete it and render again"


@dataclass(frozen=True, eq=False)
class GBuffers:
    """The maps of one head, all S x S pixels; x is right, y up, z toward the camera.

    Attributes:
        albedo: (S, S, 3) uint8 sRGB of what is covered. normal: (S, S, 3) int8, unit normals times 127.
        coverage, skin, hair: (S, S) uint8, share of the pixel that the person, the skin, the hair covers.
        gloss: (S, S) uint8, strength of the highlight.
        kind: (S, S) uint8, number in `parts.KINDS` of what covers most of the pixel.
        depth: (S, S) float16, mean distance from the camera in decimetres; 0 where nothing is.
        background: (S, S, 3) uint8 sRGB.
        directions: (64, 3) float32, unit vectors spread evenly over the sphere.
        visible: (S, S, 8) uint8, a bit per direction, first direction first: whether light reaches the pixel.
        info: who the person is and how the head is turned.
    """

    albedo: np.ndarray
    normal: np.ndarray
    coverage: np.ndarray
    skin: np.ndarray
    hair: np.ndarray
    gloss: np.ndarray
    kind: np.ndarray
    depth: np.ndarray
    background: np.ndarray
    directions: np.ndarray
    visible: np.ndarray
    info: dict[str, Any]

    @property
    def size(self) -> int:
        """Side in pixels."""
        return int(self.albedo.shape[0])

    def save(self, path: Path) -> None:
        """Write an .npz file; equal maps give equal bytes, and no half-written file gets the name.

        Raises:
            RelightError: the file cannot be written.
        """
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "info"}
        text = json.dumps({"version": FORMAT_VERSION, **self.info}, sort_keys=True)
        arrays["info"] = np.frombuffer(text.encode(), np.uint8)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> GBuffers:
        """Read a file that `save` wrote.

        Raises:
            RelightError: the file is missing, damaged or of another version.
        """
        arrays = read_npz(path, what="a rendered head", advice=_ADVICE)
        try:
            info = parse_json(arrays.pop("info").tobytes(), source=str(path))
            if info.pop("version", None) != FORMAT_VERSION:
                raise ValueError("another version wrote it")
            buffers = cls(**arrays, info=info)
            side = buffers.size
            if buffers.visible.shape != (side, side, DIRECTIONS // 8) or buffers.normal.shape != (
                side,
                side,
                3,
            ):
                raise ValueError("its maps differ in size")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RelightError(
                f"{path} is not a whole rendered head ({error}); delete it and render again."
            ) from error
        return buffers


def read_info(path: Path) -> dict[str, Any]:
    """Return only the `info` of a file.

    Raises:
        RelightError: the file is missing or damaged.
    """
    stored = read_npz(path, ["info"], what="a rendered head", advice=_ADVICE)
    info: dict[str, Any] = parse_json(stored["info"].tobytes(), source=str(path))
    return info
