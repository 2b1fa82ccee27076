"""One photo with the light going once around it, as an animation that repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture
from tf_relight.progress import track
from tf_relight.relighting.light_series import Axis, at_most, on_white, once_around, prepare
from tf_relight.relighting.photos import Job, check_light, load_for
from tf_relight.relighting.request import RelightOptions
from tf_relight.showing.animation import check_animation_name, write_animation

FRAMES, FPS, SIDE = 36, 12.0, 720
FEWEST, MOST = 2, 1000
LOWEST_SIDE, HIGHEST_SIDE = 16, 8192


def turntable(
    photo: Path | str,
    out: Path | str,
    options: RelightOptions,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    light_from: Path | str | None = None,
    frames: int = FRAMES,
    fps: float = FPS,
    side: int = SIDE,
    axis: Axis = "vertical",
    progress: bool = True,
) -> tuple[str, ...]:
    """Write an animation of a photo whose light goes once around; nothing half-written is left behind.

    Args:
        out: .gif, .webp, or a film: .mp4, .mov, .mkv.
        options: its light is that of the first frame.
        method, weights, light_from: as in `photos.relight_photos`.
        frames: how many pictures one turn has.
        fps: pictures per second.
        side: long side of the animation in pixels; a smaller photo is not enlarged.
        axis: as in `light_series.once_around`.

    Returns:
        sentences for the user.

    Raises:
        RelightError: a number out of range, an output that cannot be written, a photo that cannot be read, or
            a method that takes no light.
    """
    if not FEWEST <= frames <= MOST:
        raise RelightError(f"{frames} frames are outside {FEWEST}..{MOST}.")
    if not LOWEST_SIDE <= side <= HIGHEST_SIDE:
        raise RelightError(f"A side of {side} pixels is outside {LOWEST_SIDE}..{HIGHEST_SIDE}.")
    out = check_animation_name(out, fps)
    check_light(method, options, light_from)
    picture = on_white(at_most(read_picture(photo), side))
    loaded = load_for(method, weights, "auto")
    options = Job.of(loaded, options, light_from).options
    if options.light is None:
        raise RelightError(f"Method '{loaded.method.name}' takes no light, so there is nothing to turn.")
    relight, notes = prepare(picture, loaded, options)
    turned = once_around(options.light, frames, axis)

    def shown(light: Light) -> np.ndarray:
        return to_u8(relight(light).pixels)

    lights = track(turned, f"Relighting {Path(photo).name}", show=progress)
    write_animation(out, map(shown, lights), fps, frames, picture.size)
    return picture.notes + notes
