"""Directions of light by everyday words."""

from __future__ import annotations

from tf_relight.errors import RelightError, suggest

SIDES: dict[str, tuple[float, float]] = {
    "front": (0, 0),
    "right": (90, 0),
    "left": (-90, 0),
    "behind": (180, 0),
    "above": (0, 90),
    "below": (0, -90),
    "front-right": (45, 0),
    "front-left": (-45, 0),
    "behind-right": (135, 0),
    "behind-left": (-135, 0),
    "upper-right": (45, 45),
    "upper-left": (-45, 45),
    "lower-right": (45, -45),
    "lower-left": (-45, -45),
}
"""Name to azimuth and elevation in degrees; right and left are those of the picture."""


def angles_from(side: str, up: float | None = None) -> tuple[float, float]:
    """Return azimuth and elevation in degrees of light from a side, raised by `up` degrees.

    Raises:
        RelightError: an unknown side, or one that says already how high the light is.
    """
    if side not in SIDES:
        raise RelightError(f"There is no side '{side}'.{suggest(side, SIDES)} Known: {', '.join(SIDES)}.")
    azimuth, elevation = SIDES[side]
    if up is None:
        return azimuth, elevation
    if elevation != 0:
        raise RelightError(
            f"--from {side} says already how high the light is. Leave out --up, or use --azimuth and "
            "--elevation."
        )
    return azimuth, up
