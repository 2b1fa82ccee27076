"""The sheet that shows what a run achieved: input, output, target and error of some samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

from tf_relight.errors import RelightError
from tf_relight.photo.lettering import FAINT, INK, PAPER, font, write_sheet
from tf_relight.scoring import metrics


class _Shown(Protocol):
    """What a row of the contact sheet needs; `evaluate.Sample` is one."""

    @property
    def key(self) -> str: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def output(self) -> np.ndarray: ...
    @property
    def target(self) -> np.ndarray: ...


def samples_sheet(
    rows: Sequence[_Shown], path: Path | str, *, tile: int = 256, error_gain: float = 4.0, title: str = ""
) -> Path:
    """Write a contact sheet: input, output, target and error of each sample, with its PSNR.

    The error is |output - target| per channel, times `error_gain`; the header names the factor.

    Args:
        rows: pictures uint8 (H, W, 3) sRGB, all three of a row of one size.
        path: a .png or .jpg file.
        tile: width in pixels of a picture on the sheet; its height follows.

    Raises:
        RelightError: no rows, or the file cannot be written.
    """
    if not rows:
        raise RelightError("There are no samples to show.")
    gap, caption, header = 8, 24, 34 + (30 if title else 0)
    heights = [max(1, round(tile * row.image.shape[0] / row.image.shape[1])) for row in rows]
    width = 4 * tile + 5 * gap
    sheet = Image.new("RGB", (width, header + sum(heights) + caption * len(rows) + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((gap, 8), title, INK, font(18))
    for column, name in enumerate(("input", "output", "target", f"|output - target| x {error_gain:g}")):
        draw.text((gap + column * (tile + gap) + tile / 2, header - 8), name, INK, font(16), anchor="ms")
    top = header
    for row, height in zip(rows, heights, strict=True):
        difference = np.abs(row.output.astype(np.float32) - row.target.astype(np.float32))
        error = np.clip(difference * error_gain, 0, 255).astype(np.uint8)
        before, after = metrics.psnr(row.image, row.target), metrics.psnr(row.output, row.target)
        captions = (f"{row.key}   {before:.2f} dB", f"{after:.2f} dB ({after - before:+.2f})", "", "")
        for column, pixels in enumerate((row.image, row.output, row.target, error)):
            left = gap + column * (tile + gap)
            kind = Image.Resampling.LANCZOS if pixels.shape[1] > tile else Image.Resampling.BICUBIC
            sheet.paste(Image.fromarray(pixels).resize((tile, height), kind), (left, top))
            draw.text((left + 2, top + height + 4), captions[column], FAINT, font(13))
        top += height + caption
    return write_sheet(sheet, path)
