"""`relight video`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf_relight.cli.commands.light_options import add_light, chosen_light
from tf_relight.cli.commands.relight_options import (
    add_change,
    add_engine,
    add_network,
    method_or_default,
    options_of,
    report,
)
from tf_relight.cli.parser import add_log

if TYPE_CHECKING:
    from tf_relight.relighting.network import Engine

KEYS = """light path, a YAML file of seconds and lights:
  0: left
  2.5: rembrandt
  4: {from: right, up: 30}
  1:05: {azimuth: 120, elevation: 20, temperature: 3200}"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "video",
        help="relight a film, with a light that may move",
        description="Relight a film; its size, times and sound are kept. Needs the video extra.\n\n" + KEYS,
        example="relight video in.mp4 -o out.mp4 --light-path keys.yaml",
    )
    parser.set_defaults(command=relight_film)
    parser.add_argument("film", metavar="FILM")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help=".mp4, .mov or .mkv")
    parser.add_argument("--light-path", metavar="FILE", help="the light over time, see above")
    parser.add_argument("--skip-broken", action="store_true", help="leave out frames that cannot be decoded")
    parser.add_argument("--strip", action="store_true", help="leave out title, times and place of the film")
    add_network(parser)
    add_engine(parser)
    add_log(parser)
    add_change(parser)
    add_light(parser)
    parser.add_argument("--sphere", action="store_true", help="draw a ball under the light into the corner")


def relight_film(
    *,
    film: str,
    out: str,
    light_path: str | None,
    skip_broken: bool,
    strip: bool,
    method: str | None,
    weights: str | None,
    strength: float,
    size: int | None,
    keep_background: bool,
    temperature: float | None,
    sphere: bool,
    light_from: str | None,
    engine: Engine,
    **light: Any,
) -> int:
    """Relight a film.

    Args:
        light: the other options of `add_light`.
    """
    from tf_relight.films.light_path import read_light_path
    from tf_relight.films.video import relight_video

    options = options_of(
        strength=strength,
        size=size,
        temperature=temperature,
        keep_background=keep_background,
        sphere=sphere,
        light=chosen_light(light_from=light_from, **light),
    )
    notes = relight_video(
        film,
        out,
        options,
        path=None if light_path is None else read_light_path(light_path),
        method=method_or_default(method, weights),
        weights=weights,
        light_from=light_from,
        skip_broken=skip_broken,
        strip=strip,
        engine=engine,
    )
    return report(notes, out)
