"""Colours of skin, hair and irises from what absorbs light in them: melanin and haemoglobin.

Colour is told as density, -ln of linear reflectance, where pigments add up. So any skin tone comes from any
skin texture: its own pigment is taken out, another amount put in, and its pores, lips and spots stay.

Sources: Tsumura et al., "Image-based skin color and texture analysis/synthesis by extracting hemoglobin and
melanin information in the skin", SIGGRAPH 2003 (the idea); directions fitted to the ten tones of the Monk
scale. Hair: d'Eon et al., "An Energy-Conserving Hair Reflectance Model", 2011, absorption of both melanins,
and Chiang et al., "A Practical and Controllable Hair and Fur Model", 2016, for the colour of many strands.
"""

from __future__ import annotations

import numpy as np

MELANIN = np.array([1.0, 1.22, 1.43], np.float32)
"""Density that one unit of melanin adds to red, green and blue."""
HAEMOGLOBIN = np.array([0.25, 1.0, 0.8], np.float32)
PALE = np.array([0.2, 0.55, 0.79], np.float32)
"""Density of skin without melanin."""
SURFACE = 0.01
"""Share of light that skin throws back before it meets pigment."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)

_EUMELANIN = np.array([0.419, 0.697, 1.37])
_PHEOMELANIN = np.array([0.187, 0.4, 1.05])
_STRANDS = 5.9
_PINV = np.linalg.pinv(np.stack([MELANIN, HAEMOGLOBIN], axis=1)).astype(np.float32)
_AMOUNTS = np.linspace(-0.3, 5, 400)


def density(linear: np.ndarray) -> np.ndarray:
    """Return -ln of linear RGB (..., 3)."""
    return -np.log(np.maximum(linear, np.float32(2e-3)))


def reflectance(found: np.ndarray) -> np.ndarray:
    """Return linear RGB (..., 3) of a density."""
    return np.clip(SURFACE + (1 - SURFACE) * np.exp(-found), 0, 1).astype(np.float32)


def lightness_of(linear: np.ndarray) -> np.ndarray:
    """Return L of Lab, 0..100, of linear RGB (..., 3)."""
    y = linear @ LUMINANCE
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, (29 / 3) ** 3 * y)


def melanin_for(tone: float) -> float:
    """Return the amount of melanin that gives skin of L of Lab `tone`."""
    tones = lightness_of(reflectance(PALE + _AMOUNTS[:, None] * MELANIN))
    return float(np.interp(-tone, -tones, _AMOUNTS))


def skin_colour(deviation: np.ndarray, melanin: float, blood: float, contrast: float = 1.0) -> np.ndarray:
    """Return linear RGB (N, 3) of skin.

    Args:
        deviation: (N, 3) density of a texture less its own typical density.
        melanin: amount in the skin. blood: haemoglobin more or less than usual.
        contrast: of the texture.

    Redness and spots show less the darker the skin is.
    """
    pigments = deviation @ _PINV.T
    shown = np.array([1.0, np.exp(-0.55 * max(melanin, 0))], np.float32) - 1
    changed = deviation + pigments[:, :1] * shown[0] * MELANIN + pigments[:, 1:] * shown[1] * HAEMOGLOBIN
    calm = np.float32(contrast * np.exp(-0.1 * max(melanin, 0)))
    return reflectance(PALE + melanin * MELANIN + blood * HAEMOGLOBIN + calm * changed)


def hair_colour(eumelanin: float, pheomelanin: float, grey: float = 0.0) -> np.ndarray:
    """Return linear RGB (3,) of hair.

    Args:
        eumelanin: 0.05 light blond, 0.3 blond, 1.3 brown, 8 black. pheomelanin: 1.3 red.
        grey: share of white strands, 0..1.
    """
    absorbed = eumelanin * _EUMELANIN + pheomelanin * _PHEOMELANIN
    colour = 0.014 + 0.9 * np.exp(-0.75 * _STRANDS * np.sqrt(absorbed))
    white = np.array([0.62, 0.61, 0.58])
    return ((1 - grey) * colour + grey * white).astype(np.float32)
