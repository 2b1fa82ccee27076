"""`relight turntable`."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.light_options import add_light, chosen_light
from tf_relight.cli.commands.relight_options import (
    add_change,
    add_network,
    method_or_default,
    options_of,
    report,
)

UP = 20.0
"""Degrees above the horizon, unless the light is described otherwise."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "turntable",
        help="let the light go once around a photo",
        description="Write an animation of a photo whose light goes once around, starting at the given light "
        f"(from the front, {UP:g} degrees up).",
        example="relight turntable portrait.jpg -o portrait.gif --up 30 --sphere",
    )
    parser.set_defaults(command=make_turntable)
    parser.add_argument("photo", metavar="PHOTO")
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        required=True,
        help=".gif, .webp; with the video extra .mp4, .mov, .mkv",
    )
    parser.add_argument("--frames", type=int, default=36, metavar="N", help="pictures of one turn: 36")
    parser.add_argument("--fps", type=float, default=12.0, metavar="N", help="pictures per second: 12")
    parser.add_argument("--side", type=int, default=720, metavar="PIXELS", help="its long side: 720")
    parser.add_argument(
        "--axis",
        choices=("vertical", "view"),
        default="vertical",
        help="vertical: around the person, passing behind; view: around the face, always in front",
    )
    add_network(parser)
    add_change(parser)
    add_light(parser)
    parser.add_argument("--sphere", action="store_true", help="draw a ball under the light into the corner")


def make_turntable(
    *,
    photo: str,
    out: str,
    frames: int,
    fps: float,
    side: int,
    axis: Any,
    method: str | None,
    weights: str | None,
    strength: float,
    size: int | None,
    keep_background: bool,
    temperature: float | None,
    sphere: bool,
    light_from: str | None,
    **light: Any,
) -> int:
    """Write the animation.

    Args:
        light: the other options of `add_light`.
    """
    from tf_relight.showing.turntable import turntable

    start = _first_light(light_from, axis, light)
    options = options_of(
        strength=strength,
        size=size,
        temperature=temperature,
        keep_background=keep_background,
        sphere=sphere,
        light=start,
    )
    notes = turntable(
        photo,
        out,
        options,
        method=method_or_default(method, weights),
        weights=weights,
        light_from=light_from,
        frames=frames,
        fps=fps,
        side=side,
        axis=axis,
    )
    return report(notes, out)


def _first_light(light_from: str | None, axis: str, given: dict[str, Any]) -> Any:
    """Return the light the turn starts with; from the front where only its height is given, or nothing."""
    ways = ("direction", "azimuth", "elevation", "light")
    if light_from is None and all(given[way] is None for way in ways):
        # A hand of a clock starts at twelve; straight from the camera it would turn on the spot.
        usual = 45.0 if axis == "view" else UP
        given = {**given, "direction": "front", "up": usual if given["up"] is None else given["up"]}
    return chosen_light(light_from=light_from, **given)
