"""Reading VIDIT depth files without executing anything in them.

NTIRE 2021 ships `Image000.npy` as a pickled dict {'normalized_depth': float array}. A pickle can call any
function it names, so none is ever unpickled with the real names: the few that numpy needs are replaced
by small stand-ins that only build arrays, and every other name is refused.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tf_relight.errors import RelightError

_FIELD = "normalized_depth"


def read_depth(path: Path) -> np.ndarray:
    """Read `ImageNNN.npy` as float32 (H,W,1); the unit is the file's own (VIDIT: 0..1 within a scene).

    A plain float array and the pickled dict of NTIRE 2021 are both accepted.

    Raises:
        RelightError: missing or truncated file, NaN or infinite values, an array that is no depth map, or a
            pickle that names anything but numpy arrays.
    """
    try:
        with path.open("rb") as handle:
            array = _read_npy(path, handle)
    except OSError as error:
        raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] != 1 or array.dtype.kind not in "fiu" or not array.size:
        raise RelightError(
            f"{path} is no depth map: it holds {array.dtype} {array.shape}, not (height, width) numbers."
        )
    depth = array.astype(np.float32)
    if not np.isfinite(depth).all():
        raise RelightError(f"{path} has NaN or infinite values; remove the file or mend it.")
    return depth


def _read_npy(path: Path, handle: BinaryIO) -> np.ndarray:
    try:
        return np.lib.format.read_array(handle, allow_pickle=False)
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise RelightError(f"{path} is cut short or no .npy file; copy or download it again.") from error
    handle.seek(0)
    version = np.lib.format.read_magic(handle)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header(handle)
    try:
        loaded = _ArraysOnly(handle, encoding="latin1").load()
        content = loaded.array().item() if isinstance(loaded, _PickledArray) else loaded
        return content[_FIELD].array()
    except _Refused as error:
        raise RelightError(
            f"{path} is a pickle that names {error}; only numpy arrays are read from depth files. "
            "Do not trust this file."
        ) from error
    except Exception as error:  # a hostile or truncated pickle can fail in any way
        raise RelightError(
            f"{path} holds no '{_FIELD}' array that can be read ({type(error).__name__}); "
            "copy or download it again."
        ) from error


class _Refused(Exception):
    """A pickle asked for a name that is not needed for arrays."""


class _PickledType:
    """Stand-in for numpy.dtype: remembers the code and the byte order, and allows numbers only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.code = code
        self.order: Any = "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype:
        found = np.dtype(self.code)
        if found.kind not in "fiubO" or found.shape:
            raise _Refused(f"arrays of type {self.code}")
        return found if self.order not in ("<", ">") else found.newbyteorder(self.order)


class _PickledArray:
    """Stand-in for numpy.ndarray: remembers shape, type and content until `array` builds it."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        _, shape, kind, fortran, content = self.state
        dtype = kind.dtype()
        if dtype.kind == "O":
            built = np.empty(len(content), object)
            built[:] = content
            return built.reshape(shape)
        if isinstance(content, str):  # written by Python 2
            content = content.encode("latin1")
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError("array is cut short")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _PickledArray:
    return _PickledArray()


def _from_buffer(content: bytes, kind: _PickledType, shape: tuple, order: str) -> _PickledArray:
    made = _PickledArray()
    made.state = (1, shape, kind, order == "F", bytes(content))
    return made


def _scalar(kind: _PickledType, content: bytes = b"") -> float | int:
    return np.frombuffer(content, kind.dtype())[0].item()


def _bytes(text: str, codec: str) -> bytes:
    """Protocol 2 writes bytes as text with this call."""
    if codec != "latin1":
        raise _Refused(f"the codec {codec}")
    return text.encode("latin1")


_STAND_INS = {
    ("_codecs", "encode"): _bytes,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledType,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in, never the real object."""
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None
