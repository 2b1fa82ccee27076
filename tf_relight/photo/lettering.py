"""What the pictures with captions share: colours, lettering, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageFont

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path

Colour = tuple[int, int, int]

INK, FAINT, GRID, PAPER = (32, 33, 36), (110, 113, 120), (226, 228, 232), (255, 255, 255)

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg")
LARGEST_JPEG_SIDE = 65_500


def font(size: int) -> Any:
    """Return Pillow's own lettering, so that sheets look alike on every machine."""
    return ImageFont.load_default(size)


def shortened(text: str, letters: Any, width: float) -> str:
    """Return the text cut off with three dots so that it is at most `width` pixels wide."""
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def check_sheet_name(path: Path | str) -> Path:
    """Return the path of a picture with captions.

    Raises:
        RelightError: it does not end in .png, .jpg or .jpeg.
    """
    path = Path(path)
    if path.suffix.lower() not in SHEET_SUFFIXES:
        raise RelightError(f"Report pictures are .png or .jpg files, not '{path.name}': change the ending.")
    return path


def write_sheet(picture: Image.Image, path: Path | str) -> Path:
    """Write a picture with captions as PNG or JPEG.

    Raises:
        RelightError: another ending, or the file cannot be written.
    """
    path = check_sheet_name(path)
    is_jpeg = path.suffix.lower() != ".png"
    if is_jpeg and max(picture.size) > LARGEST_JPEG_SIDE:
        raise RelightError(f"{path} would be too large for a JPEG. Use .png, or show less in one sheet.")
    with atomic_path(path) as temporary:
        if is_jpeg:
            picture.save(temporary, quality=92)
        else:
            picture.save(temporary)
    return path
