"""`relight contact-sheet`."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.relight_options import METHOD, add_change, add_lights, options_of, report


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "contact-sheet",
        help="show a photo under many lights, by several methods or weights",
        description="Write one picture that shows a photo under several lights, a row for each method or "
        "weights file.",
        example="relight contact-sheet portrait.jpg -o sheet.jpg --lights left,right,rembrandt --up 30",
    )
    parser.set_defaults(command=make_sheet)
    parser.add_argument("photo", metavar="PHOTO")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help=".jpg or .png")
    add_lights(parser)
    parser.add_argument(
        "--methods", metavar="M,M", help=f"names with commas; {METHOD} unless weights are given"
    )
    parser.add_argument(
        "--weights", metavar="W,W", help="files, or names from `relight weights`, with commas: a row for each"
    )
    parser.add_argument("--tile", type=int, default=320, metavar="PIXELS", help="width of a picture: 320")
    add_change(parser)


def make_sheet(
    *,
    photo: str,
    out: str,
    lights: str,
    up: float | None,
    methods: str | None,
    weights: str | None,
    tile: int,
    strength: float,
    size: int | None,
    keep_background: bool,
    temperature: float | None,
) -> int:
    """Write the sheet."""
    from tf_relight.relighting.light_series import named_lights
    from tf_relight.showing.contact_sheet import contact_sheet

    options = options_of(
        strength=strength, size=size, temperature=temperature, keep_background=keep_background
    )
    if methods is None:
        methods = METHOD if weights is None else ""
    names, files = (
        [each.strip() for each in words.split(",") if each.strip()] for words in (methods, weights or "")
    )
    made = contact_sheet(photo, out, named_lights(lights, up), names, options, weights=files, tile=tile)
    return report(made, out)
