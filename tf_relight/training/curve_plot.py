"""The learning curve of a run as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tf_relight.errors import RelightError
from tf_relight.photo.lettering import FAINT, GRID, INK, PAPER, Colour, font, write_sheet

_BLUE, _ORANGE = (31, 98, 176), (209, 96, 20)


def curve_plot(records: Sequence[Mapping[str, Any]], path: Path | str, *, title: str = "") -> Path:
    """Write a learning curve as a picture; see `draw_curve`.

    Args:
        path: a .png file.

    Raises:
        RelightError: there is no step to draw, or the file cannot be written.
    """
    return write_sheet(draw_curve(records, title=title), path)


def draw_curve(records: Sequence[Mapping[str, Any]], *, title: str = "") -> Image.Image:
    """Draw a learning curve: validation PSNR above, training loss below, stage boundaries as vertical lines.

    Args:
        records: rows of a run's curve.csv in order: step, stage, loss, validation_psnr (dB) and
            validation_input_psnr (dB, the unchanged input, drawn dashed). Missing or empty values are
            skipped.

    Raises:
        RelightError: there is no step to draw.
    """
    steps = [float(record["step"]) for record in records]
    if not steps:
        raise RelightError("The learning curve is empty: train longer than one logging interval.")
    # Drawn twice as large and scaled down, because Pillow draws lines without smoothing.
    canvas = Image.new("RGB", (2 * _WIDTH, 2 * _HEIGHT), PAPER)
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((2 * _LEFT, 2 * 12), title, INK, font(2 * 16))
    last = max(*steps, 1.0)
    # The loss means another thing in each stage, so its line breaks there; the PSNR's goes on.
    psnr = [(step, value, "") for step, value, _ in _series(records, "validation_psnr")]
    loss, unchanged = _series(records, "loss"), _series(records, "validation_input_psnr")
    panels = []
    if psnr:
        panels.append(("validation PSNR, dB", [(psnr, _BLUE, True)], unchanged))
    if loss:
        panels.append(("training loss", [(loss, _blend(_ORANGE), False), (_smooth(loss), _ORANGE, True)], []))
    top, room = 62.0, (_HEIGHT - 62.0 - 52.0) / max(1, len(panels))
    for number, (name, lines, dashed) in enumerate(panels):
        points = [point for line, _, _ in lines for point in line] + dashed
        axis = _Axis.around([y for _, y, _ in points], logarithmic=name == "training loss")
        panel = _Panel(draw, last, axis, top + number * room + 22, top + (number + 1) * room - 16)
        panel.frame(name, steps=number == len(panels) - 1)
        panel.boundaries(_stage_starts(records), labels=number == 0)
        panel.dashed(dashed, "input unchanged")
        for line, colour, labelled in lines:
            panel.line(line, colour, labelled)
    return canvas.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)


_WIDTH, _HEIGHT, _LEFT, _RIGHT = 960, 620, 76, 890

_Point = tuple[float, float, str]
"""Step, value, stage."""


@dataclass(frozen=True)
class _Axis:
    """The value axis of a panel: its range, its ticks, and whether it is logarithmic."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    @classmethod
    def around(cls, values: Sequence[float], logarithmic: bool) -> _Axis:
        """Make an axis that holds all values; logarithmic only if all are positive."""
        low, high = min(values), max(values)
        if logarithmic and low > 0:
            marks = [m * 10.0**e for e in range(-12, 13) for m in (1.0, 2.0, 5.0)]
            low = max((mark for mark in marks if mark <= low), default=low)
            high = min((mark for mark in marks if mark >= high and mark > low), default=high)
            inside = [mark for mark in marks if low <= mark <= high]
            if len(inside) > 7:
                inside = [mark for mark in inside if f"{mark:e}".startswith("1.0")]
            return cls(low, high, tuple(inside), True)
        step = _nice_step((high - low) or abs(high) or 1.0, 5)
        first, final = math.floor(low / step), math.ceil(high / step)
        final += first == final
        return cls(first * step, final * step, tuple(step * i for i in range(first, final + 1)), False)

    def share(self, value: float) -> float:
        """Return where a value lies, 0 = bottom, 1 = top."""
        if self.logarithmic:
            low = math.log(self.low)  # a quotient of the values would pass all numbers
            return (math.log(value) - low) / (math.log(self.high) - low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class _Panel:
    """One plot of the curve; `top` and `bottom` are pixels of the final picture."""

    draw: ImageDraw.ImageDraw
    last_step: float
    axis: _Axis
    top: float
    bottom: float

    def place(self, step: float, value: float) -> tuple[float, float]:
        """Return the pixel on the enlarged canvas."""
        x = _LEFT + (_RIGHT - _LEFT) * step / self.last_step
        return 2 * x, 2 * (self.bottom - (self.bottom - self.top) * self.axis.share(value))

    def frame(self, name: str, steps: bool) -> None:
        """Draw grid, tick labels and the panel's name."""
        for tick in self.axis.ticks:
            left, y = self.place(0, tick)
            self.draw.line((left, y, 2 * _RIGHT, y), GRID, 2)
            self.draw.text((left - 16, y), f"{tick:.6g}", FAINT, font(2 * 12), anchor="rm")
        spacing = max(1.0, _nice_step(self.last_step, 8))
        for i in range(int(self.last_step / spacing) + 1):
            x, y = self.place(i * spacing, self.axis.low)
            self.draw.line((x, y, x, y + 8), FAINT, 2)
            if steps:
                self.draw.text((x, y + 14), f"{i * spacing:,.0f}", FAINT, font(2 * 12), anchor="ma")
        left, y = self.place(0, self.axis.low)
        self.draw.line((left, y, 2 * _RIGHT, y), FAINT, 2)
        self.draw.text((left, 2 * self.top - 12), name, INK, font(2 * 13), anchor="ls")
        if steps:
            self.draw.text((2 * _RIGHT, y + 50), "step", FAINT, font(2 * 12), anchor="ra")

    def boundaries(self, starts: Sequence[tuple[float, str]], labels: bool) -> None:
        """Draw a line where each stage after the first begins, and the names that fit above the plot."""
        ends = [step for step, _ in starts[1:]] + [self.last_step]
        for (start, name), end in zip(starts, ends, strict=True):
            x, _ = self.place(start, self.axis.low)
            if start > 0:
                self.draw.line((x, 2 * self.top, x, 2 * self.bottom), FAINT, 2)
            # A stage that starts at the left needs room for the panel's name.
            room = self.place(end, self.axis.low)[0] - x
            fits = font(2 * 12).getlength(name) <= room
            if labels and len(starts) > 1 and fits and (start > 0 or end > 0.4 * self.last_step):
                middle, _ = self.place((start + end) / 2, self.axis.low)
                self.draw.text((middle, 2 * self.top - 12), name, FAINT, font(2 * 12), anchor="ms")

    def line(self, points: Sequence[_Point], colour: Colour, labelled: bool) -> None:
        """Draw a line that breaks between stages, and its last value."""
        for stage in dict.fromkeys(stage for _, _, stage in points):
            pixels = [self.place(x, y) for x, y, name in points if name == stage]
            if len(pixels) > 1:
                self.draw.line(pixels, colour, 4, joint="curve")
            else:
                x, y = pixels[0]
                self.draw.ellipse((x - 6, y - 6, x + 6, y + 6), colour)
        if labelled:
            x, y = self.place(*points[-1][:2])
            self.draw.ellipse((x - 6, y - 6, x + 6, y + 6), colour)
            self.draw.text((x + 14, y), f"{points[-1][1]:.4g}", colour, font(2 * 13), anchor="lm")

    def dashed(self, points: Sequence[_Point], name: str) -> None:
        """Draw a level as a dashed line at the last value of `points`, with its name."""
        if not points:
            return
        left, y = self.place(0, points[-1][1])
        for start in range(int(left), 2 * _RIGHT, 24):
            self.draw.line((start, y, min(start + 12, 2 * _RIGHT), y), FAINT, 3)
        # The pale rim keeps the name readable where a grid line or the curve passes behind it.
        place = (2 * _RIGHT - 8, y - 8)
        self.draw.text(place, name, FAINT, font(2 * 12), anchor="rs", stroke_width=4, stroke_fill=PAPER)


def _series(records: Sequence[Mapping[str, Any]], name: str) -> list[_Point]:
    """Return the finite values of one column with their step and stage."""
    points = []
    for record in records:
        value = record.get(name)
        if value not in (None, "") and math.isfinite(float(value)):
            points.append((float(record["step"]), float(value), str(record.get("stage", ""))))
    return points


def _stage_starts(records: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """Return (step, name) of the stages, in order; the first starts at 0."""
    starts: list[tuple[float, str]] = []
    previous = 0.0
    for record in records:
        name = str(record.get("stage", ""))
        if not starts or starts[-1][1] != name:
            starts.append((previous, name))
        previous = float(record["step"])
    return starts


def _smooth(points: Sequence[_Point]) -> list[_Point]:
    """Return a running mean over the last 20th of a stage, so that the trend shows through the noise."""
    smooth: list[_Point] = []
    for stage in dict.fromkeys(stage for _, _, stage in points):
        part = [point for point in points if point[2] == stage]
        span = max(1, len(part) // 20)
        for i, (step, _, _) in enumerate(part):
            window = [value for _, value, _ in part[max(0, i - span) : i + span + 1]]
            smooth.append((step, sum(window) / len(window), stage))
    return smooth


def _nice_step(extent: float, count: int) -> float:
    """Return 1, 2 or 5 times a power of ten, so that about `count` steps fill `extent`."""
    rough = extent / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * (1 - 1e-9))


def _blend(colour: Colour) -> Colour:
    red, green, blue = (round(255 - 0.35 * (255 - value)) for value in colour)
    return red, green, blue
