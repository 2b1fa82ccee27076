"""Colour that a file tells by other means than an ICC profile: DCF, CICP (cICP, nclx), gAMA and cHRM.

Each becomes a `MatrixProfile`. Pictures with a high dynamic range (PQ, HLG) are brought to sRGB: white of
203 nits becomes white, what is brighter is rolled off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tf_relight.photo.colour import LUMINANCE_WEIGHTS, RGB_TO_XYZ, XYZ_TO_RGB
from tf_relight.photo.icc import Curve, MatrixProfile

Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""x and y of red, green, blue and white."""

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_REC709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_SMPTE = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_PRIMARIES: dict[int, Primaries] = {
    1: _REC709,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE,
    7: _SMPTE,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
"""Source: ITU-T H.273, table 2."""
_ADOBE_RGB: Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
UNSPECIFIED = 2
_LIKE_SRGB = (1, 2, 6, 7, 11, 12, 13, 14, 15)  # screens show these as sRGB, and so do most programs
_GAMMA = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_PQ, _HLG = 16, 18
WHITE = 203.0
"""Nits of diffuse white. Source: ITU-R BT.2408."""
_HLG_PEAK = 1000.0
_KNEE = 0.75  # linear light from which highlights are rolled off
_PEAK = 1000.0 / WHITE  # becomes white
_DAZZLING = np.float32(1e6)  # whose square is still a number


class Encoding(NamedTuple):
    """How stored values become colour.

    Attributes:
        profile: None for sRGB.
        note: a sentence without a subject, or "".
    """

    profile: MatrixProfile | None
    note: str = ""


def from_cicp(primaries: int, transfer: int) -> Encoding:
    """Return the encoding of two code points of ITU-T H.273; unknown ones count as sRGB, with a note."""
    if transfer not in (*_LIKE_SRGB, *_GAMMA, _PQ, _HLG) or primaries not in (*_PRIMARIES, UNSPECIFIED):
        return Encoding(
            None, f"its colours (CICP {primaries}/{transfer}) are of an unknown kind and were read as sRGB."
        )
    matrix = to_linear_srgb(_PRIMARIES.get(primaries, _REC709))
    if transfer in (_PQ, _HLG):
        curve, tone = (_pq, roll_off) if transfer == _PQ else (_hlg, _hlg_tone)
        kind = "PQ" if transfer == _PQ else "HLG"
        note = f"it is an HDR picture ({kind}); its highlights were compressed to fit an ordinary one."
        return Encoding(MatrixProfile((curve, curve, curve), matrix, tone), note)
    if transfer in _LIKE_SRGB:
        return _unless_srgb(_srgb, matrix)
    return _unless_srgb(_power(_GAMMA[transfer]), matrix)


def from_gamma(gamma: float | None, chromaticities: tuple[float, ...] | None) -> Encoding:
    """Return the encoding of PNG's gAMA and cHRM.

    Args:
        gamma: as stored: 1 over the exponent. 0.45455 stands for sRGB, as its writers mean it.
        chromaticities: x and y of white, red, green and blue.
    """
    if gamma is not None and not 0.1 <= gamma <= 10:
        return Encoding(None, "its gamma is out of order and was ignored.")
    matrix = np.eye(3)
    if chromaticities is not None:
        white, red, green, blue = zip(chromaticities[::2], chromaticities[1::2], strict=True)
        try:
            matrix = to_linear_srgb((red, green, blue, white))
        except ValueError:
            return Encoding(None, "its chromaticities are out of order and were ignored.")
    if gamma is None or abs(gamma - 1 / 2.2) < 0.01:
        return _unless_srgb(_srgb, matrix)
    return _unless_srgb(_power(1 / gamma), matrix)


def adobe_rgb() -> Encoding:
    """Return Adobe RGB (1998), which cameras tell by DCF's option files instead of a profile."""
    return _unless_srgb(_power(563 / 256), to_linear_srgb(_ADOBE_RGB))


def to_linear_srgb(primaries: Primaries) -> np.ndarray:
    """Return the matrix (3, 3) from linear RGB of some primaries to linear sRGB; white stays white.

    Raises:
        ValueError: the primaries span no colours.

    Source: Lindbloom, "RGB/XYZ Matrices" and "Chromatic Adaptation" (Bradford).
    """
    points = np.array(primaries, np.float64)
    if not np.isfinite(points).all() or (points[:, 1] < 1e-4).any() or np.abs(points).max() > 2:
        raise ValueError("primaries out of order")
    columns = np.stack([points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(axis=1)) / points[:, 1]])
    if abs(np.linalg.det(columns[:, :3])) < 1e-6:
        raise ValueError("primaries span no colours")
    white = columns[:, 3]
    to_xyz = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    gain = (bradford @ RGB_TO_XYZ.sum(axis=1)) / (bradford @ white)
    adapted = np.linalg.inv(bradford) @ (gain[:, None] * bradford)
    return XYZ_TO_RGB @ adapted @ to_xyz


def roll_off(linear: np.ndarray) -> np.ndarray:
    """Return linear light (..., 3) above 0 brought below 1: brightest channel first, so hue stays.

    Source: Reinhard et al., "Photographic Tone Reproduction", 2002, equation 4, above a knee.
    """
    linear = np.minimum(linear, _DAZZLING)
    brightest = np.maximum(linear.max(axis=-1, keepdims=True), 1e-9)
    above = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    end = (_PEAK - _KNEE) / (1 - _KNEE)
    rolled = _KNEE + (1 - _KNEE) * above * (1 + above / end**2) / (1 + above)
    return np.where(brightest > _KNEE, linear * (rolled / brightest), linear)


def _unless_srgb(curve: Curve, matrix: np.ndarray) -> Encoding:
    profile = MatrixProfile((curve, curve, curve), matrix)
    return Encoding(None if profile.is_srgb() else profile)


def _power(exponent: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: np.power(values, exponent)


def _srgb(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, np.power((values + 0.055) / 1.055, 2.4))


def _pq(values: np.ndarray) -> np.ndarray:
    """Source: SMPTE ST 2084, in units of diffuse white."""
    root = np.power(values, 32 / 2523)
    light = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    return np.power(light, 8192 / 1305) * (10_000 / WHITE)


def _hlg(values: np.ndarray) -> np.ndarray:
    """Light of the scene, 0..1. Source: ITU-R BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)


def _hlg_tone(linear: np.ndarray) -> np.ndarray:
    """The light of a screen of 1000 nits, rolled off. Source: ITU-R BT.2100, gamma 1.2."""
    luminance = np.maximum(linear @ LUMINANCE_WEIGHTS.astype(linear.dtype), 1e-9)[..., None]
    return roll_off(np.maximum(linear, 0) * luminance**0.2 * (_HLG_PEAK / WHITE))
