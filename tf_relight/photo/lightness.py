"""Changing how light a photo's pixels are, without changing what colour they are.

A portrait network says how light each pixel becomes. More light multiplies all three linear channels alike,
so skin keeps its hue and its saturation; putting the new lightness beside the old a and b of Lab, as DPR's
demo does, makes brightened skin grey and darkened skin garish.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tf_relight.photo.colour import linear_to_srgb, luminance, srgb_to_linear

_STRIP_PIXELS = 1 << 18
# Light added to both sides of a ratio: what a camera calls black carries no colour worth raising.
_BLACK = 2e-3
# Linear light from which highlights bend, and what they come near but never reach; 217 and 252 of 255 in sRGB.
KNEE, CEILING = 0.7, 0.974


@dataclass(frozen=True, eq=False)
class LightColour:
    """The colour of a light, from its shadow side to its lit side.

    Attributes:
        shadow: (3,) linear RGB of the light that reaches the side turned away.
        lit: (3,) linear RGB of the light that reaches the side turned to it.
        full_ratio: ratio of new to old luminance at which a pixel counts as turned to the light.
    """

    shadow: np.ndarray
    lit: np.ndarray
    full_ratio: float

    def at(self, ratio: np.ndarray) -> np.ndarray:
        """Return the light's colour (..., 3), luminance 1, where the picture changes by `ratio` (...)."""
        darkest, brightest = float(luminance(self.shadow)), float(luminance(self.lit))
        received = brightest * ratio / self.full_ratio
        share = np.clip((received - darkest) / max(brightest - darkest, 1e-3), 0, 1)
        colour = self.shadow + share[..., None] * (self.lit - self.shadow)
        return (colour / luminance(colour)[..., None]).astype(np.float32)


def lightness(pixels: np.ndarray) -> np.ndarray:
    """Return L of CIE Lab divided by 100, (H, W) float32 0..1, of sRGB pixels (H, W, 3) 0..1."""
    result = np.empty(pixels.shape[:2], np.float32)

    def work(rows: slice) -> None:
        result[rows] = _from_luminance(luminance(srgb_to_linear(pixels[rows])))

    _in_strips(pixels.shape, work)
    return result


def luminance_ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by what linear light is multiplied when lightness `before` (...) 0..1 becomes `after`."""
    return (to_luminance(after) + _BLACK) / (to_luminance(before) + _BLACK)


def change_lightness(
    pixels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    colour: LightColour | None = None,
    reach: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Return the picture with other lightness, hue and saturation kept.

    Highlights bend in a shoulder, as on film: they lose saturation, not hue, and what was not white before
    does not become white.

    Args:
        pixels: (H, W, 3) sRGB 0..1.
        before: (H, W) their lightness 0..1. after: (H, W) the new one.
        colour: of the new light; None is neutral.
        reach: 0..1, or (H, W), how much of the colour arrives; where it is 0 pixels stay exactly as they are.

    Returns:
        (H, W, 3) float32 sRGB 0..1.
    """
    result = np.empty(pixels.shape, np.float32)
    reaches = np.broadcast_to(np.asarray(reach, np.float32), before.shape)

    def work(rows: slice) -> None:
        ratio, arrives = luminance_ratio(before[rows], after[rows]), reaches[rows][..., None]
        factor = ratio[..., None]
        if colour is not None:
            factor = factor * (1 + arrives * (colour.at(ratio) - 1))
        old = srgb_to_linear(pixels[rows])
        changed = np.clip(linear_to_srgb(_rolled_off(_calmed(old, factor) * factor, old)), 0, 1)
        result[rows] = np.where(arrives > 0, changed, pixels[rows])

    _in_strips(pixels.shape, work)
    return result


def _calmed(light: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return linear RGB with a little less saturation where it gets brighter and more where it gets darker.

    Half and a quarter of what Lab with a and b kept would do: bright skin has to fit into sRGB, and skin in
    shade is lit by skin. Without it shaded highlights look grey; with all of it shadows look orange.
    """
    grey = luminance(light)[..., None]
    brighter = np.maximum(factor, 1) ** np.float32(-1 / 6)
    darker = np.clip(factor, 0.1, 1) ** np.float32(-1 / 12)
    return np.maximum(grey + (light - grey) * (brighter * darker), 0)


def _rolled_off(light: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return linear RGB (..., 3) with highlights bent below white, given what it was `before`.

    Bending all channels alike keeps hue and saturation and makes bright skin dull; bending each turns it
    yellow, as in cameras. Half of each keeps it skin.
    """
    loudest = light.max(axis=-1, keepdims=True)
    alike = _shoulder(loudest, before.max(axis=-1, keepdims=True)) / np.maximum(loudest, 1e-6)
    return (light * alike + _shoulder(light, before)) / 2


def _shoulder(light: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return light that leaves the straight line at the knee, or where it was before if that is brighter.

    So light that stays stays, light that falls falls as it should, and the step to what was white already is
    closed.
    """
    ceiling = np.maximum(before, np.float32(CEILING))
    knee = np.maximum(before, np.float32(KNEE))
    room, over = ceiling - knee, np.maximum(light - knee, 0)
    bent = room * over / np.sqrt(room * room + over * over + np.float32(1e-12))
    return np.minimum(light, knee) + bent


def _from_luminance(value: np.ndarray) -> np.ndarray:
    # CIE 1976 with its exact constants: 903.3 = (29/3)**3, 0.008856 = (6/29)**3.
    root = np.where(value > (6 / 29) ** 3, 116 * np.cbrt(value) - 16, (29 / 3) ** 3 * value)
    return (root / 100).astype(np.float32)


def to_luminance(value: np.ndarray) -> np.ndarray:
    """Return the relative luminance 0..1, float32, of lightness 0..1, any shape."""
    cube = ((100 * value + 16) / 116) ** 3
    return np.where(value > 0.08, cube, 100 * value / (29 / 3) ** 3).astype(np.float32)


def _in_strips(shape: tuple[int, ...], work: Callable[[slice], None]) -> None:
    rows = max(1, _STRIP_PIXELS // shape[1])
    strips = [slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows)]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(work, strips))
