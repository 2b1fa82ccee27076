"""Samples of pictures that Pillow opened, as arrays, with 16 bits where the file has them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from tf_relight.errors import RelightError
from tf_relight.photo import containers
from tf_relight.photo.quiet import quiet_stderr


def pixels_8_bit(image: Image.Image, png: containers.PngParts | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint8 colour (H, W), (H, W, 3) or (H, W, 4) CMYK, and float32 alpha."""
    alpha = None
    if png is not None and png.colour in (0, 2) and "transparency" in image.info:
        # Pillow compares with the key as it is stored, which is wrong below 8 bits.
        colour = np.asarray(image.convert("L" if png.colour == 0 else "RGB"))
        return colour, _alpha_of_key(colour, png)
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        grey = image.mode in ("LA", "La", "L")
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))[..., None].astype(np.float32) / 255
        image = image.convert("RGB").getchannel(0) if grey else image.convert("RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    return np.asarray(image), alpha


def pixels_16_bit(
    path: Path, image: Image.Image, png: containers.PngParts | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint16 colour (H, W) or (H, W, 3), and float32 alpha, of a PNG or PPM."""
    with quiet_stderr():
        decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.shape[:2] != image.size[::-1]:
        raise RelightError(f"{path} is an unusual 16-bit {image.format}. Save it as a 16-bit PNG.")
    decoded = decoded if decoded.ndim == 3 else decoded[..., None]
    colour: Any = decoded[..., 2::-1] if decoded.shape[2] >= 3 else decoded
    is_grey = png is not None and png.colour in (0, 4) or png is None and decoded.shape[2] == 1
    # Pillow refuses files that are cut off, OpenCV fills them with grey; so both have to say the same.
    other: Any = np.asarray(image if image.mode in ("I;16", "I;16B", "I") else image.convert("RGB"))
    same = other == (colour[..., 0] if other.ndim == 2 else colour >> 8)
    if other.ndim == 3 and png is None:
        same = np.abs(other.astype(np.int16) - (colour >> 8).astype(np.int16)) <= 1  # Pillow rounds PPM
    if not np.all(same):
        raise RelightError(f"{path} is read differently by two decoders. Save it again as a 16-bit PNG.")
    alpha = None
    if png is not None and png.colour in (4, 6):
        alpha = decoded[..., 3:].astype(np.float32) / 65535
    elif png is not None:
        alpha = _alpha_of_key(colour[..., 0] if is_grey else colour, png)
    return (np.ascontiguousarray(colour[..., 0]) if is_grey else colour), alpha


def _alpha_of_key(colour: np.ndarray, png: containers.PngParts) -> np.ndarray | None:
    """Return alpha (H, W, 1) float32 of a PNG with one clear grey or colour; None if it names none."""
    key = png.chunks.get(b"tRNS", b"")
    if len(key) != {0: 2, 2: 6}.get(png.colour):
        return None
    stored = np.array(struct.unpack(f">{len(key) // 2}H", key), np.int64)
    clear = stored * int(np.iinfo(colour.dtype).max) // (2**png.bits - 1)
    differs = colour.reshape(*colour.shape[:2], -1) != clear
    return np.any(differs, axis=2, keepdims=True).astype(np.float32)
