"""`relight contact-sheet`."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.relight_options import METHOD, add_change, add_lights, options_of, report


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "contact-sheet",
        help="show a photo under many lights, by several methods",
        description="Write one picture that shows a photo under several lights, a row for each method.",
        example="relight contact-sheet portrait.jpg -o sheet.jpg --lights left,right,rembrandt --up 30",
    )
    parser.set_defaults(command=make_sheet)
    parser.add_argument("photo", metavar="PHOTO")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help=".jpg or .png")
    add_lights(parser)
    parser.add_argument("--methods", default=METHOD, metavar="M,M", help=f"names with commas: {METHOD}")
    parser.add_argument("--tile", type=int, default=320, metavar="PIXELS", help="width of a picture: 320")
    add_change(parser)


def make_sheet(
    *,
    photo: str,
    out: str,
    lights: str,
    up: float | None,
    methods: str,
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
    names = [name.strip() for name in methods.split(",") if name.strip()]
    return report(contact_sheet(photo, out, named_lights(lights, up), names, options, tile=tile), out)
