"""A page that shows photos before and after relighting, in one file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.photo.listing import find_pictures
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture
from tf_relight.progress import track
from tf_relight.relighting.light_series import NamedLight, Relighter, at_most, on_white, prepare
from tf_relight.relighting.photos import load_for, relight_picture
from tf_relight.relighting.request import RelightOptions
from tf_relight.terminal import shown

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

TEMPLATE = Path(__file__).with_name("before_after.html")
SIDE, QUALITY = 1280, 85
SMALLEST_SIDE, LARGEST_SIDE = 64, 8192
BALL_SIDE = 64
LARGEST_PAGE = 512 << 20
"""Bytes; browsers give up on more."""


@dataclass(frozen=True, eq=False)
class After:
    """A photo relit.

    Attributes:
        name: of the light or the method, for the reader.
        pixels: (H, W, 3) uint8 sRGB.
        ball: (b, b, 3) uint8 sRGB, a ball under the light, or None.
    """

    name: str
    pixels: np.ndarray
    ball: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """One photo, (H, W, 3) uint8 sRGB, with its relit versions of the same size."""

    name: str
    before: np.ndarray
    after: Sequence[After]


class PageReport(NamedTuple):
    """What there is to say about a page.

    Attributes:
        notes: sentences for the user. failures: one sentence for each photo that is not on the page.
    """

    notes: tuple[str, ...]
    failures: tuple[str, ...]


def before_after_page(
    paths: Sequence[Path | str],
    out: Path | str,
    lights: Sequence[NamedLight],
    options: RelightOptions,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    side: int = SIDE,
    title: str = "Before and after",
    progress: bool = True,
) -> PageReport:
    """Relight photos and write a page that compares them.

    Args:
        paths: photos, and folders of photos.
        out: .html.
        lights: one version per light; a method that takes none is shown once.
        options: all but the light.
        side: long side in pixels of the pictures on the page.

    Raises:
        RelightError: not one photo could be shown, lights that do not fit the method, or a page that cannot
            be written.
    """
    _check(out, side)
    found = find_pictures(paths)
    sources = list(found.pictures)
    if not sources:
        raise RelightError("No photos were given. Name picture files or folders.")
    loaded = load_for(method, weights, "auto")
    takes_light = loaded.method.info.takes_light
    wanted: list[NamedLight | None] = [*lights] if takes_light else [None]
    if not wanted:
        raise RelightError("Name at least one light, for example --lights left,right,rembrandt.")
    comparisons: list[BeforeAfter] = []
    notes: list[str] = [found.note] if found.note else []
    failures: list[str] = []
    if lights and not takes_light:
        notes.append(f"{loaded.method.name} takes no light; the page shows its one result.")
    for source in track(sources, lambda source: f"Relighting {source.name}", show=progress):
        try:
            comparison, said = _compared(source, loaded, wanted, options, side)
        except RelightError as error:
            if len(sources) == 1:
                raise
            failures.append(str(error) if str(source) in str(error) else f"{source}: {error}")
            continue
        comparisons.append(comparison)
        notes += said
    if not comparisons:
        raise RelightError(f"Not one photo could be shown. The first: {failures[0]}")
    write_page(comparisons, out, title=title)
    return PageReport(tuple(notes), tuple(failures))


def _compared(
    source: Path,
    loaded: LoadedModel,
    wanted: Sequence[NamedLight | None],
    options: RelightOptions,
    side: int,
) -> tuple[BeforeAfter, list[str]]:
    """Return a photo with its versions, and sentences for the user."""
    original = read_picture(source)
    picture, notes = on_white(at_most(original, side)), list(original.notes)
    versions: list[After] = []
    relight: Relighter | None = None
    for light in wanted:
        if light is None:
            relit = relight_picture(picture, loaded, options)
            versions.append(After(loaded.method.name, to_u8(relit.stored)))
            continue
        from tf_relight.relighting.light_tint import coloured

        if relight is None:
            relight, said = prepare(picture, loaded, options)
            notes += [f"{source.name}: {sentence}" for sentence in said]
        ball = coloured(light.light, options.temperature).sphere(BALL_SIDE)
        versions.append(After(light.name, to_u8(relight(light.light).stored), ball))
    return BeforeAfter(source.name, to_u8(picture.stored), versions), notes


def write_page(comparisons: Sequence[BeforeAfter], out: Path | str, *, title: str) -> Path:
    """Write a page with a slider for each photo and a choice of its versions; all text is escaped.

    Raises:
        RelightError: nothing to show, a page too large for browsers, or a file that cannot be written.
    """
    if not comparisons or not all(each.after for each in comparisons):
        raise RelightError("There are no pictures to compare.")
    sections = "\n".join(_section(index, each) for index, each in enumerate(comparisons))
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    page = template.substitute(title=html.escape(shown(title)), sections=sections).encode("utf-8")
    if len(page) > LARGEST_PAGE:
        raise RelightError(
            f"The page would have {len(page) >> 20} MB. Show fewer photos, or give a smaller --side."
        )
    with atomic_path(out) as temporary:
        temporary.write_bytes(page)
    return Path(out)


def _check(out: Path | str, side: int) -> None:
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise RelightError(f"The page is an .html file, not '{out.name}': change the ending.")
    if out.is_dir():
        raise RelightError(f"The output {out} is a folder. Choose another name.")
    if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
        raise RelightError(f"A side of {side} pixels is outside {SMALLEST_SIDE}..{LARGEST_SIDE}.")


def _section(index: int, comparison: BeforeAfter) -> str:
    """Return the part of the page for one photo."""
    name, first = html.escape(shown(comparison.name)), comparison.after[0]
    height, width = comparison.before.shape[:2]
    size = f'width="{width}" height="{height}"'
    lines = [
        f'<section aria-labelledby="name{index}">',
        f'<h2 id="name{index}">{name}</h2>',
        '<div class="frame"><figure class="pair">',
        f'<img class="before" {size} alt="{name}, before" src="{_jpeg(comparison.before)}">',
        f'<img class="after" {size} alt="{_alt(comparison, first)}" src="{_jpeg(first.pixels)}">',
        f'<span class="left">before</span><span class="right">{html.escape(shown(first.name))}</span>',
        "</figure>",
        '<input type="range" min="0" max="100" step="0.5" value="50" '
        f'aria-label="{name}: where before ends"></div>',
    ]
    if len(comparison.after) > 1:
        lines += ["<fieldset><legend>Light</legend>"]
        lines += [_choice(index, number, comparison, after) for number, after in enumerate(comparison.after)]
        lines += ["</fieldset>"]
    lines += ["</section>"]
    return "\n".join(lines)


def _choice(index: int, number: int, comparison: BeforeAfter, after: After) -> str:
    """Return a button for one version; it carries the picture, but for the first, which is in the pair."""
    name, picture = html.escape(shown(after.name)), f"p{index}_{number}"
    ball = "" if after.ball is None else f'<img alt="" src="{_data("PNG", after.ball)}">'
    checked = " checked" if number == 0 else ""
    hidden = f'<img id="{picture}" hidden alt="" src="{_jpeg(after.pixels)}">' if number else ""
    return (
        f'<label><input type="radio" name="light{index}" data-picture="{picture}" data-name="{name}" '
        f'data-alt="{_alt(comparison, after)}"{checked}>{ball}{name}</label>{hidden}'
    )


def _alt(comparison: BeforeAfter, after: After) -> str:
    return html.escape(shown(f"{comparison.name}, after: {after.name}"))


def _jpeg(pixels: np.ndarray) -> str:
    return _data("JPEG", pixels, quality=QUALITY, subsampling=0, progressive=True)


def _data(kind: str, pixels: np.ndarray, **options: object) -> str:
    """Return a picture as a data URI."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
