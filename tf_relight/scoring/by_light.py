"""Scores by the light of the input: eight directions by five colour temperatures, as table and heat map.

One average over forty lights hides which of them a network cannot undo.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageDraw

from tf_relight.data.vidit.options import PairedOptions
from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.light.vidit import ALL_LIGHTS, DIRECTIONS, LIGHT_COUNT, TEMPERATURES, ViditLight
from tf_relight.photo.lettering import FAINT, GRID, INK, PAPER, Colour, font, shortened, write_sheet
from tf_relight.scoring.score_table import exact, write_csv

if TYPE_CHECKING:
    from tf_relight.data.options import DataConfig

COLUMNS = ("direction", "temperature", "pictures", "psnr", "input_psnr", "gain")
"""Columns of by_light.csv: psnr, input_psnr (of the unchanged input) and gain in dB, means over pictures."""

_CELL, _MARGIN, _HEAD = (76, 40), (64, 24), 108
_BLUE, _ORANGE, _PALE = (31, 98, 176), (209, 96, 20), (247, 248, 250)


@dataclass(frozen=True)
class LightScores:
    """What was reached from one input light.

    Attributes:
        psnr, input_psnr: mean over pictures in dB, of the output and of the unchanged input.
        gain: mean of the differences of the two; None where every unchanged input equals its target, which
            has no finite PSNR.
    """

    light: ViditLight
    pictures: int
    psnr: float
    input_psnr: float
    gain: float | None


def light_number(sample: Mapping[str, np.ndarray]) -> int | None:
    """Return the `ViditLight.index` of a sample's input, None where its light is none of the forty."""
    light = sample.get("light")
    if light is None or np.ndim(light) or not np.issubdtype(np.asarray(light).dtype, np.integer):
        return None
    return int(light)


def check_lights(data: DataConfig, split: Literal["train", "validation"]) -> None:
    """Check that scores on these data can be told apart by the light of the input.

    Raises:
        RelightError: their lights are not VIDIT's, all inputs have the same light, or the data are missing.
    """
    from tf_relight.data import open_source

    source = open_source(data, split)
    if len(source) == 0 or light_number(source.read(0)) is None:
        raise RelightError(
            f"Scores by light need pictures under the lights of VIDIT, and the data '{data.name}' have none: "
            "take --data scenes, vidit or shards, with all forty lights."
        )
    if isinstance(data, PairedOptions) and data.pairing == "one_to_one":
        raise RelightError(
            f"Scores by light need inputs under many lights, and here all have {data.input_light}: add "
            "--set data.pairing=any_to_one."
        )


def gain_of(pictures: Iterable[Mapping[str, float | None]]) -> float | None:
    """Return the mean gain in dB over the unchanged input, as in `LightScores`.

    Args:
        pictures: as in `evaluate.Scores`.
    """
    pairs = [(picture["psnr"], picture["input_psnr"]) for picture in pictures]
    gains = [ours - theirs for ours, theirs in pairs if ours is not None and theirs not in (None, math.inf)]
    return statistics.fmean(gains) if gains else None


def unchanged_psnr_of(pictures: Iterable[Mapping[str, float | None]]) -> float | None:
    """Return the mean PSNR in dB of the unchanged inputs, without those that equal their target."""
    known = [value for picture in pictures if (value := picture["input_psnr"]) not in (None, math.inf)]
    return statistics.fmean(known) if known else None


def scores_by_light(pictures: Iterable[Mapping[str, float | None]]) -> list[LightScores]:
    """Return the mean scores for each input light that occurs, in the order of `ALL_LIGHTS`.

    Args:
        pictures: as in `evaluate.Scores`, each with "psnr", "input_psnr" and "light".

    Raises:
        RelightError: a picture whose light is unknown.
    """
    groups: dict[int, list[Mapping[str, float | None]]] = {number: [] for number in range(LIGHT_COUNT)}
    for picture in pictures:
        if picture["light"] is None:
            raise RelightError("A picture without a VIDIT light cannot be listed by light.")
        groups[int(picture["light"])].append(picture)
    return [
        LightScores(
            light=ALL_LIGHTS[number],
            pictures=len(group),
            psnr=_mean(group, "psnr"),
            input_psnr=_mean(group, "input_psnr"),
            gain=gain_of(group),
        )
        for number, group in groups.items()
        if group
    ]


def write_by_light(
    pictures: Iterable[Mapping[str, float | None]], out: Path | str, *, title: str = ""
) -> list[LightScores]:
    """Write by_light.csv, by_light.md and by_light.png into `out` and return the scores.

    Args:
        pictures: as in `evaluate.Scores`.
        title: what was scored on what.

    Raises:
        RelightError: no pictures, a picture whose light is unknown, or a file cannot be written.
    """
    scores = scores_by_light(pictures)
    if not scores:
        raise RelightError("There are no scores to list by light.")
    folder = Path(out)
    write_csv(folder / "by_light.csv", COLUMNS, [_cells(each) for each in scores])
    write_text(folder / "by_light.md", markdown(scores, title))
    heat_map(scores, folder / "by_light.png", title=title)
    return scores


