"""Second-order real spherical harmonics: shading, projection, rotation, frames, image operations.

Nine coefficients describe a light. The canonical frame "dpr" is that of DPR's files: x right, y into the
picture, z up, in the order 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2. Coefficients are those of the radiance;
the Lambertian attenuation (pi, 2 pi / 3, pi / 4) is in the basis. Arrays are (9,) for grey light and (9, C).

Every linear map here is found from its meaning, "the same shading at every normal", on fixed directions; so
one rule serves rotations, frames and flips, and no table of signs has to be trusted.

Source: Ramamoorthi and Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001; order
and axes are those of Zhou et al., "Deep Single-Image Portrait Relighting", 2019 (DPR), utils_SH.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np

Frame = Literal["dpr", "sfsnet", "image"]
ImageOperation = Literal["hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "invert"]

BAND = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])
"""Band (order) of each coefficient; the same in every frame."""
ATTENUATION = np.array([np.pi, 2 * np.pi / 3, np.pi / 4])[BAND]
"""What a Lambertian surface leaves of each coefficient."""

_ONE, _LINEAR = np.sqrt(1 / (4 * np.pi)), np.sqrt(3 / (4 * np.pi))
_MIXED, _ZONAL, _DIFFERENCE = np.sqrt(15 / (4 * np.pi)), np.sqrt(5 / (16 * np.pi)), np.sqrt(15 / (16 * np.pi))
SCALE = {"1": _ONE, "x": _LINEAR, "y": _LINEAR, "z": _LINEAR}
SCALE |= {"xy": _MIXED, "yz": _MIXED, "xz": _MIXED, "zz": _ZONAL, "xx-yy": _DIFFERENCE}
"""What makes the integral of each harmonic's square over the sphere 1."""

_SFSNET_ORDER = ("1", "z", "x", "y", "zz", "xz", "yz", "xx-yy", "xy")
ORDER: dict[str, tuple[str, ...]] = {
    "dpr": ("1", "y", "z", "x", "xy", "yz", "zz", "xz", "xx-yy"),
    "sfsnet": _SFSNET_ORDER,
    "image": _SFSNET_ORDER,
}
"""The harmonics of each frame, by the polynomial that each is."""
AXES: dict[str, np.ndarray] = {
    "dpr": np.eye(3),
    "sfsnet": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),  # x down, y right, z toward the camera
    "image": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),  # x right, y up, z toward the camera
}
"""Rows: the frame's x, y and z axis in frame "dpr"."""
FRAMES = tuple(AXES)
"""Known frames: "dpr"; "sfsnet" (x down, y right, z toward the camera; order of SfSNet's files); "image" (x
right, y up, z toward the camera; the same order)."""

# In frame "dpr": what becomes of (right, into the picture, up) when the picture is changed.
_IMAGE_MATRICES = {
    "hflip": np.diag([-1.0, 1, 1]),
    "vflip": np.diag([1.0, 1, -1]),
    "rot90": np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]),
    "rot180": np.diag([-1.0, 1, -1]),
    "rot270": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "transpose": np.array([[0.0, 0, -1], [0, 1, 0], [-1, 0, 0]]),
}
IMAGE_OPERATIONS = (*_IMAGE_MATRICES, "invert")
"""Operations on a picture whose effect on its light is known; rot90 turns counter-clockwise."""


def basis(normals: np.ndarray, attenuated: bool = True, frame: Frame = "dpr") -> np.ndarray:
    """Return the nine harmonics at unit normals.

    Args:
        normals: (..., 3) in the axes of `frame`.
        attenuated: with the Lambertian factors (for shading) or without (for radiance).

    Returns:
        (..., 9) float64, orthonormal over the sphere when not attenuated.

    Source: DPR, utils_SH; methods of SfSNet's Shading_Layer agree up to order and axes.
    """
    x, y, z = np.moveaxis(np.asarray(normals, dtype=np.float64), -1, 0)
    values = _polynomials(x, y, z)
    values["1"] = np.ones_like(x)
    stacked = np.stack([SCALE[name] * values[name] for name in ORDER[frame]], axis=-1)
    return stacked * ATTENUATION if attenuated else stacked


