"""Reading and writing lights: text files of coefficients and environment maps."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from tf_relight.errors import RelightError, suggest
from tf_relight.guarded.reading import foreign
from tf_relight.light import text as light_text
from tf_relight.light.spherical_harmonics import FRAMES, Frame
from tf_relight.photo.colour import XYZ_TO_RGB
from tf_relight.photo.quiet import quiet_stderr

HDR_SUFFIXES = (".hdr", ".exr", ".pic")
LARGEST_TEXT = 64 * 1024
"""Bytes; a light is a few hundred."""
LARGEST_MAP = 1 << 26
"""Pixels; 64 million, a panorama of 11 600 by 5 800."""
_TINY = 1e-2  # of the brightest pixel: how far below zero rounding and sharpening filters reach
_FEW = 1e-3  # share of the light, or of the pixels, that may be mended
_LOG = logging.getLogger(__name__)


def read_light(path: Path, frame: Frame | None) -> tuple[np.ndarray, Frame]:
    """Return the coefficients of a text file, (9,) or (9, 3), and the frame they are in.

    `light.text` says how numbers may be written; `#` begins a comment, `# frame: NAME` names the frame. 27
    numbers in nine lines of three are one line for each coefficient, as `numpy.savetxt` writes
    `Light.coefficients`, frame "dpr"; otherwise they are nine red, nine green, nine blue.

    Raises:
        RelightError: see `Light.from_file`.
    """
    content = _read_text(path)
    try:
        text = light_text.decode(content)
        values, rows = light_text.parse(text)
    except ValueError as error:
        raise RelightError(f"{path} {error}.") from error
    named = re.search(r"^\s*#\s*frame:\s*(\S+)\s*$", text, re.MULTILINE)
    chosen = frame or (named[1] if named else None)
    if chosen is not None and chosen not in FRAMES:
        raise RelightError(
            f"{path}: unknown light frame '{chosen[:20]}'.{suggest(chosen, FRAMES)} "
            f"Known: {', '.join(FRAMES)}."
        )
    if not light_text.are_finite(values):
        raise RelightError(f"{path} holds NaN or infinity: a light needs finite numbers.")
    if len(values) not in light_text.COUNTS:
        raise RelightError(
            f"{path} holds {len(values)} numbers: a light has 9 (DPR) or 27 (SfSNet: 9 red, 9 green, 9 blue)."
        )
    if len(values) == 9:
        return np.array(values), cast(Frame, chosen or "dpr")
    if rows == [3] * 9:
        return np.array(values).reshape(9, 3), cast(Frame, chosen or "dpr")
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
    """Return the pixels of an environment map, (H, W, 3) float32 linear RGB, in the layout of the file.

    Single pixels that are infinite, not numbers, or a little below zero are mended, and the log says so.

    Raises:
        RelightError: a missing or broken file, more than single pixels that are negative, infinite or NaN,
            another format, or a missing package for .exr.
    """
    if not path.is_file():
        raise RelightError(f"There is no file {path}: give an environment map (.hdr or .exr).")
    suffix = path.suffix.lower()
    if suffix not in HDR_SUFFIXES:
        raise RelightError(f"{path} is no environment map: use .hdr or .exr.")
    return _mended(path, _read_exr(path) if suffix == ".exr" else _read_radiance(path))


def _mended(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Return the map without infinite and negative pixels, when they are few."""
    finite = np.isfinite(pixels)
    wrong = int(pixels.size - np.count_nonzero(finite))
    allowed = max(3.0, _FEW * pixels.size) if np.isnan(pixels).sum() == 0 else _FEW * pixels.size
    if wrong > allowed or wrong == pixels.size:
        raise RelightError(f"{path} holds pixels that are infinite or not numbers: repair the map first.")
    if wrong:
        largest = np.abs(pixels[finite]).max()
        pixels = np.nan_to_num(pixels, nan=0.0, posinf=largest, neginf=0.0)
        _LOG.warning(
            "%s: %d values that are infinite or not numbers were set to the brightest other value or to 0.",
            path,
            wrong,
        )
    least, most = float(pixels.min()), float(pixels.max())
    if least >= 0:
        return pixels
    negative = np.minimum(pixels, 0)
    if -least > _TINY * most or -negative.sum(dtype=np.float64) > _FEW * pixels.sum(dtype=np.float64):
        raise RelightError(
            f"{path} holds negative pixels, and light cannot be negative: repair the map first."
        )
    _LOG.warning("%s: %d values slightly below zero were set to 0.", path, int(np.count_nonzero(negative)))
    return np.maximum(pixels, 0)


# -- Radiance ------------------------------------------------------------------------------------------------

_SIZE = re.compile(rb"\n([-+])([XY]) (\d{1,9}) ([-+])([XY]) (\d{1,9})\n")


