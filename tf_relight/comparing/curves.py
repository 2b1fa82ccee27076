"""The training curves of a comparison's rows in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from tf_relight.errors import RelightError
from tf_relight.photo.lettering import FAINT, GRID, INK, PAPER, Colour, font, shortened, write_sheet

CURVE = "curve.csv"
WIDTH, HEIGHT = 960, 480
LEFT, TOP, RIGHT, BOTTOM = 64, 56, 250, 56
"""Pixels around the field; the names stand on the right."""
COLOURS: tuple[Colour, ...] = (
    (31, 119, 180),
    (214, 39, 40),
    (44, 160, 44),
    (148, 103, 189),
    (255, 127, 14),
    (23, 190, 207),
    (140, 86, 75),
    (227, 119, 194),
    (127, 127, 127),
    (188, 189, 34),
    (25, 25, 25),
    (250, 205, 40),
)


@dataclass(frozen=True)
class ScoreCurve:
    """The validations of one training: (step, PSNR in dB) of each of its stages, in order."""

    name: str
    stages: tuple[tuple[tuple[int, float], ...], ...]


def curve_of(name: str, path: Path) -> ScoreCurve | None:
    """Return what a run's curve.csv says, or None if there is no file or no validation in it."""
    from tf_relight.training.curve_file import read_curve

    stages: dict[str, list[tuple[int, float]]] = {}
    try:
        for line in read_curve(path):
            # A method that learns without targets takes no PSNR at its validations.
            psnr = float(line.get("validation_psnr") or "nan")
            # Infinite where a picture was its target to the last bit.
            if math.isfinite(psnr):
                stages.setdefault(line["stage"], []).append((int(line["step"]), psnr))
    except (OSError, RelightError, ValueError):
        return None  # made elsewhere, or cut off
    return ScoreCurve(name, tuple(tuple(points) for points in stages.values())) if stages else None


def draw_curves(curves: Sequence[ScoreCurve], path: Path | str, title: str = "") -> Path:
    """Draw the PSNR of validation pictures over the steps, each stage as a line of its own.

    A stage with targets of its own, such as DRN's reconversion, is scored on these.

    Args:
        curves: at least one. path: a .png or .jpg file.

    Raises:
        RelightError: the file cannot be written.
    """
    points = [point for curve in curves for stage in curve.stages for point in stage]
    last = max(step for step, _ in points)
    low, high = int(min(value for _, value in points)), int(max(value for _, value in points)) + 1
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((LEFT, 16), shortened(title, font(18), WIDTH - 2 * LEFT), INK, font(18))

    def place(step: float, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        return x, TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    for value in range(low, high + 1):
        draw.line([place(0, value), place(last, value)], GRID)
        draw.text((LEFT - 8, place(0, value)[1]), f"{value}", FAINT, font(13), anchor="rm")
    for quarter in range(5):
        step = last * quarter / 4
        draw.text((place(step, low)[0], HEIGHT - BOTTOM + 8), f"{step:,.0f}", FAINT, font(13), anchor="mt")
    draw.text((place(last, low)[0], HEIGHT - 20), "step", FAINT, font(13), anchor="rm")
    draw.text((LEFT, TOP - 6), "PSNR of validation pictures, dB", FAINT, font(13), anchor="lb")
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        for stage in curve.stages:
            corners = [place(*point) for point in stage]
            draw.line(corners, colour, 2)
            for x, y in corners:
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
        y = TOP + 8 + 20 * number
        draw.line([(WIDTH - RIGHT + 16, y), (WIDTH - RIGHT + 40, y)], colour, 2)
        text = shortened(curve.name, font(14), RIGHT - 56)
        draw.text((WIDTH - RIGHT + 48, y), text, INK, font(14), anchor="lm")
    return write_sheet(sheet, path)
