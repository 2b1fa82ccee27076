"""Names, shapes and ranges of what exported networks take and give: the one place that says them.

    scenes      image (1, H, W, 3) sRGB 0..1                       -> relit (1, H, W, 3) sRGB 0..1
    portraits   image (1, H, W, 1) L of CIE Lab / 100, 0..1
                light (1, 1, 1, 9) spherical harmonics, frame dpr  -> relit (1, H, W, 1) the same L
                                                                      source_light (1, 1, 1, 9)

They follow from the ports of a method's card. The light has four dimensions because the GPUs of phones take
pictures and nothing else; in colour it is (1, 1, 1, 27), nine for red, then green, then blue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_relight.contract.card import COEFFICIENTS, MethodInfo, Port
from tf_relight.errors import RelightError
from tf_relight.light.lamps import light_as

IMAGE, LIGHT = "image", "light"
RELIT, ESTIMATED_LIGHT = "relit", "source_light"

SRGB, LIGHTNESS = "sRGB", "L of CIE Lab / 100"
_GREY_LAYOUT = (
    "nine coefficients in the order 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2; frame dpr: x to the picture's "
    "right, y into the picture, z up; raw, as in DPR's light files"
)
_COLOUR_LAYOUT = f"three times {_GREY_LAYOUT}: red, green, blue"
_MEANING = {
    "srgb": SRGB,
    "lightness": LIGHTNESS,
    "normal": "unit normals: x right, y up, z toward the camera",
    "albedo": "albedo",
    "shading": "shading",
    "mask": "mask",
    "features": "features",
}
_RANGE = {kind: {"normal": ", -1..1", "features": ""}.get(kind, ", 0..1") for kind in _MEANING}
LARGEST_SIZE = 4096
"""Pixels per side; above it no phone has the memory."""
_PREFIX = "relight_"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        shape: None stands for any size.
        meaning: what the numbers are, and their range.
    """

    name: str
    shape: tuple[int | None, ...]
    meaning: str
    dtype: str = "float32"


def inputs_of(info: MethodInfo, size: int | None = None) -> tuple[TensorSpec, ...]:
    """Return the inputs of a method's network.

    Args:
        size: side of the square picture in pixels, with a batch of 1; None leaves batch and sides open.
    """
    return tuple(_spec(port, size) for port in info.inputs)


def outputs_of(info: MethodInfo, size: int | None = None) -> tuple[TensorSpec, ...]:
    """Return the outputs of a method's network; `size` as in `inputs_of`."""
    return tuple(_spec(port, size) for port in info.outputs)


def colour_space(info: MethodInfo) -> str:
    """Return what the channels of the picture are."""
    return _MEANING[info.picture.kind]


def signature_name(size: int) -> str:
    """Return the name of the signature for square pictures of `size` pixels, such as "relight_256"."""
    return f"{_PREFIX}{size}"


def size_of(signature: str) -> int:
    """Return the size that `signature_name` put into a name.

    Raises:
        RelightError: the name is of another kind.
    """
    digits = signature.removeprefix(_PREFIX)
    if digits == signature or not digits.isdecimal():
        raise RelightError(f"'{signature}' is not a signature of an exported network, such as relight_256.")
    return int(digits)


def check_sizes(method: str, info: MethodInfo, sizes: tuple[int, ...]) -> None:
    """Raise RelightError unless a network of `method` can be written for pictures of all `sizes`."""
    if not sizes:
        raise RelightError("No sizes are given. Give at least one, such as 256.")
    step = info.size_multiple
    for size in sizes:
        if size % step or not step <= size <= LARGEST_SIZE:
            below = min(max(size // step * step, step), LARGEST_SIZE)
            near = below if not 0 < size < LARGEST_SIZE else f"{below} or {below + step}"
            raise RelightError(
                f"{method} cannot be written for {size} pixels: its sizes are multiples of {step} up to "
                f"{LARGEST_SIZE}. Give {near}."
            )
    twice = next((size for size in sizes if sizes.count(size) > 1), None)
    if twice is not None:
        raise RelightError(f"Size {twice} is given twice. Give it once.")


def light_layout(port: Port) -> str:
    """Return what the numbers of a light are, for the readers of manifests."""
    return _GREY_LAYOUT if port.channels == 1 else _COLOUR_LAYOUT


def light_tensor(port: Port, light: np.ndarray) -> np.ndarray:
    """Return a light (9,), (9, 1) or (9, 3) as files take it, (1, 1, 1, 9 C) float32: colour by colour."""
    laid_out = light_as(np.asarray(light, np.float32), port.channels).T
    return np.ascontiguousarray(laid_out, np.float32).reshape(1, 1, 1, -1)


def _spec(port: Port, size: int | None) -> TensorSpec:
    batch = None if size is None else 1
    if port.kind == "light":
        own = "the picture's own light: " if port.name == ESTIMATED_LIGHT else ""
        shape = (batch, 1, 1, COEFFICIENTS * port.channels)
        return TensorSpec(port.name, shape, f"{own}{light_layout(port)}")
    return TensorSpec(
        port.name, (batch, size, size, port.channels), f"{_MEANING[port.kind]}{_RANGE[port.kind]}"
    )