def _read_radiance(path: Path) -> np.ndarray:
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error
    if not content[:2].tobytes() == b"#?":
        raise RelightError(f"{path} is not a Radiance map: its first characters are not '#?'.")
    head = content[:65536].tobytes()
    size = _SIZE.search(head)
    if size is None or size[2] == size[5]:
        raise RelightError(f"{path} is broken: its size is missing.")
    if int(size[3]) * int(size[6]) > LARGEST_MAP:
        raise RelightError(f"{path} is larger than {LARGEST_MAP / 1e6:.0f} million pixels: make it smaller.")
    # OpenCV knows one order of the scan lines; the others are told it in that order and turned afterwards.
    told = b"\n-Y %s +X %s\n" % (size[3], size[6])
    upright = np.frombuffer(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n" + told, np.uint8)
    pixels = _decode_quietly(np.concatenate([upright, content[size.end() :]]))
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise RelightError(f"{path} is broken or cut off: it cannot be decoded.")
    pixels = pixels[..., ::-1].astype(np.float32)
    down, across = size[1] == b"-", size[4] == b"+"
    if size[2] == b"X":
        down, across = size[4] == b"-", size[1] == b"+"
    if size[2] == b"X":
        pixels = pixels.swapaxes(0, 1)
    pixels = pixels[:: 1 if down else -1, :: 1 if across else -1]
    header = head[: size.start() + 1]
    if b"FORMAT=32-bit_rle_xyze" in header:
        pixels = np.maximum(pixels @ XYZ_TO_RGB.T.astype(np.float32), 0)
    for exposure in re.findall(rb"\nEXPOSURE=\s*([0-9.eE+-]{1,30})", header):
        with np.errstate(all="ignore"):
            try:
                pixels = pixels / np.float32(float(exposure))
            except ValueError as error:
                raise RelightError(f"{path} is broken: its exposure is not a number.") from error
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _decode_quietly(content: np.ndarray) -> np.ndarray | None:
    with _quiet_opencv():
        try:
            return cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from printing its own words about broken files."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


# -- OpenEXR -------------------------------------------------------------------------------------------------


def _read_exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        raise RelightError(
            "Reading .exr needs the package OpenEXR: pip install 'tf_relight[exr]', or convert it to .hdr."
        ) from error
    with foreign(f"{path} is not a readable .exr map: {{reason}}."):
        with _quiet_openexr(), OpenEXR.File(str(path), separate_channels=True, header_only=True) as file:
            width, height = _window(file.header(), "dataWindow")
        if not 0 < width * height <= LARGEST_MAP:
            raise RelightError(f"{path} is larger than {LARGEST_MAP / 1e6:.0f} million pixels.")
        with _quiet_openexr(), OpenEXR.File(str(path), separate_channels=True) as file:
            if not file.parts:  # the package leaves out what it cannot decode
                raise RelightError(f"{path} is not a readable .exr map: it is damaged or cut off.")
            header, channels = file.header(), file.channels()
            if any(name not in channels for name in "RGB"):
                raise RelightError(_other_channels(path, channels, len(file.parts)))
            pixels = np.stack([np.asarray(channels[name].pixels, np.float32) for name in "RGB"], axis=-1)
            return _on_display(pixels, header)


@contextmanager
def _quiet_openexr() -> Iterator[None]:
    """Keep the package's own words about a damaged file off the terminal, those printed by Python too."""
    with quiet_stderr(), redirect_stdout(io.StringIO()):
        yield


def _window(header: Mapping[str, Any], name: str) -> tuple[int, int]:
    width, height = (int(last) - int(first) + 1 for first, last in zip(*header[name], strict=True))
    return width, height


def _on_display(pixels: np.ndarray, header: Mapping[str, Any]) -> np.ndarray:
    """Return the pixels in the frame they belong to: what was cropped away is black."""
    width, height = _window(header, "displayWindow")
    starts = (header[name][0] for name in ("dataWindow", "displayWindow"))
    left, top = (int(data) - int(display) for data, display in zip(*starts, strict=True))
    if (height, width) == pixels.shape[:2] and (left, top) == (0, 0):
        return pixels
    if not 0 < width * height <= LARGEST_MAP:
        raise ValueError("its display window is out of order")
    whole = np.zeros((height, width, 3), np.float32)
    inside = pixels[max(0, -top) :, max(0, -left) :]
    place = whole[max(0, top) :, max(0, left) :]
    rows, columns = (min(a, b) for a, b in zip(inside.shape[:2], place.shape[:2], strict=True))
    place[:rows, :columns] = inside[:rows, :columns]
    return whole


def _other_channels(path: Path, channels: Mapping[str, Any], parts: int) -> str:
    """Return a sentence about an .exr without plain R, G and B."""
    names = sorted(str(name)[:60] for name in channels)
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name))
    missing = " and ".join(name for name in "RGB" if name not in channels)
    shown = ", ".join(layers[:8] or names[:8]) or "nothing"
    more = " and more" if len(layers or names) > 8 else ""
    what = "layers" if layers else "channels"
    inside = f" in the first of {parts} parts" if parts > 1 else ""
    return (
        f"{path} has no channel {missing}: it holds the {what} {shown}{more}{inside}. "
        "Save the colour layer alone, as R, G and B."
    )


def _read_text(path: Path) -> bytes:
    if not path.is_file():
        raise RelightError(f"There is no light file {path}.")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error
    if len(content) > LARGEST_TEXT:
        raise RelightError(f"{path} is too large for a light file of 9 or 27 numbers.")
    return content
