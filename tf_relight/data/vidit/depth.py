"""Reading VIDIT depth files without executing anything in them.

NTIRE 2021 ships `Image000.npy` as a pickled dict {'normalized_depth': float array}; `guarded.arrays` walks
through such pickles.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.arrays import read_npy

_FIELD = "normalized_depth"
_AGAIN = "copy or download it again"


def read_depth(path: Path) -> np.ndarray:
    """Read `ImageNNN.npy` as float32 (H,W,1); the unit is the file's own (VIDIT: 0..1 within a scene).

    A plain float array and the pickled dict of NTIRE 2021 are both accepted.

    Raises:
        RelightError: missing or truncated file, NaN or infinite values, an array that is no depth map, or a
            pickle that names anything but numpy arrays.
    """
    array = read_npy(path, what="the depth map", advice=_AGAIN, objects=True)
    if not isinstance(array, np.ndarray) or array.dtype == object:
        found = array.get(_FIELD) if isinstance(array, dict) else None
        if not isinstance(found, np.ndarray):
            raise RelightError(f"{path} holds no '{_FIELD}' array that can be read; {_AGAIN}.")
        array = found
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] != 1 or array.dtype.kind not in "fiu" or not array.size:
        raise RelightError(
            f"{path} is no depth map: it holds {array.dtype} {array.shape}, not (height, width) numbers."
        )
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite and is told below
        depth = array.astype(np.float32)
    if not np.isfinite(depth).all():
        raise RelightError(f"{path} has NaN or infinite values; remove the file or mend it.")
    return depth
