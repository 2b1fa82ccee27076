"""The options that say where the light comes from, for every command that relights portraits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf_relight.errors import RelightError
from tf_relight.light.directions import SIDES, angles_from

if TYPE_CHECKING:
    from tf_relight.light.light import Light


def add_light(parser: Any) -> None:
    """Add the light options to a command's parser."""
    light = parser.add_argument_group("light", "of portraits; methods for scenes have a fixed one")
    add_direction(light)
    light.add_argument("--light", metavar="L", help="a preset, a light file, an HDR map or a VIDIT code")
    light.add_argument("--light-from", metavar="PHOTO", help="copy the light of another photo")
    light.add_argument("--temperature", type=float, metavar="K", help="its colour: 6500 neutral, 3000 warm")


def add_direction(parser: Any) -> None:
    """Add the options of a light from one direction."""
    parser.add_argument(
        "--from",
        dest="direction",
        metavar="SIDE",
        choices=tuple(SIDES),
        help=f"the side of the picture it comes from: {', '.join(SIDES)}",
    )
    parser.add_argument(
        "--up", type=float, metavar="DEG", help="with --from: how far it is raised, -90 to 90"
    )
    parser.add_argument(
        "--azimuth",
        type=float,
        metavar="DEG",
        help="0 from the camera, 90 from the picture's right, 180 from behind",
    )
    parser.add_argument("--elevation", type=float, metavar="DEG", help="height, -90 to 90")
    parser.add_argument(
        "--soft",
        type=float,
        metavar="S",
        help="with --from or --azimuth: 0 the sun, 0.2 a soft box (the usual), 1 an overcast sky",
    )


def chosen_light(
    *,
    direction: str | None,
    up: float | None,
    azimuth: float | None,
    elevation: float | None,
    light: str | None,
    light_from: str | None,
    soft: float | None = None,
) -> Light | None:
    """Return the light that the options describe; None when there is none, or it is that of a photo.

    Raises:
        RelightError: options that contradict one another, or a light that cannot be read.
    """
    ways = {
        "--from": direction is not None,
        "--azimuth/--elevation": azimuth is not None or elevation is not None,
        "--light": light is not None,
        "--light-from": light_from is not None,
    }
    given = [name for name, is_given in ways.items() if is_given]
    if len(given) > 1:
        raise RelightError(f"Give the light in one way, not by {' and '.join(given)}.")
    if up is not None and direction is None:
        raise RelightError("--up goes with --from. With --azimuth, give --elevation.")
    if soft is not None and given not in (["--from"], ["--azimuth/--elevation"]):
        raise RelightError("--soft goes with --from or --azimuth: other lights are as soft as they are.")
    if not given or light_from is not None:
        return None
    from tf_relight.light.lamps import USUAL_SOFTNESS
    from tf_relight.light.light import Light

    if light is not None:
        return Light.parse(light)
    if direction is not None:
        azimuth, elevation = angles_from(direction, up)
    softness = USUAL_SOFTNESS if soft is None else soft
    return Light.from_direction(azimuth or 0.0, elevation or 0.0, softness=softness)