def markdown(scores: Sequence[LightScores], title: str = "") -> str:
    """Return two Markdown tables, PSNR and gain, with a row per direction and a column per temperature."""
    parts = [f"# {title}\n"] if title else []
    for name, read, form in _MAPS:
        lines = [f"{name}, by direction and colour temperature (kelvin) of the input's light:", ""]
        lines.append("| | " + " | ".join([*map(str, TEMPERATURES), "mean"]) + " |")
        lines.append("|---|" + "---:|" * (len(TEMPERATURES) + 1))
        for label, values in _rows(_grid(scores, read)):
            lines.append(f"| {label} | " + " | ".join(_text(value, form) for value in values) + " |")
        parts.append("\n".join(lines) + "\n")
    parts.append(_note(scores) + "\n")
    return "\n".join(parts)


def heat_map(scores: Sequence[LightScores], path: Path | str, *, title: str = "") -> Path:
    """Draw PSNR and gain side by side, directions down, temperatures across, with means at the borders.

    PSNR goes from pale (the lowest) to blue (the highest); gains are blue, losses orange, zero is pale.

    Args:
        path: a .png or .jpg file.

    Raises:
        RelightError: the file cannot be written.
    """
    columns, rows = len(TEMPERATURES) + 1, len(DIRECTIONS) + 1
    panel = _MARGIN[0] + columns * _CELL[0] + _MARGIN[1]
    size = 2 * panel + 8, _HEAD + rows * _CELL[1] + 44
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((16, 12), shortened(title, font(20), size[0] - 32), INK, font(20))
    for number, (name, read, form) in enumerate(_MAPS):
        grid = _grid(scores, read)
        left = number * (panel + 8) + _MARGIN[0]
        draw.text((left, 50), name, INK, font(17))
        for column, label in enumerate([*(f"{kelvin} K" for kelvin in TEMPERATURES), "mean"]):
            place = left + (column + 0.5 + 0.1 * (column == columns - 1)) * _CELL[0], _HEAD - 8
            draw.text(place, label, FAINT, font(14), anchor="ms")
        colour = _shades(grid, diverging=number == 1)
        for row, (label, values) in enumerate(_rows(grid)):
            top = _HEAD + row * _CELL[1] + 6 * (row == rows - 1)
            draw.text((left - 12, top + _CELL[1] / 2), label, FAINT, font(15), anchor="rm")
            for column, value in enumerate(values):
                start = left + column * _CELL[0] + 8 * (column == columns - 1)
                box = start, top, start + _CELL[0] - 3, top + _CELL[1] - 3
                fill = colour(value)
                draw.rectangle(box, fill)
                middle = start + _CELL[0] / 2 - 1.5, top + _CELL[1] / 2 - 1.5
                draw.text(middle, _text(value, form), _readable_on(fill), font(15), anchor="mm")
    draw.text((16, size[1] - 26), _note(scores), FAINT, font(14))
    return write_sheet(sheet, path)


_Map = tuple[str, Callable[[LightScores], float | None], str]

_MAPS: tuple[_Map, ...] = (
    ("PSNR, dB", lambda each: each.psnr, ".2f"),
    ("Gain over the unchanged input, dB", lambda each: each.gain, "+.2f"),
)


def _grid(scores: Sequence[LightScores], read: Callable[[LightScores], float | None]) -> np.ndarray:
    """Return (8, 5) float64, directions by temperatures; NaN where there is no score."""
    grid = np.full(LIGHT_COUNT, np.nan)
    for each in scores:
        value = read(each)
        if value is not None:
            grid[each.light.index] = value
    return grid.reshape(len(DIRECTIONS), len(TEMPERATURES))


def _rows(grid: np.ndarray) -> list[tuple[str, list[float]]]:
    """Return the lines of a table: each direction with its mean, then the means of the temperatures."""
    lines = [(name, [*row, _known_mean(row)]) for name, row in zip(DIRECTIONS, grid, strict=True)]
    return [*lines, ("mean", [*map(_known_mean, grid.T), _known_mean(grid)])]


def _known_mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _shades(grid: np.ndarray, diverging: bool) -> Callable[[float], Colour]:
    """Return the function from a value to its colour."""
    known = grid[np.isfinite(grid)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    reach = max(abs(low), abs(high)) or 1.0

    def colour(value: float) -> Colour:
        if math.isnan(value):
            return GRID
        if diverging:
            share = max(-1.0, min(1.0, value / reach))
            return _between(_PALE, _BLUE if share > 0 else _ORANGE, abs(share))
        return _between(_PALE, _BLUE, max(0.0, min(1.0, (value - low) / ((high - low) or 1.0))))

    return colour


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _readable_on(fill: Colour) -> Colour:
    return INK if 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2] > 140 else PAPER


def _text(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _note(scores: Sequence[LightScores]) -> str:
    """Return the sentence below the tables."""
    counts = {each.pictures for each in scores}
    many = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    sentence = f"Each field is a mean over {many} picture{'s' if counts != {1} else ''}."
    if any(each.gain is None for each in scores):
        sentence += " Without a gain: inputs that already have the target's light."
    return sentence


def _mean(group: Sequence[Mapping[str, float | None]], name: str) -> float:
    return statistics.fmean(value for picture in group if (value := picture[name]) is not None)


def _cells(scores: LightScores) -> dict[str, str]:
    light = scores.light
    values = [exact(value) for value in (scores.psnr, scores.input_psnr, scores.gain)]
    row = [light.direction, str(light.temperature), str(scores.pictures), *values]
    return dict(zip(COLUMNS, row, strict=True))
