"""One pair for training: a head, a window, two lights, a camera. A pure function of its random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tf_relight.light.spherical_harmonics import image_map
from tf_relight.rendering.humans.lamps import FLASH, draw_flash, draw_lamps, mixed, told_in_lightness
from tf_relight.rendering.humans.maps import HumanMaps, Surface

TIGHT = 0.6
"""Share of pictures cut tightly around the face, with no hair and no background to go by."""
TIGHT_SIDES = (0.55, 1.15)
"""Side of those over the height of the face, chin to hairline."""
IDENTITY = 0.04
"""Share of pairs whose target is the source itself."""
NEAR = 0.3
"""Share of pairs whose target is lit by a mixture of the source's lamps and others, so that a small change of
light is learnt as a small change."""
SAME_LEVEL = 0.4
"""Share of pairs whose target has as much light as the source."""
SOURCE_LEVELS, TARGET_LEVELS = (0.6, 0.95), (0.62, 0.92)
TONE_CURVES = (0.36, 0.5)
"""Exponents of the source's tone curve; the light is told as if it had the usual one."""
ROUGHEST = 0.6
"""Most roughness of the matt part, radians."""
_FLIP = np.diag(image_map("hflip")).astype(np.float32)


@dataclass(frozen=True, eq=False)
class HumanPair:
    """A pair.

    Attributes:
        image, target, overcast: (H, W) float32 lightness 0..1; the last two None where nobody asked for them.
        light, target_light: (9,) float32, told in lightness, frame "dpr".
        window: rows and columns of the head's maps. mirror: whether the pictures are mirrored.
    """

    image: np.ndarray
    target: np.ndarray | None
    overcast: np.ndarray | None
    light: np.ndarray
    target_light: np.ndarray
    window: tuple[slice, slice]
    mirror: bool


def draw_pair(
    maps: HumanMaps, size: int, rng: np.random.Generator, *, target: bool = True, overcast: bool = True
) -> HumanPair:
    """Draw a pair of `size` x `size` pictures of a head.

    Args:
        target: form the picture under the second light. overcast: form the one under an even sky. What is
            not formed takes no time, and changes nothing of the rest.
    """
    directions = maps.directions
    window = draw_window(maps, rng)
    surface = draw_surface(rng)
    bounce = float(rng.uniform(0, 0.5))
    lamps = (draw_flash if rng.random() < FLASH else draw_lamps)(rng, directions)
    light, exposure = told_in_lightness(lamps, directions, float(rng.uniform(*SOURCE_LEVELS)))
    tone = float(rng.uniform(*TONE_CURVES)) if rng.random() < 0.6 else 0.42
    image = maps.lightness(lamps, exposure * rng.uniform(0.8, 1.15), window, surface, bounce, tone)
    same = rng.random() < IDENTITY
    lit = image
    if same:
        target_light = light
    else:
        near = rng.random() < NEAR
        lamps = (
            mixed(lamps, draw_lamps(rng, directions), rng.random()) if near else draw_lamps(rng, directions)
        )
        level = float(light[0]) if near or rng.random() < SAME_LEVEL else float(rng.uniform(*TARGET_LEVELS))
        target_light, exposure = told_in_lightness(lamps, directions, level)
        if target:
            lit = maps.lightness(lamps, exposure, window, surface, bounce)
    layers = [image, lit] if target else [image]
    if overcast:
        layers.append(maps.overcast[window].astype(np.float32) / 255)
    resized = resize(np.dstack(layers), size)
    resized = resized[..., None] if resized.ndim == 2 else resized
    mirror = bool(rng.random() < 0.5)
    if mirror:
        resized, light, target_light = resized[:, ::-1], light * _FLIP, target_light * _FLIP
    taken = photographed(resized[..., 0].copy(), resized[..., 1].copy() if target else None, same, rng)
    sky = np.ascontiguousarray(resized[..., -1]) if overcast else None
    return HumanPair(*taken, sky, light, target_light, window, mirror)


def draw_surface(rng: np.random.Generator) -> Surface:
    """Draw how skin and cloth answer light: from dry to wet, from smooth to rough."""
    exponent = float(np.exp(rng.uniform(np.log(8), np.log(60))))
    return Surface(float(rng.uniform(0, 0.5)), exponent, float(rng.uniform(0, ROUGHEST)))


def draw_window(maps: HumanMaps, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return rows and columns: most of the picture, or tightly around the face; not always quite square."""
    row, column, height = maps.face
    tight = rng.random() < TIGHT
    side = height * rng.uniform(*TIGHT_SIDES) if tight else maps.size * rng.uniform(0.72, 1.0)
    stretch = np.exp(rng.normal(0, 0.07)) if rng.random() < 0.5 else 1.0
    sides = np.clip(np.round(side * np.array([stretch, 1 / stretch])), min(32, maps.size), maps.size).astype(
        int
    )
    if tight:
        middle = np.array([row, column]) + rng.normal(0, 0.08, 2) * sides
    else:
        middle = rng.uniform(sides / 2, maps.size - sides / 2)
    first = np.clip(np.round(middle - sides / 2).astype(int), 0, maps.size - sides)
    top, left = (slice(int(start), int(start) + int(side)) for start, side in zip(first, sides, strict=True))
    return top, left


def resize(pictures: np.ndarray, size: int) -> np.ndarray:
    """Return pictures (h, w, C) as (size, size, C)."""
    way = cv2.INTER_AREA if min(pictures.shape[:2]) > size else cv2.INTER_CUBIC
    return np.clip(cv2.resize(pictures, (size, size), interpolation=way), 0, 1)


def photographed(
    image: np.ndarray, target: np.ndarray | None, same: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pair as a camera gives it: a little blurred, with grain, the source as a JPEG.

    Grain is part of the picture: the target has it too, stronger where it is brighter. Blocks of JPEG are
    not: only the source has them, unless the target is the source.
    """
    if rng.random() < 0.35:
        blur = float(rng.uniform(0.3, 1.0))
        image = cv2.GaussianBlur(image, (0, 0), blur)
        target = None if target is None else cv2.GaussianBlur(target, (0, 0), blur)
    if rng.random() < 0.6:
        grain = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0.002, 0.02))
        if target is not None:
            target = target + grain * np.clip(target / (image + 0.02), 0, 1.5)
        image = image + grain
    if rng.random() < 0.25:
        image = _as_jpeg(image, int(rng.integers(50, 96)))
    image = np.clip(image, 0, 1)
    if target is None:
        return image, None
    return image, image if same else np.clip(target, 0, 1)


def _as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    byte = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", byte, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None, "OpenCV reads what it wrote"
    return decoded.astype(np.float32) / 255
