"""What `--paper` does: a portrait exactly as the authors' own demo relights and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tf_relight.files import atomic_path
from tf_relight.networks.running import run_network
from tf_relight.photo.copying import jpeg_with
from tf_relight.photo.metadata import ForCopy, for_copy
from tf_relight.photo.picture import Picture, to_u8

if TYPE_CHECKING:
    from tf_relight.light.light import Light
    from tf_relight.methods.trained import LoadedModel

DEMO_FACTOR = 0.7  # by which the official demo multiplies the light of a file


def relight_as_paper(pixels: np.ndarray, loaded: LoadedModel, light: Light) -> np.ndarray:
    """Return (H, W, 3) float32 sRGB 0..1 exactly as the method's official demo makes it.

    Differs from `PortraitRelighter`: whole picture squeezed to a square, 8-bit Lab, no transfer to full size.
    """
    coefficients = np.asarray(light.grey("lightness") * DEMO_FACTOR, np.float32)
    image, method = to_u8(pixels), loaded.method
    relit = run_network(lambda: method.relight_paper(loaded.model, image, coefficients))
    return relit.astype(np.float32) / 255


def write_as_paper(path: Path, picture: Picture, *, strip: bool = False) -> tuple[str, ...]:
    """Write a JPEG as the official demo does: OpenCV's quality 95 with halved colour resolution.

    What the photo's file says beside its pixels is kept unless `strip`.

    Returns:
        sentences about what the format could not keep.
    """
    encoded = cv2.imencode(".jpg", to_u8(picture.pixels)[..., ::-1])[1].tobytes()
    copy = ForCopy() if strip else for_copy(picture.metadata, picture.size)
    encoded, too_large = jpeg_with(encoded, copy)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    lost = ["transparency"] if picture.alpha is not None else []
    lost += ["16 bits"] if picture.bits == 16 else []
    notes = [f"{path.name}: {note}" for note in (*copy.notes, *too_large)]
    if lost:
        notes.append(f"{path.name}: the official demo's JPEG has no {' and no '.join(lost)}.")
    return tuple(notes)