def shading(normals: np.ndarray, light: np.ndarray, frame: Frame = "dpr") -> np.ndarray:
    """Return the light that Lambertian surfaces receive: `basis(normals) @ light`.

    Args:
        normals: (..., 3) unit vectors.
        light: (9,) or (9, C).

    Returns:
        (...,) or (..., C) float64; negative values are possible, see `smallest_shading`.
    """
    return basis(normals, frame=frame) @ np.asarray(light, dtype=np.float64)


def project_environment(radiance: np.ndarray, longitudes: np.ndarray | None = None) -> np.ndarray:
    """Return the light of an equirectangular map.

    Args:
        radiance: (H, W, C) linear; the top row looks up (+z).
        longitudes: (W,) radians of the columns' centres, from +x (right) toward +y (into the picture). None
            is a panorama as seen from its middle: the centre column lies behind the subject (+y), the columns
            right of it to the right.

    Returns:
        (9, C) float64, frame "dpr". Row weights are exact solid angles, values are those of pixel centres.

    Raises:
        ValueError: another shape.
    """
    if radiance.ndim != 3 or longitudes is not None and longitudes.shape != radiance.shape[1:2]:
        raise ValueError(f"an environment map must be (H, W, C), not {radiance.shape}")
    height, width = radiance.shape[:2]
    if longitudes is None:
        longitudes = np.pi / 2 - 2 * np.pi * ((np.arange(width) + 0.5) / width - 0.5)
    edges = np.cos(np.linspace(0, np.pi, height + 1))
    solid_angles = (edges[:-1] - edges[1:]) * (2 * np.pi / width)
    polar = (np.arange(height) + 0.5) * (np.pi / height)
    total = np.zeros((9, radiance.shape[2]))
    for row in range(height):
        ring = np.sin(polar[row]) * np.stack([np.cos(longitudes), np.sin(longitudes)], axis=-1)
        normals = np.concatenate([ring, np.full((width, 1), np.cos(polar[row]))], axis=-1)
        total += solid_angles[row] * (basis(normals, attenuated=False).T @ radiance[row].astype(np.float64))
    return total


def rotation_matrix(rotation: np.ndarray) -> np.ndarray:
    """Return the (9, 9) matrix that turns coefficients of frame "dpr" as `rotation` turns directions.

    Args:
        rotation: (3, 3) orthogonal; a reflection is allowed. Light from d becomes light from rotation @ d.

    Raises:
        ValueError: the matrix is not orthogonal.
    """
    rotation = np.asarray(rotation, dtype=np.float64)
    if rotation.shape != (3, 3) or not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9):
        raise ValueError("a rotation must be an orthogonal 3 x 3 matrix")
    normals, inverse = _probe()
    return _block_diagonal(inverse @ basis(normals @ rotation, attenuated=False))


