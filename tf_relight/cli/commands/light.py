"""`relight light`: say what a light is, draw it, write it."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.light_options import add_direction, chosen_light
from tf_relight.cli.commands.printing import print_aligned
from tf_relight.terminal import say_lines

SPHERE_SIZE = 256


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "light",
        help="say what a light is, draw it, write it to a file",
        description="Say in words where a light comes from, draw a ball under it, or write its coefficients.",
        example="relight light rembrandt --sphere ball.png -o light.txt\n"
        "  relight light --from left --up 30\n"
        "  relight light --list",
    )
    parser.set_defaults(command=light)
    parser.add_argument(
        "name", nargs="?", metavar="LIGHT", help="a preset, a light file, a map, a VIDIT code"
    )
    parser.add_argument("--list", action="store_true", dest="listed", help="list the presets")
    parser.add_argument("-o", "--out", metavar="FILE", help="write the coefficients to a text file")
    parser.add_argument(
        "--frame",
        choices=("dpr", "sfsnet", "image"),
        default="dpr",
        help="axes and order of the file: DPR's (9 numbers when grey) or SfSNet's (27), default: %(default)s",
    )
    parser.add_argument("--sphere", metavar="PICTURE", help="draw a matt ball under the light")
    add_direction(parser)


def light(
    *,
    name: str | None,
    listed: bool,
    out: str | None,
    frame: Any,
    sphere: str | None,
    direction: str | None,
    up: float | None,
    azimuth: float | None,
    elevation: float | None,
    soft: float | None,
) -> int:
    """Print, draw or write one light, or list the presets."""
    from tf_relight.errors import RelightError
    from tf_relight.light.appearance import describe
    from tf_relight.light.presets import PRESETS

    if listed:
        print_aligned([("NAME", "WHAT IT IS"), *((key, preset.about) for key, preset in PRESETS.items())])
        return 0
    chosen = chosen_light(
        direction=direction,
        up=up,
        azimuth=azimuth,
        elevation=elevation,
        soft=soft,
        light=name,
        light_from=None,
    )
    if chosen is None:
        raise RelightError("Name a light, give --from or --azimuth, or see `relight light --list`.")
    if sphere is not None:
        from tf_relight.photo.picture import Picture
        from tf_relight.photo.writing import write_picture

        write_picture(sphere, Picture(chosen.sphere(SPHERE_SIZE) / 255.0))
    if out is not None:
        chosen.to_file(out, frame)
    say_lines(describe(chosen))
    return 0
