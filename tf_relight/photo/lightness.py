"""Changing how light a photo's pixels are, without changing what colour they are.

A portrait network says how light each pixel becomes. More light multiplies all three linear channels alike,
so skin keeps its hue and its saturation; putting the new lightness beside the old a and b of Lab, as DPR's
demo does, makes brightened skin grey and darkened skin garish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from tf_relight.photo.colour import LUMINANCE_WEIGHTS, luminance
from tf_relight.photo.light_tables import from_linear, to_linear
from tf_relight.photo.strips import by_strips

# Light added to both sides of a ratio: what a camera calls black carries no colour worth raising.
BLACK = 2e-3
# Linear light from which highlights bend, and what they come near but never reach; in sRGB 217 and 252.
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
    """Return L of CIE Lab divided by 100, (H, W) float32 0..1, of sRGB pixels.

    Args:
        pixels: (H, W, 3); float 0..1, uint8 or uint16.
    """
    result = np.empty(pixels.shape[:2], np.float32)

    def work(rows: slice) -> None:
        result[rows] = from_luminance(luminance_of(to_linear(pixels[rows])))

    by_strips(pixels.shape, work)
    return result


def luminance_of(light: np.ndarray) -> np.ndarray:
    """Return the relative luminance (h, w) of linear RGB (h, w, 3), both float32."""
    weights = LUMINANCE_WEIGHTS.astype(np.float32)[None]
    return cv2.transform(light, weights).reshape(light.shape[:2])


def luminance_ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by what linear light is multiplied when lightness `before` (...) 0..1 becomes `after`."""
    return (to_luminance(after) + BLACK) / (to_luminance(before) + BLACK)


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
        pixels: (H, W, 3) sRGB; float 0..1, uint8 or uint16.
        before: (H, W) their lightness 0..1. after: (H, W) the new one.
        colour: of the new light; None is neutral.
        reach: 0..1, or (H, W), how much of the colour arrives; where it is 0 pixels stay exactly as they are.

    Returns:
        (H, W, 3) sRGB, float32 0..1 or of the type of `pixels`.
    """
    kind = pixels.dtype if pixels.dtype.kind == "u" else np.float32
    result = np.empty(pixels.shape, kind)
    reaches = np.broadcast_to(np.asarray(reach, np.float32), before.shape)

    def work(rows: slice) -> None:
        old = to_linear(pixels[rows])
        shown = relit_strip(old, luminance_of(old), after[rows], colour, reaches[rows])
        from_linear(shown, result[rows])
        keep_unreached(result[rows], pixels[rows], reaches[rows])

    by_strips(pixels.shape, work)
    return result


def relit_strip(
    old: np.ndarray,
    brightness: np.ndarray,
    after: np.ndarray,
    colour: LightColour | None,
    reach: np.ndarray | float,
) -> list[np.ndarray]:
    """Return the linear light of a part of a picture at another lightness, one plane (h, w) per channel.

    Args:
        old: (h, w, 3) its linear light. brightness: (h, w) the luminance of that.
        after: (h, w) the new lightness 0..1.
        colour, reach: as in `change_lightness`.
    """
    ratio = to_luminance(after)
    ratio += np.float32(BLACK)
    ratio /= brightness + np.float32(BLACK)
    planes = list(cv2.split(old))
    if colour is None:
        factors = [ratio] * 3
    else:
        tint = colour.at(ratio)
        factors = [ratio * (1 + reach * (tint[..., channel] - 1)) for channel in range(3)]
    shown = []
    for channel in range(3):
        factor = factors[channel]
        if colour is not None or channel == 0:
            kept = _kept_saturation(factor)
            grey = (1 - kept) * brightness
        light = planes[channel] * kept
        light += grey
        np.maximum(light, 0, out=light)
        light *= factor
        shown.append(light)
    return _rolled_off(shown, planes)


def keep_unreached(result: np.ndarray, pixels: np.ndarray, reach: np.ndarray) -> None:
    """Put pixels (h, w, 3) back into a result of the same type where reach (h, w) is 0."""
    if not reach.all():
        np.copyto(result, pixels, where=(reach == 0)[..., None])


def _kept_saturation(factor: np.ndarray) -> np.ndarray:
    """Return the share of its saturation that light keeps when multiplied by a factor (h, w).

    A little less where it gets brighter and more where it gets darker, half and a quarter of what Lab with a
    and b kept would do: bright skin has to fit into sRGB, and skin in shade is lit by skin. Without it shaded
    highlights look grey; with all of it shadows look orange.
    """
    power = cast(np.ndarray, cv2.log(np.maximum(factor, np.float32(0.1))))
    # Minus a sixth above 1, minus a twelfth below.
    exponent = power * np.float32(-1 / 12) - np.maximum(power, 0) * np.float32(1 / 12)
    return cast(np.ndarray, cv2.exp(exponent))


def _rolled_off(light: list[np.ndarray], before: list[np.ndarray]) -> list[np.ndarray]:
    """Return linear RGB, a plane per channel, with highlights bent below white, given what it was `before`.

    Bending all channels alike keeps hue and saturation and makes bright skin dull; bending each turns it
    yellow, as in cameras. Half of each keeps it skin.
    """
    loudest = np.maximum(np.maximum(light[0], light[1]), light[2])
    places = np.flatnonzero(loudest > KNEE)
    if not len(places):
        return light
    over = [plane.ravel()[places] for plane in light]
    were = [plane.ravel()[places] for plane in before]
    most = loudest.ravel()[places]
    alike = _shoulder(most, np.maximum(np.maximum(were[0], were[1]), were[2]))
    alike /= most
    for plane, value, was in zip(light, over, were, strict=True):
        bent = _shoulder(value, was)
        bent += value * alike
        bent *= np.float32(0.5)
        plane.ravel()[places] = bent
    return light


def _shoulder(light: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return light that leaves the straight line at the knee, or where it was before if that is brighter.

    So light that stays stays, light that falls falls as it should, and the step to what was white already is
    closed.
    """
    knee = np.maximum(before, np.float32(KNEE))
    room = np.maximum(before, np.float32(CEILING))
    room -= knee
    over = np.maximum(light - knee, 0)
    bent = room * over
    bent /= np.sqrt(room * room + over * over + np.float32(1e-12))
    bent += np.minimum(light, knee)
    return bent


def from_luminance(value: np.ndarray) -> np.ndarray:
    """Return the lightness 0..1, float32, of relative luminance 0..1, any shape."""
    # CIE 1976 with its exact constants: 903.3 = (29/3)**3, 0.008856 = (6/29)**3.
    value = np.asarray(value, np.float32)
    # A tenth of the time of numpy's cube root, and as exact as float32 needs.
    root = cast(np.ndarray, cv2.pow(value.reshape(1, -1), 1 / 3)).reshape(value.shape)
    root *= np.float32(1.16)
    root -= np.float32(0.16)
    return np.where(value > np.float32((6 / 29) ** 3), root, value * np.float32((29 / 3) ** 3 / 100))


def to_luminance(value: np.ndarray) -> np.ndarray:
    """Return the relative luminance 0..1, float32, of lightness 0..1, any shape."""
    value = np.asarray(value, np.float32)
    root = (value + np.float32(0.16)) * np.float32(1 / 1.16)
    return np.where(value > np.float32(0.08), root * root * root, value * np.float32(100 / (29 / 3) ** 3))
