"""Names, shapes and ranges of what exported networks take and give: the one place that says them.

    scenes      image (1, H, W, 3) sRGB 0..1                       -> relit (1, H, W, 3) sRGB 0..1
    portraits   image (1, H, W, 1) L of CIE Lab / 100, 0..1
                light (1, 1, 1, 9) spherical harmonics, frame dpr  -> relit (1, H, W, 1) the same L
                                                                      source_light (1, 1, 1, 9)

The light has four dimensions because the GPUs of phones take pictures and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from tf_relight.contract.card import MethodInfo
from tf_relight.errors import RelightError

IMAGE, LIGHT = "image", "light"
RELIT, ESTIMATED_LIGHT = "relit", "source_light"

COEFFICIENTS = 9
SRGB, LIGHTNESS = "sRGB", "L of CIE Lab / 100"
LIGHT_LAYOUT = (
    "nine coefficients in the order 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2; frame dpr: x to the picture's "
    "right, y into the picture, z up; raw, as in DPR's light files"
)
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


def takes_light(info: MethodInfo) -> bool:
    """Whether the method's networks have the input `light`."""
    return info.light != "none"


def colour_space(info: MethodInfo) -> str:
    """Return what the channels of `image` and `relit` are."""
    return SRGB if info.channels == "rgb" else LIGHTNESS


def inputs_of(info: MethodInfo, size: int | None = None) -> tuple[TensorSpec, ...]:
    """Return the inputs of a method's network.

    Args:
        size: side of the square picture in pixels, with a batch of 1; None leaves batch and sides open.
    """
    picture = TensorSpec(IMAGE, _picture_shape(info, size), f"{colour_space(info)}, 0..1")
    if not takes_light(info):
        return (picture,)
    return picture, TensorSpec(LIGHT, _light_shape(size), LIGHT_LAYOUT)


def outputs_of(info: MethodInfo, size: int | None = None) -> tuple[TensorSpec, ...]:
    """Return the outputs of a method's network; `size` as in `inputs_of`."""
    picture = TensorSpec(RELIT, _picture_shape(info, size), f"{colour_space(info)}, 0..1")
    if not takes_light(info):
        return (picture,)
    return picture, TensorSpec(
        ESTIMATED_LIGHT, _light_shape(size), f"the picture's own light: {LIGHT_LAYOUT}"
    )


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


def _picture_shape(info: MethodInfo, size: int | None) -> tuple[int | None, ...]:
    return None if size is None else 1, size, size, 3 if info.channels == "rgb" else 1


def _light_shape(size: int | None) -> tuple[int | None, ...]:
    return None if size is None else 1, 1, 1, COEFFICIENTS
