"""ICC colour profiles to sRGB: exact and at any bit depth for matrix profiles, by LittleCMS for the rest.

Cameras and phones embed matrix profiles (Adobe RGB, Display P3, ProPhoto). Pillow's LittleCMS works with
8 bits only, so these are computed here from the curves and the matrix in the profile.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from tf_relight.photo.colour import linear_to_srgb

Curve = Callable[[np.ndarray], np.ndarray]

# Linear sRGB -> XYZ adapted to D50, the connection space of ICC (ICC.1:2022, the sRGB profile's colorants).
_SRGB_TO_D50 = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_PARAMETERS = (1, 3, 4, 5, 7)  # how many numbers each parametric curve type has
_STRIP = 1 << 20  # pixels converted at a time, to keep the temporary arrays small


@dataclass(frozen=True)
class MatrixProfile:
    """An RGB profile made of one curve per channel and a matrix into linear sRGB.

    Attributes:
        curves: stored values 0..1 to linear light.
        matrix: (3, 3), linear light to linear sRGB.
        tone: brings linear sRGB that goes above 1, (..., 3), into 0..1; None cuts it off.
    """

    curves: tuple[Curve, Curve, Curve]
    matrix: np.ndarray
    tone: Curve | None = None

    def is_srgb(self) -> bool:
        """Tell whether the profile is sRGB itself, up to one and a half 8-bit steps."""
        steps = np.linspace(0, 1, 9)
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        linear = np.stack([curve(grid[..., i]) for i, curve in enumerate(self.curves)], axis=-1)
        return bool(np.abs(self._encoded(linear) - grid).max() < 1.5 / 255)

    def convert(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 sRGB 0..1 of pixels (H, W, 3); colours outside sRGB are clipped.

        Args:
            pixels: uint8, uint16, or floating point 0..1.

        Raises:
            ValueError: a curve gives what is not a number.
        """
        if pixels.dtype.kind == "f":
            tables = None
        else:
            steps = np.linspace(0, 1, int(np.iinfo(pixels.dtype).max) + 1)
            with np.errstate(all="ignore"):
                tables = [curve(steps).astype(np.float32) for curve in self.curves]
            if not np.isfinite(tables).all():
                raise ValueError("ICC profile with a curve out of order")
        result = np.empty(pixels.shape, np.float32)
        rows = max(1, _STRIP // pixels.shape[1])
        for top in range(0, len(pixels), rows):
            strip = pixels[top : top + rows]
            if tables is None:
                channels = [curve(np.clip(strip[..., i], 0, 1)) for i, curve in enumerate(self.curves)]
            else:
                channels = [table[strip[..., i]] for i, table in enumerate(tables)]
            result[top : top + rows] = self._encoded(np.stack(channels, axis=-1).astype(np.float32))
        return result

    def _encoded(self, linear: np.ndarray) -> np.ndarray:
        linear = linear @ self.matrix.T.astype(linear.dtype)
        if self.tone is not None:
            linear = self.tone(linear)
        return linear_to_srgb(np.clip(linear, 0, 1))


def parse_matrix_profile(profile: bytes) -> MatrixProfile | None:
    """Return the profile's curves and matrix, or None when it is of another kind (CMYK, grey, table-based).

    Raises:
        ValueError: the profile is cut off or holds values out of order.

    Source: ICC.1:2022, sections 7 and 10.6, 10.18.
    """
    try:
        space, connection = profile[16:20], profile[20:24]
        (count,) = struct.unpack_from(">I", profile, 128)
        if count > 200:
            raise ValueError("ICC profile with an absurd number of tags")
        tags = {}
        for index in range(count):
            name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
            tags[name] = profile[offset : offset + size]
        needed = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
        if space != b"RGB " or connection != b"XYZ " or b"A2B0" in tags or any(n not in tags for n in needed):
            return None
        columns = [np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536 for name in needed[:3]]
        red, green, blue = (_parse_curve(tags[name]) for name in needed[3:])
    except (struct.error, ZeroDivisionError) as error:
        raise ValueError("ICC profile is cut off or holds values out of order") from error
    with np.errstate(all="ignore"):
        ends = [curve(np.linspace(0, 1, 17)) for curve in (red, green, blue)]
    if not np.isfinite(ends).all() or np.max(np.abs(ends)) > 2:
        raise ValueError("ICC profile with a curve out of order")
    matrix = np.linalg.inv(_SRGB_TO_D50) @ np.stack(columns, axis=-1)
    return MatrixProfile((red, green, blue), matrix)


def _parse_curve(tag: bytes) -> Curve:
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda x: x
        values = struct.unpack_from(f">{count}H", tag, 12)
        if count == 1:
            return lambda x: np.power(x, values[0] / 256)
        table = np.array(values) / 65535
        return lambda x: np.interp(x, np.linspace(0, 1, len(table)), table)
    if tag[:4] != b"para":
        raise ValueError("ICC curve of an unknown kind")
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind >= len(_PARAMETERS):
        raise ValueError("ICC parametric curve of an unknown type")
    numbers = [n / 65536 for n in struct.unpack_from(f">{_PARAMETERS[kind]}i", tag, 12)]
    gamma, a, b, c, d, e, f = numbers + [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(numbers) :]
    if kind in (1, 2):
        # Types 1 and 2 switch at -b/a and are flat below it, at 0 and at c.
        d, e, f, c = -b / a, c, c, 0.0
    if len(numbers) == 1:
        a, d = 1.0, -1.0

    def curve(x: np.ndarray) -> np.ndarray:
        return np.where(x >= d, np.power(np.maximum(a * x + b, 0), gamma) + e, c * x + f)

    return curve


def to_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray | None:
    """Return float32 sRGB (H, W, 3) 0..1 of pixels in the colour space of an ICC profile.

    Args:
        pixels: uint8, uint16, or floating point 0..1; (H, W, 3) RGB, (H, W, 4) CMYK (uint8 only) or (H, W)
            grey.
        profile: the bytes of the embedded profile.

    Returns:
        the converted picture, or None when the profile is sRGB already and nothing is to be done.

    Raises:
        ValueError: the profile is broken or does not fit the pixels.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        matrix_profile = parse_matrix_profile(profile)
        if matrix_profile is not None:
            return None if matrix_profile.is_srgb() else matrix_profile.convert(pixels)
    if pixels.dtype.kind == "f":
        pixels = np.rint(np.clip(pixels, 0, 1) * 65535).astype(np.uint16)
    if pixels.dtype == np.uint8:
        return _convert_8_bit(pixels, profile).astype(np.float32) / 255
    # The table is looked up at 8 bits; what is below one 8-bit step is added back unchanged.
    coarse = np.rint(pixels / 257).astype(np.uint8)
    fine = pixels / np.float32(65535) - coarse / np.float32(255)
    converted = _convert_8_bit(coarse, profile).astype(np.float32) / 255
    return np.clip(converted + (fine if fine.ndim == 3 else fine[..., None]), 0, 1).astype(np.float32)


def _convert_8_bit(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    mode = "L" if pixels.ndim == 2 else {3: "RGB", 4: "CMYK"}[pixels.shape[2]]
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes()),
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"ICC profile cannot be used: {error}") from error
    return np.asarray(converted)
