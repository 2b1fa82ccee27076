"""Colour profiles against LittleCMS."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.picture_files import ADOBE_RGB, GAMMA_22, icc_profile
from tf_relight.photo import icc

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TABLE = b"curv\0\0\0\0" + struct.pack(">I64H", 64, *(round(65535 * (i / 63) ** 1.8) for i in range(64)))
# The curve of Display P3, as phones write it.
PARAMETRIC = (
    b"para\0\0\0\0"
    + struct.pack(">HH", 3, 0)
    + struct.pack(">5i", *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
)


def by_littlecms(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(pixels), source, target, outputMode="RGB"))


@pytest.mark.parametrize("curve", [GAMMA_22, TABLE, PARAMETRIC])
def test_matrix_profiles_agree_with_littlecms(curve):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    profile = icc_profile(ADOBE_RGB, curve)
    converted = icc.to_srgb(pixels, profile)
    # LittleCMS works in integers; it and the rounding to 8 bits may differ by one step each.
    assert np.abs(converted * 255 - by_littlecms(pixels, profile)).max() < 1.6
    assert np.abs(converted * 255 - pixels).max() > 20


def test_16_bits_keep_their_precision():
    ramp = np.linspace(20_000, 20_999, 1000).astype(np.uint16)
    grey = np.repeat(ramp[None, :, None], 3, axis=2)
    converted = icc.to_srgb(grey, icc_profile(ADOBE_RGB, GAMMA_22))
    # At 8 bits the ramp would have five values.
    assert len(np.unique(np.rint(converted[..., 1] * 65535))) > 900


def test_a_table_profile_at_16_bits_keeps_fine_steps():
    grey_profile = bytearray(icc_profile(ADOBE_RGB, GAMMA_22))
    grey_profile[16:20] = b"GRAY"
    grey_profile = bytes(grey_profile).replace(b"gTRC", b"kTRC")
    ramp = np.linspace(20_000, 20_999, 1000).astype(np.uint16)[None]
    converted = icc.to_srgb(ramp, grey_profile)
    assert converted.shape == (1, 1000, 3)
    assert len(np.unique(np.rint(converted[..., 1] * 65535))) > 500


def test_srgb_is_left_alone():
    pixels = np.zeros((2, 2, 3), np.uint8)
    assert icc.to_srgb(pixels, SRGB) is None


@pytest.mark.parametrize(
    "profile",
    [
        SRGB[:200],
        b"nonsense",
        icc_profile(ADOBE_RGB, b"curv\0\0\0\0\0\0\xff\xff"),
        icc_profile(ADOBE_RGB, b"junk" + bytes(12)),
        icc_profile(ADOBE_RGB, b"para\0\0\0\0" + struct.pack(">HH4i", 1, 0, 65536, 0, 0, 0)),
        icc_profile(ADOBE_RGB, b"para\0\0\0\0" + struct.pack(">HHi", 0, 0, -65536)),
    ],
)
def test_broken_profiles_are_a_value_error(profile):
    with pytest.raises(ValueError):
        icc.to_srgb(np.zeros((2, 2, 3), np.uint8), profile)
