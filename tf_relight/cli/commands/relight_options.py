"""The options that commands share which show one photo under many lights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_relight.contract.usual import PORTRAIT_METHOD
from tf_relight.terminal import note, say

if TYPE_CHECKING:
    from tf_relight.light.light import Light
    from tf_relight.relighting.request import RelightOptions

METHOD = PORTRAIT_METHOD
"""What these commands use unless told otherwise."""
LIGHTS = "left,right,above,below,rembrandt,butterfly,rim,golden_hour"


def add_network(parser: Any) -> None:
    """Add which network relights."""
    parser.add_argument("--method", help=f"a name from `relight methods`; {METHOD} unless --weights is given")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")


def add_engine(parser: Any) -> None:
    """Add what runs the network, and the option to say more."""
    parser.add_argument(
        "--engine",
        choices=("auto", "litert", "keras"),
        default="auto",
        help="what runs the network; auto: LiteRT, ready in milliseconds, for prepared weights without a GPU",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say which engine is used, and why")


def add_change(parser: Any) -> None:
    """Add how much is changed."""
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 = unchanged, 1 = full")
    parser.add_argument("--size", type=int, help="side at which the network looks at the photo, or a face")
    parser.add_argument("--keep-background", action="store_true", help="change the person only")


def add_lights(parser: Any) -> None:
    """Add the option for several lights."""
    parser.add_argument(
        "--lights",
        default=LIGHTS,
        metavar="L,L",
        help="with commas: sides (left, upper-right), presets (`relight light --list`), files, VIDIT codes",
    )
    parser.add_argument("--up", type=float, metavar="DEG", help="how far lights from a side are raised")
    parser.add_argument("--temperature", type=float, metavar="K", help="colour: 6500 neutral, 3000 warm")


def method_or_default(method: str | None, weights: str | None) -> str | None:
    """Return the method to use; None where the weights say it."""
    return METHOD if method is None and weights is None else method


def options_of(
    *,
    strength: float,
    size: int | None,
    temperature: float | None,
    keep_background: bool,
    sphere: bool = False,
    light: Light | None = None,
) -> RelightOptions:
    """Return what `add_change` and the light options were given."""
    from tf_relight.relighting.request import RelightOptions

    return RelightOptions(
        light=light,
        strength=strength,
        size=size,
        temperature=temperature,
        keep_background=keep_background,
        sphere=sphere,
    )


def report(notes: Iterable[str], out: str) -> int:
    """Print sentences for the user to stderr and the file that was made to stdout; return the exit code."""
    for sentence in dict.fromkeys(notes):
        note(sentence)
    say(Path(out))
    return 0
