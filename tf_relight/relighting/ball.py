"""A ball in the corner of a relit picture, which shows the light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tf_relight.photo.picture import Picture, as_float, stored_as
from tf_relight.relighting.light_tint import coloured
from tf_relight.relighting.request import RelightOptions

SPHERE_SHARE = 0.16  # side of the ball in the corner, of the picture's short side


def with_sphere(picture: Picture, options: RelightOptions) -> Picture:
    """Return the picture with a ball under the light in its lower right corner, if the options ask for it."""
    if not options.sphere or options.light is None:
        return picture
    height, width = picture.size
    side = max(1, round(SPHERE_SHARE * min(height, width)))
    ball = coloured(options.light, options.temperature).sphere(side).astype(np.float32) / 255
    across = (np.arange(side, dtype=np.float32) + 0.5) - side / 2
    # A soft edge one pixel wide.
    cover = np.clip(side / 2 - np.hypot(across[:, None], across), 0, 1)[..., None]
    gap = side // 8
    top, left = max(0, height - side - gap), max(0, width - side - gap)
    stored = picture.stored.copy()
    place = as_float(stored[top : top + side, left : left + side])
    stored[top : top + side, left : left + side] = stored_as(place + cover * (ball - place), stored.dtype)
    alpha = picture.alpha
    if alpha is not None:
        alpha = alpha.copy()
        corner = alpha[top : top + side, left : left + side]
        np.maximum(corner, cover, out=corner)
    return replace(picture, stored=stored, alpha=alpha)
