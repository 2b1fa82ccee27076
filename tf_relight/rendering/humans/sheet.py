"""A contact sheet of rendered people, by gender, age and skin tone: whether everyone is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.rendering.humans.gbuffers import GBuffers, read_info
from tf_relight.rendering.humans.lamps import Lamps, told_in_lightness
from tf_relight.rendering.humans.maps import HumanMaps, Surface

GENDERS = ("female", "male")
AGES = ((0, 20), (20, 40), (40, 60), (60, 120))
TONES = ((0, 33), (33, 42), (42, 51), (51, 60), (60, 69), (69, 100))
"""Of L of Lab of the skin's albedo."""
_KEY, _FILL = np.array([0.45, -0.72, 0.53]), 0.3
_BAR = 14  # pixels under a picture for its words


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows.

    Attributes:
        counts: (gender, age, tone) to the number of heads, for all cells of the sheet.
        heads: number of heads in the folder.
    """

    counts: dict[tuple[str, tuple[int, int], tuple[int, int]], int]
    heads: int

    def text(self) -> str:
        """A table of the counts, one line a gender and age."""
        head = "heads: " + "  ".join(f"L {low}-{high}".rjust(9) for low, high in TONES)
        lines = [head.rjust(len(head) + 15)]
        for gender in GENDERS:
            for age in AGES:
                cells = "  ".join(str(self.counts[gender, age, tone]).rjust(9) for tone in TONES)
                lines.append(f"{gender:>7} {age[0]:>3}-{age[1]:<3}        {cells}")
        return "\n".join(lines)


def draw_sheet(folder: Path | str, path: Path | str, side: int = 160) -> Sheet:
    """Write a sheet of the heads in a folder of G-buffers: rows by gender and age, columns by skin tone.

    All are lit by the same lamp from the upper right; a cell without a head stays black.

    Args:
        path: PNG or JPEG to write. side: of a picture, in pixels.

    Raises:
        RelightError: no heads in the folder, a damaged one, or a file that cannot be written.
    """
    files = sorted(Path(folder).glob("[0-9]*.npz"))
    if not files:
        raise RelightError(f"{folder} has no rendered heads (00000.npz and so on) to show.")
    cells: dict[tuple[str, tuple[int, int], tuple[int, int]], list[Path]] = {
        (gender, age, tone): [] for gender in GENDERS for age in AGES for tone in TONES
    }
    for file in files:
        info = read_info(file)
        cells[info["gender"], _bin(AGES, info["age"]), _bin(TONES, info["tone"])].append(file)
    rows = [
        np.hstack([_cell(cells[gender, age, tone], side) for tone in TONES])
        for gender in GENDERS
        for age in AGES
    ]
    with atomic_path(path) as temporary:
        if not cv2.imwrite(str(temporary), np.vstack(rows)[..., ::-1]):
            raise RelightError(
                f"{path} cannot be written as a picture; use a name that ends in .png or .jpg."
            )
    return Sheet({cell: len(found) for cell, found in cells.items()}, len(files))


def portrait(buffers: GBuffers, side: int | None = None) -> np.ndarray:
    """Return a head (S, S, 3) uint8 sRGB under a lamp from the upper right and a fill."""
    maps = HumanMaps(buffers, colours=True)
    toward = _KEY / np.linalg.norm(_KEY)
    lobe = np.exp(12 * (maps.directions @ toward - 1))
    lobe[lobe < 0.05 * lobe.max()] = 0
    lamps = Lamps((lobe / lobe.sum()).astype(np.float32), _FILL, np.array([0, 0, 0.3]))
    _, exposure = told_in_lightness(lamps, maps.directions, 0.85)
    whole = (slice(0, maps.size), slice(0, maps.size))
    lightness = maps.lightness(lamps, exposure, whole, Surface(0.25, 25.0, 0.3), 0.3)
    picture = maps.coloured_at(lightness, whole, maps.size, mirror=False)
    if side is None or side == maps.size:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def _bin(bins: tuple[tuple[int, int], ...], value: float) -> tuple[int, int]:
    return next((low, high) for low, high in bins if value < high)


def _cell(files: list[Path], side: int) -> np.ndarray:
    cell = np.zeros((side + _BAR, side, 3), np.uint8)
    if files:
        buffers = GBuffers.load(files[len(files) // 2])
        cell[:side] = portrait(buffers, side)
        info = buffers.info
        words = f"{info['number']} {info['gender'][0]}{info['age']:.0f} L{info['tone']:.0f} ({len(files)})"
        cv2.putText(
            cell, words, (3, side + 10), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (230, 230, 230), 1, cv2.LINE_AA
        )
    return cell
