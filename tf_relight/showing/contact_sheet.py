"""One sheet that shows a photo under several lights, by several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tf_relight import methods as table
from tf_relight.errors import RelightError
from tf_relight.methods.trained import describe
from tf_relight.photo.lettering import FAINT, INK, PAPER, check_sheet_name, font, shortened, write_sheet
from tf_relight.photo.picture import Picture, resize, to_u8
from tf_relight.photo.reading import read_picture
from tf_relight.progress import track
from tf_relight.relighting.light_series import NamedLight, at_most, on_white, prepare
from tf_relight.relighting.photos import load_for, relight_picture
from tf_relight.relighting.request import RelightOptions

DEFAULT_LIGHTS = "left,right,above,below,rembrandt,butterfly,rim,golden_hour"
TILE = 320
SMALLEST_TILE, LARGEST_TILE, MOST_PIXELS = 32, 4096, 200_000_000
_GAP, _CAPTION = 8, 26
_LOOKED_AT = 768  # long side at which the photo is relit; on smaller ones faces get lost
_OWN = "the light it was trained for"


@dataclass(frozen=True)
class _Kind:
    """What makes a row: a method with its own weights, or weights."""

    title: str
    method: str | None
    weights: Path | str | None
    takes_light: bool


@dataclass(frozen=True, eq=False)
class _Row:
    """What one of them made: pictures uint8 (h, w, 3), each with its caption."""

    title: str
    tiles: list[tuple[np.ndarray, str]]


def contact_sheet(
    photo: Path | str,
    out: Path | str,
    lights: Sequence[NamedLight],
    method_names: Sequence[str],
    options: RelightOptions,
    *,
    weights: Sequence[Path | str] = (),
    tile: int = TILE,
    progress: bool = True,
) -> tuple[str, ...]:
    """Write a sheet with the photo and, for each method, one picture per light, with a ball under it.

    A method that always makes the light it was trained for has one picture in its row.

    Args:
        out: .png or .jpg.
        method_names: names from the method table, each with the weights that ship with it.
        options: all but the light; those that a method does not know do not apply to it.
        weights: files, or names from the record, with a row for each behind the methods.
        tile: width in pixels of a picture on the sheet.

    Returns:
        sentences for the user.

    Raises:
        RelightError: neither methods nor weights, one twice or unknown, a tile out of range, a photo that
            cannot be read, or a sheet that cannot be written.
    """
    check_sheet_name(out)
    _check(tile, [*method_names, *map(str, weights)])
    kinds = [_Kind(name, name, None, table.get(name).info.takes_light) for name in method_names]
    for each in weights:
        info = describe(each).method.info
        # With its folder: a run's weights are called weights.safetensors, whatever the run.
        kinds.append(_Kind(str(each).removesuffix(".safetensors"), None, each, info.takes_light))
    if not lights and any(kind.takes_light for kind in kinds):
        raise RelightError("Name at least one light, for example --lights left,right,rembrandt.")
    original = read_picture(photo)
    size = max(1, round(tile * original.size[0] / original.size[1])), tile
    picture = on_white(at_most(original, max(_LOOKED_AT, *size)))
    jobs = [(kind, light) for kind in kinds for light in (lights if kind.takes_light else [None])]
    columns = 1 + max(1, len(lights))
    if columns * len(kinds) * size[0] * size[1] > MOST_PIXELS:
        raise RelightError("The sheet would be too large. Give fewer lights or methods, or a smaller --tile.")
    rows, notes = _rows(picture, size, jobs, replace(options, sphere=True), progress)
    shown = to_u8(resize(picture.pixels, size)), Path(photo).name
    write_sheet(_draw([_Row(row.title, [shown, *row.tiles]) for row in rows], columns), out)
    return original.notes + notes


def _check(tile: int, names: Sequence[str]) -> None:
    if not names:
        raise RelightError("Name at least one method, for example --methods dpr512.")
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise RelightError(f"'{twice}' is given twice.")
    if not SMALLEST_TILE <= tile <= LARGEST_TILE:
        raise RelightError(f"A tile of {tile} pixels is outside {SMALLEST_TILE}..{LARGEST_TILE}.")


def _rows(
    picture: Picture,
    size: tuple[int, int],
    jobs: Sequence[tuple[_Kind, NamedLight | None]],
    options: RelightOptions,
    progress: bool,
) -> tuple[list[_Row], tuple[str, ...]]:
    rows: list[_Row] = []
    notes: dict[str, None] = {}
    relight = None
    begun = None
    for kind, light in track(jobs, lambda job: f"Relighting with {job[0].title}", show=progress):
        if kind is not begun:
            begun = kind
            rows.append(_Row(kind.title, []))
            loaded = load_for(kind.method, kind.weights, "auto")
            if light is not None:
                relight, said = prepare(picture, loaded, options)
                notes |= dict.fromkeys(said)
        if light is None or relight is None:
            plain = RelightOptions(strength=options.strength, size=options.size)
            relit, caption = relight_picture(picture, loaded, plain), _OWN
        else:
            relit, caption = relight(light.light), light.name
        rows[-1].tiles.append((to_u8(resize(relit.pixels, size)), caption))
    return rows, tuple(notes)


def _draw(rows: Sequence[_Row], columns: int) -> Image.Image:
    height, width = rows[0].tiles[0][0].shape[:2]
    step = width + _GAP, _CAPTION + height + _CAPTION + _GAP
    sheet = Image.new("RGB", (_GAP + columns * step[0], _GAP + len(rows) * step[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, row in enumerate(rows):
        top = _GAP + index * step[1]
        draw.text((_GAP, top), shortened(row.title, font(18), sheet.width - 2 * _GAP), INK, font(18))
        for column, (pixels, caption) in enumerate(row.tiles):
            left, bottom = _GAP + column * step[0], top + _CAPTION + height
            sheet.paste(Image.fromarray(pixels), (left, bottom - height))
            text = shortened(caption, font(15), width)
            draw.text((left + width / 2, bottom + 4), text, FAINT, font(15), anchor="ma")
    return sheet
