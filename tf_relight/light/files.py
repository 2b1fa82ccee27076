"""Reading and writing lights: text files of coefficients and environment maps."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from tf_relight.errors import RelightError, suggest
from tf_relight.light.spherical_harmonics import FRAMES, Frame

HDR_SUFFIXES = (".hdr", ".exr", ".pic")
LARGEST_TEXT = 64 * 1024
"""Bytes; a light is a few hundred."""
LARGEST_MAP = 1 << 26
"""Pixels; 64 million, a panorama of 11 600 by 5 800."""


def read_light(path: Path, frame: Frame | None) -> tuple[np.ndarray, Frame]:
    """Return the coefficients of a text file, (9,) or (9, 3), and the frame they are in.

    Numbers may be separated by spaces, tabs, commas and lines; `#` begins a comment, `# frame: NAME` names
    the frame. 27 numbers are nine red, nine green, nine blue.

    Raises:
        RelightError: see `Light.from_file`.
    """
    text = _read_text(path)
    named = re.search(r"^\s*#\s*frame:\s*(\S+)\s*$", text, re.MULTILINE)
    chosen = frame or (named[1] if named else None)
    if chosen is not None and chosen not in FRAMES:
        raise RelightError(
            f"{path}: unknown light frame '{chosen}'.{suggest(chosen, FRAMES)} Known: {', '.join(FRAMES)}."
        )
    words = re.sub(r"#.*", "", text).replace(",", " ").split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        raise RelightError(f"{path} is not a light file: '{wrong[:20]}' is not a number.") from None
    if not all(map(math.isfinite, values)):
        raise RelightError(f"{path} holds NaN or infinity: a light needs finite numbers.")
    if len(values) not in (9, 27):
        raise RelightError(
            f"{path} holds {len(values)} numbers: a light has 9 (DPR) or 27 (SfSNet: 9 red, 9 green, 9 blue)."
        )
    if len(values) == 9:
        return np.array(values), cast(Frame, chosen or "dpr")
    if frame == "dpr" and not named:
        raise RelightError(
            f"{path} holds 27 numbers, an SfSNet light, where DPR's 9 numbers are meant: leave out the "
            "frame, or give frame sfsnet."
        )
    return np.array(values).reshape(3, 9).T, cast(Frame, chosen or "sfsnet")


def format_light(coefficients: np.ndarray, frame: Frame) -> str:
    """Return the text of a light file.

    Args:
        coefficients: (9, 3) in `frame`. A grey light in frame "dpr" becomes nine lines, as DPR reads them;
            any other light 27 numbers, one line for each of red, green and blue.
    """
    if frame == "dpr" and np.allclose(coefficients, coefficients[:, :1], rtol=1e-9, atol=1e-12):
        return "".join(f"{value:.18e}\n" for value in coefficients[:, 0])
    if frame == "sfsnet":  # one line without a heading, as in SfSNet's own files
        return "\t".join(f"{value:.9f}" for value in coefficients.T.ravel()) + "\n"
    lines = ["\t".join(f"{value:.12e}" for value in channel) for channel in coefficients.T]
    return "\n".join([f"# frame: {frame}", *lines]) + "\n"


def read_hdr(path: Path) -> np.ndarray:
    """Return the pixels of an environment map, (H, W, 3) float32 linear RGB.

    Raises:
        RelightError: a missing or broken file, negative, infinite or NaN pixels, another format, or a missing
            package for .exr.
    """
    if not path.is_file():
        raise RelightError(f"There is no file {path}: give an environment map (.hdr or .exr).")
    suffix = path.suffix.lower()
    if suffix not in HDR_SUFFIXES:
        raise RelightError(f"{path} is no environment map: use .hdr or .exr.")
    pixels = _read_exr(path) if suffix == ".exr" else _read_radiance(path)
    if not np.isfinite(pixels).all():
        raise RelightError(f"{path} holds pixels that are infinite or not numbers: repair the map first.")
    if pixels.min() < 0:
        raise RelightError(
            f"{path} holds negative pixels, and light cannot be negative: repair the map first."
        )
    return pixels


def _read_radiance(path: Path) -> np.ndarray:
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error
    if not content[:2].tobytes() == b"#?":
        raise RelightError(f"{path} is not a Radiance map: its first characters are not '#?'.")
    size = re.search(rb"\n[-+][XY] (\d{1,9}) [-+][XY] (\d{1,9})\n", content[:65536].tobytes())
    if size is None:
        raise RelightError(f"{path} is broken: its size is missing.")
    if int(size[1]) * int(size[2]) > LARGEST_MAP:
        raise RelightError(f"{path} is larger than {LARGEST_MAP / 1e6:.0f} million pixels: make it smaller.")
    try:
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise RelightError(f"{path} is broken or cut off: it cannot be decoded.")
    return np.ascontiguousarray(pixels[..., ::-1], dtype=np.float32)


def _read_exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        raise RelightError(
            "Reading .exr needs the package OpenEXR: pip install 'tf_relight[exr]', or convert it to .hdr."
        ) from error
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            window = file.header()["dataWindow"]
            width, height = (int(b - a + 1) for a, b in zip(*window, strict=True))
            if width * height > LARGEST_MAP:
                raise RelightError(f"{path} is larger than {LARGEST_MAP / 1e6:.0f} million pixels.")
            channels = file.channels()
            missing = [name for name in "RGB" if name not in channels]
            if missing:
                raise RelightError(f"{path} has no channel {' and '.join(missing)}: a colour map is needed.")
            return np.stack([np.asarray(channels[name].pixels, np.float32) for name in "RGB"], axis=-1)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise RelightError(f"{path} is not a readable .exr map: {error}.") from error


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise RelightError(f"There is no light file {path}.")
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise RelightError(f"{path} is too large for a light file of 9 or 27 numbers.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RelightError(f"{path} is not a light file: it is not text.") from error
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
