"""Colour: sRGB, linear light and CIE Lab, and the colour of a lamp from its temperature.

Plain float arithmetic on NumPy arrays, so that every function can be inverted and checked.
"""

from __future__ import annotations

import numpy as np

# IEC 61966-2-1, linear sRGB -> CIE XYZ for the D65 white point.
RGB_TO_XYZ = np.array(
    [
        [0.4123907993, 0.3575843394, 0.1804807884],
        [0.2126390059, 0.7151686788, 0.0721923154],
        [0.0193308187, 0.1191947798, 0.9505321522],
    ]
)
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
LUMINANCE_WEIGHTS = RGB_TO_XYZ[1]

# XYZ of sRGB white (1, 1, 1), so that white is exactly L = 100, a = b = 0.
_WHITE = RGB_TO_XYZ.sum(axis=1)
_LAB_DELTA = 6 / 29


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """Return linear light of sRGB-encoded values, any shape, 0..1 -> 0..1.

    Values above 1 follow the same curve; negative values follow its straight part.

    Source: IEC 61966-2-1.
    """
    encoded = np.asarray(encoded, dtype=np.float32)
    curve = np.power((np.maximum(encoded, 0.04045) + 0.055) / 1.055, 2.4)
    return np.where(encoded <= 0.04045, encoded / 12.92, curve).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return sRGB-encoded values of linear light; the inverse of `srgb_to_linear`."""
    linear = np.asarray(linear, dtype=np.float32)
    curve = 1.055 * np.power(np.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, curve).astype(np.float32)


def luminance(linear: np.ndarray) -> np.ndarray:
    """Return the relative luminance Y of linear sRGB, (..., 3) -> (...)."""
    return (np.asarray(linear) @ LUMINANCE_WEIGHTS).astype(np.float32)


def rgb_to_lab(encoded: np.ndarray) -> np.ndarray:
    """Return CIE Lab of sRGB-encoded pixels, (..., 3) in 0..1 -> L 0..100, a and b about -110..110.

    The white point is that of sRGB (D65), as in OpenCV and scikit-image.
    """
    ratio = srgb_to_linear(encoded).astype(np.float64) @ RGB_TO_XYZ.T / _WHITE
    straight = ratio / (3 * _LAB_DELTA**2) + 4 / 29
    f = np.where(ratio > _LAB_DELTA**3, np.cbrt(ratio), straight)
    lab = [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])]
    return np.stack(lab, axis=-1).astype(np.float32)


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """Return sRGB-encoded pixels of CIE Lab; colours outside sRGB leave 0..1, so clip before saving."""
    lab = np.asarray(lab, dtype=np.float64)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    ratio = np.where(f > _LAB_DELTA, f**3, 3 * _LAB_DELTA**2 * (f - 4 / 29))
    return linear_to_srgb(ratio * _WHITE @ XYZ_TO_RGB.T)


def planckian_rgb(kelvin: float) -> np.ndarray:
    """Return the linear sRGB colour (3,) of a black body, scaled to luminance 1.

    Equal luminance at every temperature is what VIDIT's renderer does; red rises above 1 for warm lamps.

    Args:
        kelvin: colour temperature, 1000 to 15000 K, the range of the fit.

    Raises:
        ValueError: the temperature is outside the range of the fit.

    Source: Krystek, "An algorithm to calculate correlated colour temperature", Color Research and
    Application 10 (1985), the rational fits of u and v.
    """
    if not 1000 <= kelvin <= 15000:
        raise ValueError(f"Colour temperature {kelvin} K is outside 1000..15000 K.")
    t = float(kelvin)
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (
        1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t
    )
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (
        1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t
    )
    scale = 2 * u - 8 * v + 4
    x, y = 3 * u / scale, 2 * v / scale
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    return (XYZ_TO_RGB @ xyz).astype(np.float32)
