"""`relight page`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.commands.printing import report_failures
from tf_relight.cli.commands.relight_options import (
    add_change,
    add_lights,
    add_network,
    method_or_default,
    options_of,
    report,
)


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "page",
        help="write a page that compares photos before and after",
        description="Write one HTML file with photos before and after relighting and a slider between "
        "them. It needs no other file and no network.",
        example="relight page portrait.jpg -o page.html --lights left,right,rembrandt",
    )
    parser.set_defaults(command=make_page)
    parser.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help=".html")
    add_lights(parser)
    parser.add_argument(
        "--side", type=int, default=1280, metavar="PIXELS", help="long side of the pictures: 1280"
    )
    parser.add_argument("--title", default="Before and after", metavar="TEXT", help="heading of the page")
    add_network(parser)
    add_change(parser)


def make_page(
    *,
    paths: Sequence[str],
    out: str,
    lights: str,
    up: float | None,
    side: int,
    title: str,
    method: str | None,
    weights: str | None,
    strength: float,
    size: int | None,
    keep_background: bool,
    temperature: float | None,
) -> int:
    """Write the page."""
    from tf_relight.relighting.light_series import named_lights
    from tf_relight.showing.before_after import before_after_page

    options = options_of(
        strength=strength, size=size, temperature=temperature, keep_background=keep_background
    )
    made = before_after_page(
        paths,
        out,
        named_lights(lights, up),
        options,
        method=method_or_default(method, weights),
        weights=weights,
        side=side,
        title=title,
    )
    report(made.notes, out)
    return report_failures(made.failures)
