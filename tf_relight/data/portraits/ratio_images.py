"""Relighting a real portrait by the ratio of two shadings: how the DPR dataset was made.

Under one light a matt face is albedo times shading, so a photo times new shading over old shading is the face
under the new light. What it takes is a normal for every pixel and the light of the photo; shadows and gloss
of the photo stay in the picture.

Source: Zhou et al., "Deep Single-Image Portrait Relighting", ICCV 2019, section 3, and its released data
preparation, step 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from tf_relight.data.portraits.source_light import fit_source_light, of_one_colour
from tf_relight.errors import RelightError
from tf_relight.light.directions import rotation_about
from tf_relight.light.files import HDR_SUFFIXES
from tf_relight.light.light import Light
from tf_relight.light.spherical_harmonics import rotate, shading
from tf_relight.photo.reading import read_picture
from tf_relight.rendering.heads.lights import FIRST_COEFFICIENT, sample_light

DENOISING = {"h": 5, "hColor": 3, "templateWindowSize": 3, "searchWindowSize": 21}
"""Of `cv2.fastNlMeansDenoisingColored`: a ratio above 1 would make noise visible."""
LIGHT_SUFFIXES = (".txt", *HDR_SUFFIXES)
_LEAST_RATIO = 1e-6  # keeps the ratio finite, and lightness off 0 and 1, as the official code does
_FACING = 0.9  # share of pixels with z <= 0 below which a normal map is coded in another way
_FLAT = 0.1  # z of a normal that may be rounding or the slightly averted rim of a filled map


@dataclass(frozen=True, eq=False)
class RatioPortrait:
    """A portrait that can be relit.

    Attributes:
        lab: (H, W, 3) uint8, the denoised photo in OpenCV's 8-bit Lab.
        normals: (H, W, 3) unit vectors, frame "dpr" of `spherical_harmonics`.
        light: (9,) of the photo, frame "dpr".
    """

    lab: np.ndarray
    normals: np.ndarray
    light: np.ndarray

    @cached_property
    def _shading(self) -> np.ndarray:
        return positive_shading(shading(self.normals, self.light))

    def relight(self, light: np.ndarray) -> np.ndarray:
        """Return the portrait under a light (9,), frame "dpr": (H, W, 3) uint8 sRGB. a and b of Lab stay.

        Raises:
            RelightError: the light of the photo leaves every pixel black.
        """
        ratio = shading(self.normals, light) / (self._shading + _LEAST_RATIO)
        lightness = np.clip(self.lab[..., 0] / 255.0 * ratio, _LEAST_RATIO, 1 - _LEAST_RATIO)
        # Truncated like the official pictures; rounding would cost 3 to 5 dB against them.
        relit = np.dstack([(lightness * 255).astype(np.uint8), self.lab[..., 1:]])
        return cv2.cvtColor(relit, cv2.COLOR_LAB2RGB)


def prepare(
    photo: np.ndarray,
    normals: np.ndarray,
    *,
    skin: np.ndarray | None = None,
    source_light: np.ndarray | None = None,
    seed: int = 0,
) -> RatioPortrait:
    """Return a portrait ready to be relit.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        normals: (H, W, 3) in the projection frame (x right, y down, z into the picture), for every pixel.
        skin: (H, W) bool, from which the light of the photo is fitted.
        source_light: (9,) the light of the photo where it is known, frame "dpr"; then no skin is needed.
        seed: of the pixels the fit looks at.

    Raises:
        RelightError: sizes that differ, normals that are missing or coded in another way, or skin that does
            not tell the light.
    """
    for name, array in (("normal map", normals), ("mask", skin)):
        if array is not None and array.shape[:2] != photo.shape[:2]:
            raise RelightError(
                f"The {name} is {array.shape[1]} x {array.shape[0]} pixels, the portrait {photo.shape[1]} x "
                f"{photo.shape[0]}: they must lie on each other."
            )
    directions = to_dpr_frame(normals)
    lab = cv2.cvtColor(denoise(photo), cv2.COLOR_RGB2LAB)
    if source_light is None:
        if skin is None:
            raise RelightError("Give a mask of the skin or the light of the portrait.")
        kept = of_one_colour(lab, skin)
        source_light = fit_source_light(lab[..., 0] / 255.0, directions, skin, kept=kept, seed=seed)
    return RatioPortrait(lab, directions, source_light)


def denoise(photo: np.ndarray) -> np.ndarray:
    """Return a photo (H, W, 3) uint8 sRGB without its noise, by the official settings."""
    bgr = np.ascontiguousarray(photo[..., ::-1])
    return cv2.fastNlMeansDenoisingColored(bgr, None, **DENOISING)[..., ::-1]


def positive_shading(values: np.ndarray) -> np.ndarray:
    """Return shading with what is not above zero replaced by its smallest positive value.

    Raises:
        RelightError: nothing is above zero.
    """
    positive = values > 0
    if not positive.any():
        raise RelightError("The light of the portrait leaves every pixel black: it does not fit the normals.")
    return np.where(positive, values, values[positive].min())


def read_normals(path: Path) -> np.ndarray:
    """Return a normal map (H, W, 3) float64 in the projection frame, not normalised.

    The file is coded as DPR's: blue is x to the right, green y down, red z into the picture, each
    value = (component + 1) / 2; a face is blue-green with little red. 8 or 16 bits.

    Raises:
        RelightError: the file cannot be read.
    """
    return read_picture(path).pixels[..., ::-1].astype(np.float64) * 2 - 1


def has_holes(normals: np.ndarray) -> bool:
    """Whether a normal map leaves pixels without a surface (black, or grey of length 0)."""
    return bool((np.abs(np.linalg.norm(normals, axis=2) - 1) >= 0.5).any())


def to_dpr_frame(normals: np.ndarray) -> np.ndarray:
    """Return unit normals of frame "dpr" (x right, y into the picture, z up) from the projection frame.

    Raises:
        RelightError: pixels without a surface, or a map that is coded in another way.
    """
    if has_holes(normals):
        raise RelightError("The normal map has holes; `normal_refinement.refine_normals` fills them.")
    unit = normals / np.linalg.norm(normals, axis=2, keepdims=True)
    if np.mean(unit[..., 2] <= _FLAT) < _FACING:
        raise RelightError(
            "The normal map faces away from the camera. It must be coded as DPR's: blue x to the right, "
            "green y down, red z into the picture, so that a face has little red."
        )
    return np.stack([unit[..., 0], unit[..., 2], -unit[..., 1]], axis=-1)


def read_lights(folder: Path) -> np.ndarray:
    """Return the lights in a folder, (N, 9) luminance coefficients, frame "dpr", in the order of their names.

    Taken are light files (.txt, see `Light.from_file`) and environment maps (.hdr, .exr).

    Raises:
        RelightError: no such folder, none in it, a broken file, or a light that is dark.
    """
    if not folder.is_dir():
        raise RelightError(f"There is no folder {folder} of lights.")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in LIGHT_SUFFIXES]
    paths = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    if not paths:
        raise RelightError(f"The folder {folder} holds no lights ({', '.join(LIGHT_SUFFIXES)}).")
    lights = []
    for path in paths:
        read = Light.from_file if path.suffix.lower() == ".txt" else Light.from_hdr
        lights.append(read(path).grey("lightness"))
        if lights[-1][0] <= 0:
            raise RelightError(f"{path} is a dark light: its first coefficient is not above 0.")
    return np.stack(lights)


def random_lights(rng: np.random.Generator, count: int, lights: np.ndarray | None = None) -> np.ndarray:
    """Draw lights as DPR did: taken from a collection, turned about the vertical, brought to a brightness.

    Args:
        rng: where the numbers come from.
        count: how many.
        lights: (N, 9) the collection, frame "dpr"; None draws lamps, see `lights.sample_light`.

    Returns:
        (count, 9) float64 with the first coefficient in 0.7..0.9.

    Source: DPR's data preparation, step 7. Differs: its collection, made from the bip2017 face lights, is
    not part of this package.
    """
    if lights is None:
        return np.stack([sample_light(rng).astype(np.float64) for _ in range(count)])
    drawn = []
    for index in rng.choice(len(lights), count, replace=count > len(lights)):
        about_vertical = rotation_about(np.array([0.0, 0.0, 1.0]), rng.uniform(0, 2 * np.pi))
        light = rotate(lights[index], about_vertical)
        drawn.append(light * (rng.uniform(*FIRST_COEFFICIENT) / light[0]))
    return np.stack(drawn)
