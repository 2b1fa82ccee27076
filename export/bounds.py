"""How good an exported file has to be, as data: the only place of these numbers.

PSNR is that of the float network's own output against the file's, both 0..1, the worst picture of all. A
network that was trained with 8-bit rounding has to be as near to the float network that it followed as to its
own weights without rounding: one alone could be won by moving errors into the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tf_relight.contract.card import MethodInfo
from tf_relight.errors import RelightError


@dataclass(frozen=True)
class Bounds:
    """What one file must keep; None asks for nothing.

    Attributes:
        max_error: largest absolute difference of any output number.
        psnr: lowest dB of any picture.
        size_ratio: bytes of the file divided by those of the float32 file.
        gpu_psnr: lowest dB on the GPU delegate.
        truth_loss: dB that may be lost against the true pictures, compared with the float network.
        rounded_error: largest absolute difference from Keras with the rounding of the training.
    """

    max_error: float | None = None
    psnr: float | None = None
    size_ratio: float | None = None
    gpu_psnr: float | None = None
    truth_loss: float = 0.1
    rounded_error: float = 0.0


BOUNDS: Mapping[str, Bounds] = MappingProxyType(
    {
        "fp32": Bounds(max_error=1e-4, gpu_psnr=100.0),
        "fp16": Bounds(psnr=70.0, size_ratio=0.52, gpu_psnr=70.0),
        "dynamic_int8": Bounds(psnr=45.0, size_ratio=0.30, gpu_psnr=45.0),
        "static_int8": Bounds(psnr=40.0, size_ratio=0.30, gpu_psnr=40.0),
    }
)
"""By quantisation. In all files every operation must run on XNNPACK, in one partition."""

PORTRAIT_DYNAMIC_PSNR = 50.0
"""Networks of one channel, DPR: instance normalisation keeps the rounding errors small."""
TRAINED_STATIC_PSNR = 45.0
"""Static int8 of a network that was trained with the rounding."""
TAIL_ROUNDED_ERROR = 1 / 32
"""Where the last layers have no fixed ranges: a float32 sum between two steps may fall to the other side."""


def bounds_of(
    quantisation: str, info: MethodInfo, *, quantisation_aware: bool = False, dynamic_tail: bool = False
) -> Bounds:
    """Return what a file of a method must keep.

    Args:
        quantisation_aware: the network was trained with the rounding of int8.
        dynamic_tail: its last layers have no fixed ranges.

    Raises:
        RelightError: an unknown quantisation.
    """
    if quantisation not in BOUNDS:
        known = ", ".join(BOUNDS)
        raise RelightError(f"There are no bounds for the quantisation '{quantisation}', only for {known}.")
    bounds = BOUNDS[quantisation]
    if quantisation == "dynamic_int8" and info.picture.kind == "lightness":
        return replace(bounds, psnr=PORTRAIT_DYNAMIC_PSNR, gpu_psnr=PORTRAIT_DYNAMIC_PSNR)
    if quantisation == "static_int8" and quantisation_aware:
        rounded = TAIL_ROUNDED_ERROR if dynamic_tail else 0.0
        psnr = TRAINED_STATIC_PSNR
        return replace(bounds, psnr=psnr, gpu_psnr=psnr, rounded_error=rounded)
    return bounds