def rotate(light: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return a light (9,) or (9, C) of frame "dpr" turned by a 3 x 3 rotation, as `rotation_matrix`."""
    return rotation_matrix(rotation) @ np.asarray(light, dtype=np.float64)


@functools.cache
def frame_matrix(source: Frame, target: Frame) -> np.ndarray:
    """Return the (9, 9) matrix that turns coefficients of frame `source` into those of `target`.

    Raises:
        ValueError: an unknown frame.
    """
    for frame in (source, target):
        if frame not in AXES:
            raise ValueError(f"unknown frame '{frame}': use one of {', '.join(FRAMES)}")
    if source == target:
        return np.eye(9)
    normals, _ = _probe()
    theirs = basis(normals @ AXES[source].T, attenuated=False, frame=source)
    ours = basis(normals @ AXES[target].T, attenuated=False, frame=target)
    return _block_diagonal(np.linalg.pinv(ours) @ theirs)


def convert(light: np.ndarray, source: Frame, target: Frame) -> np.ndarray:
    """Return the coefficients of the same light in another frame; light is (9,) or (9, C)."""
    return frame_matrix(source, target) @ np.asarray(light, dtype=np.float64)


@functools.cache
def image_map(operation: ImageOperation, frame: Frame = "dpr") -> np.ndarray:
    """Return the (9, 9) matrix T: a picture under light L, changed by `operation`, is lit by T @ L.

    "invert" stands for 1 - picture: the ambient coefficient stays, all others change sign.

    Raises:
        ValueError: an unknown operation.

    Source: the Siamese auto-encoder (WACV 2021) uses these maps; derived here from the meaning.
    """
    if operation == "invert":
        return np.diag(np.where(BAND == 0, 1.0, -1.0))
    if operation not in _IMAGE_MATRICES:
        raise ValueError(f"unknown operation '{operation}': use one of {', '.join(IMAGE_OPERATIONS)}")
    turned = rotation_matrix(_IMAGE_MATRICES[operation])
    return frame_matrix("dpr", frame) @ turned @ frame_matrix(frame, "dpr")


def moment_matrix(light: np.ndarray) -> np.ndarray:
    """Return the symmetric 4 x 4 matrix of a grey light (9,): its products with 1, y, z, x.

    It has no negative eigenvalue exactly when some light that is nowhere negative has these coefficients.

    Source: Shirdhonkar and Jacobs, "Non-Negative Lighting and Specular Object Recognition", 2005. Differs:
    DPR's released matrices lack several entries; these are complete.
    """
    return np.tensordot(np.asarray(light, dtype=np.float64), MOMENTS, axes=1)


def is_nonnegative(light: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Whether every channel of a light (9,) or (9, C) can come from a light that is nowhere negative."""
    channels = np.asarray(light, dtype=np.float64).reshape(9, -1).T
    return all(
        np.linalg.eigvalsh(moment_matrix(channel))[0] >= -tolerance * abs(channel[0]) for channel in channels
    )


def project_nonnegative(light: np.ndarray, iterations: int = 200) -> np.ndarray:
    """Return the nearest light that is nowhere negative, in the sense of `is_nonnegative`.

    Nearest is measured between moment matrices. Light is (9,) or (9, C), frame "dpr".
    """
    light = np.asarray(light, dtype=np.float64)
    columns = [_project_channel(channel, iterations) for channel in light.reshape(9, -1).T]
    return np.stack(columns, axis=-1).reshape(light.shape)


def smallest_shading(light: np.ndarray) -> float:
    """Return the smallest shading of any unit normal under a grey light (9,), frame "dpr"; exact.

    It is the minimum of a quadratic on the sphere, found from its secular equation.
    """
    constant, linear, quadratic = _quadratic(np.asarray(light, dtype=np.float64))
    values, vectors = np.linalg.eigh(quadratic)
    slope = vectors.T @ linear / 2
    size = float(np.linalg.norm(slope))
    # n = -(Q + m)^-1 slope has length 1 for one m between these bounds.
    low, high = -values[0], -values[0] + size + 1e-12
    for _ in range(200):
        middle = (low + high) / 2
        gaps = np.maximum(values + middle, 1e-140)
        if np.linalg.norm(slope / gaps) > 1:
            low = middle
        else:
            high = middle
    normal = -slope / np.maximum(values + high, 1e-140)
    # Where the slope has almost no part along the lowest axis, rounding decides how much of it is here; the
    # normal goes along that axis until it meets the sphere.
    others = float(normal[1:] @ normal[1:])
    if others < 1:
        normal[0] = np.copysign(np.sqrt(1 - others), normal[0])
    else:
        normal /= np.linalg.norm(normal)
    return float(constant + 2 * slope @ normal + values @ normal**2)


def window(light: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Return the light with its higher bands damped just enough that no shading falls below a margin.

    Args:
        light: (9,) or (9, C), frame "dpr"; all channels are damped alike.
        margin: smallest shading allowed, as a share of the ambient shading; 0..1.

    Raises:
        ValueError: the ambient coefficient of a channel is not positive.

    Source: Sloan, "Stupid Spherical Harmonics Tricks", 2008: windowing against ringing.
    """
    light = np.asarray(light, dtype=np.float64)
    channels = light.reshape(9, -1)
    if (channels[0] <= 0).any():
        raise ValueError("a light needs a positive ambient coefficient")

    def damped(strength: float) -> np.ndarray:
        order = BAND[:, None]
        return channels / (1 + strength * order**2 * (order + 1.0) ** 2)

    def fits(candidate: np.ndarray) -> bool:
        ambient = ATTENUATION[0] * _ONE
        return all(smallest_shading(c) >= margin * c[0] * ambient - 1e-12 for c in candidate.T)

    if fits(channels):
        return light.copy()
    low, high = 0.0, 1e-3
    while not fits(damped(high)):
        low, high = high, high * 4
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(damped(middle)) else (middle, high)
    return damped(high).reshape(light.shape)


def lifted(light: np.ndarray) -> np.ndarray:
    """Return the light with just so much even light of its own colour added that no shading is negative.

    Unlike `window` it leaves the pattern of light and shade on a surface as it is, up to contrast.

    Args:
        light: (9,) or (9, C), frame "dpr".

    Raises:
        ValueError: the ambient coefficient of a channel is not positive.
    """
    channels = np.array(light, dtype=np.float64).reshape(np.shape(light)[0], -1)
    if (channels[0] <= 0).any():
        raise ValueError("a light needs a positive ambient coefficient")
    ambient = ATTENUATION[0] * _ONE * channels[0]
    least = np.array([smallest_shading(channel) for channel in channels.T])
    channels[0] *= 1 + max(0.0, float((-least / ambient).max()))
    return channels.reshape(np.shape(light))


def _polynomials(x: Any, y: Any, z: Any) -> dict[str, Any]:
    products = {"xy": x * y, "yz": y * z, "xz": x * z, "zz": 3 * z * z - 1, "xx-yy": x * x - y * y}
    return {"x": x, "y": y, "z": z, **products}


@functools.cache
def _probe() -> tuple[np.ndarray, np.ndarray]:
    """Return directions spread over the sphere and the pseudo-inverse of their harmonics."""
    number = np.arange(64) + 0.5
    z, turn = 1 - number / 32, number * np.pi * (1 + np.sqrt(5))
    ring = np.sqrt(1 - z**2)
    normals = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1)
    return normals, np.linalg.pinv(basis(normals, attenuated=False))


def _block_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Bands never mix and true zeros are exact: remove the rounding of the fit."""
    kept = np.where(BAND[:, None] == BAND[None, :], matrix, 0.0)
    return np.where(np.abs(kept) < 1e-12, 0.0, kept)


def _moments() -> np.ndarray:
    """Return (9, 4, 4): products of two of the first four harmonics, expanded into nine."""
    normals, inverse = _probe()
    values = basis(normals, attenuated=False)
    products = values[:, :4, None] * values[:, None, :4]
    matrices = np.tensordot(inverse, products, axes=1)
    return np.where(np.abs(matrices) < 1e-12, 0.0, matrices)


MOMENTS = _moments()
"""(9, 4, 4): `moment_matrix(light)` is their sum weighted by the light."""
_MOMENT_NORMS = np.sum(MOMENTS**2, axis=(1, 2))


def _project_channel(light: np.ndarray, iterations: int) -> np.ndarray:
    """Dykstra's projections between matrices without negative eigenvalues and those that are lights."""
    matrix, correction = moment_matrix(light), np.zeros((4, 4))
    for _ in range(iterations):
        values, vectors = np.linalg.eigh(matrix + correction)
        positive = (vectors * np.maximum(values, 0)) @ vectors.T
        correction = matrix + correction - positive
        light = np.tensordot(MOMENTS, positive, axes=2) / _MOMENT_NORMS
        matrix = moment_matrix(light)
    # What rounding leaves below zero is lifted with even light, whose matrix is a multiple of the identity.
    lift = max(0.0, -float(np.linalg.eigvalsh(matrix)[0]))
    return light + np.eye(9)[0] * (lift / _ONE)


def _quadratic(light: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return c, b and Q of the shading c + b @ n + n @ Q @ n for unit n = (x, y, z)."""
    one, y, z, x, xy, yz, zz, xz, difference = light * ATTENUATION * [SCALE[n] for n in ORDER["dpr"]]
    matrix = np.array(
        [
            [difference, xy / 2, xz / 2],
            [xy / 2, -difference, yz / 2],
            [xz / 2, yz / 2, 3 * zz],
        ]
    )
    return float(one - zz), np.array([x, y, z]), matrix
