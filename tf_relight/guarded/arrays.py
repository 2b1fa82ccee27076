"""NumPy files of strangers: the shape is compared with the file's size before any memory is taken."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.pickles import BadPickle, Walker, printable, whole
from tf_relight.guarded.reading import foreign, open_file, read_bytes

LARGEST_FILE = 2 << 30
"""Bytes of an array that is read whole; a depth map of 16,384 x 16,384 as float64."""
MAX_HEADER = 10_000
MAX_RANK = 32
_MAGIC = b"\x93NUMPY"
# Files of Python 2 are read as well; nobody can do anything about the note.
warnings.filterwarnings("ignore", message="Reading `.npy` or `.npz` file required additional header parsing")


def read_npy(path: Path | str, *, what: str, advice: str, objects: bool = False) -> Any:
    """Return the array of a .npy file; of an array of objects, what is in it as plain data.

    Args:
        what: such as "the depth map", for messages. advice: what to do with a broken file.
        objects: also take pickled objects, walked through without executing anything: dicts, lists, texts,
            numbers and arrays.

    Raises:
        NoSuchFile, RelightError: missing, no regular file, cut short, no array, or objects that are not asked
            for or that name anything but arrays.
    """
    content = read_bytes(path, LARGEST_FILE, what=what, advice=advice)
    with foreign(f"{path} is cut short or no .npy file ({{reason}}); {advice}."):
        stream = io.BytesIO(content)
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject:
            if not objects or dtype != np.dtype(object):
                raise RelightError(f"{path} holds pickled objects instead of numbers; {advice}.")
            return _objects(path, stream, advice)
        return _numbers(memoryview(content)[stream.tell() :], shape, fortran, dtype)


def map_npy(path: Path | str, *, writable: bool = False) -> np.ndarray:
    """Return the array of a .npy file of numbers, mapped and not read.

    Raises:
        RelightError: as `read_npy`.
    """
    what, advice = "the array", "delete it, and it is made again"
    with (
        open_file(path, what=what, advice=advice) as file,
        foreign(f"{path} is cut short or no .npy file ({{reason}}); {advice}."),
    ):
        shape, fortran, dtype = _header(file)
        start = file.tell()
        _require(file.seek(0, io.SEEK_END) - start, shape, dtype)
        if dtype.hasobject:
            raise ValueError("it holds objects")
    return np.memmap(path, dtype, "r+" if writable else "r", start, shape, "F" if fortran else "C")


def read_npz(
    path: Path | str, names: Iterable[str] | None = None, *, what: str, advice: str, limit: int = LARGEST_FILE
) -> dict[str, np.ndarray]:
    """Return arrays of a .npz file by name, of numbers and texts only.

    Args:
        names: which; None reads all. limit: bytes of all of them together.

    Raises:
        NoSuchFile, RelightError: as `read_npy`, or an array is missing or larger than its place in the file.
    """
    with (
        open_file(path, what=what, advice=advice) as file,
        foreign(f"{path} is damaged or no .npz file ({{reason}}); {advice}."),
        zipfile.ZipFile(file) as archive,
    ):
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        wanted = list(entries) if names is None else list(names)
        missing = [name for name in wanted if name not in entries]
        if missing:
            raise ValueError(f"it has no array '{printable(missing[0][:40])}'")
        if sum(entries[name].file_size for name in wanted) > limit:
            raise ValueError(f"its arrays unfold to more than {limit:,} bytes")
        return {name: _entry(archive, entries[name]) for name in wanted}


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject:
            raise ValueError("it holds objects")
        size = _size(shape, dtype)
        if stream.tell() + size != entry.file_size:
            raise ValueError("an array is larger or smaller than its place")
        # Read in place: a copy of the file's bytes would double the memory.
        flat = np.empty(size, np.uint8)
        place = memoryview(flat.data)
        while place and (count := stream.readinto(place)):  # type: ignore[attr-defined]
            place = place[count:]
        if place:
            raise ValueError("it ends too early")
    return flat.view(dtype).reshape(shape, order="F" if fortran else "C") if size else np.empty(shape, dtype)


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, order and type, and leave the stream at the numbers."""
    start = stream.read(8)
    if len(start) < 8 or start[:6] != _MAGIC or start[6] not in (1, 2, 3):
        raise ValueError("it does not begin as one")
    form = "<H" if start[6] == 1 else "<I"
    prefix = stream.read(struct.calcsize(form))
    (length,) = struct.unpack(form, prefix)
    if length > MAX_HEADER:
        raise ValueError("its header is too long")
    text = stream.read(length)
    read: BinaryIO = io.BytesIO(prefix + text)
    if start[6] == 1:
        found = np.lib.format.read_array_header_1_0(read)
    else:
        found = np.lib.format.read_array_header_2_0(read)
    shape, fortran, dtype = found
    if len(shape) > MAX_RANK or any(not 0 <= side < 1 << 48 for side in shape):
        raise ValueError("its shape is not one of an array")
    return shape, fortran, dtype


def _size(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return math.prod(shape) * dtype.itemsize


def _require(there: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if _size(shape, dtype) > there:
        raise ValueError("its shape asks for more than is there")


def _numbers(
    content: memoryview | bytes, shape: tuple[int, ...], fortran: bool, dtype: np.dtype
) -> np.ndarray:
    _require(len(content), shape, dtype)
    count = math.prod(shape)
    values = np.frombuffer(content, dtype, count) if count and dtype.itemsize else np.empty(count, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _objects(path: Path | str, stream: BinaryIO, advice: str) -> Any:
    """Return what a pickled array holds: of an array without sides its one object."""
    try:
        content = _ArrayWalker().run(stream)
        found = _plain(content)
        return found.item() if isinstance(found, np.ndarray) and found.shape == () else found
    except _Named as error:
        raise RelightError(
            f"{path} is a pickle that names {error}; only numpy arrays are read from such files. "
            "Do not trust this file."
        ) from error


class _Named(BadPickle):
    """A pickle asks for a name that is not needed for arrays."""


@dataclass
class _Type:
    """Stands for numpy.dtype: the code and the byte order."""

    code: str
    order: Any = "="

    def dtype(self) -> np.dtype:
        found = np.dtype(self.code)
        if found.kind not in "fiubO" or found.shape:
            raise _Named(f"arrays of type {printable(self.code[:20])}")
        return found if self.order not in ("<", ">") else found.newbyteorder(self.order)


@dataclass
class _Array:
    """Stands for numpy.ndarray: (version, shape, type, Fortran order, content) until it is built."""

    state: tuple[Any, ...] = field(default=())


_RECONSTRUCT = frozenset(f"numpy.{core}.multiarray _reconstruct" for core in ("core", "_core"))
_SCALAR = frozenset(f"numpy.{core}.multiarray scalar" for core in ("core", "_core"))
_BUFFER = frozenset(f"numpy.{core}.numeric _frombuffer" for core in ("core", "_core"))
_KNOWN = _RECONSTRUCT | _SCALAR | _BUFFER | {"numpy ndarray", "numpy dtype", "_codecs encode"}


class _ArrayWalker(Walker):
    """Walks through a pickle of plain data and numpy arrays."""

    def known(self, text: str) -> bool:
        return text in _KNOWN

    def refusal(self, text: str) -> BadPickle:
        return _Named(printable(text[:80]).replace(" ", "."))

    def made(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name in _RECONSTRUCT:
            return _Array()
        if name == "numpy dtype":
            code = arguments[0]
            if not isinstance(code, str) or len(code) > 20:
                raise BadPickle("a type is described wrongly")
            return _Type(code)
        if name in _SCALAR:
            kind, content = arguments
            return _numbers(_as_bytes(content), (1,), False, kind.dtype())[0].item()
        if name in _BUFFER:
            content, kind, shape, order = arguments
            return _Array((1, shape, kind, order == "F", bytes(content)))
        if name == "_codecs encode":  # protocol 2 writes bytes as text with this call
            text, codec = arguments
            if codec != "latin1" or not isinstance(text, str):
                raise BadPickle("bytes are written in an unknown way")
            return text.encode("latin1")
        raise BadPickle(f"it calls '{name}'")

    def built(self, target: Any, state: Any) -> None:
        if not isinstance(state, tuple):
            raise BadPickle("its pickle builds something unknown")
        if isinstance(target, _Type):
            target.order = state[1]
        elif isinstance(target, _Array):
            target.state = state
        else:
            raise BadPickle("its pickle builds something unknown")


def _plain(content: Any, depth: int = 0) -> Any:
    """Return content with arrays built: inside arrays of objects, lists and dicts a few levels deep."""
    if depth > 8:
        raise BadPickle("it is nested too deeply")
    if isinstance(content, _Array):
        _, shape, kind, fortran, values = content.state
        if not isinstance(shape, tuple) or len(shape) > MAX_RANK or not isinstance(kind, _Type):
            raise BadPickle("an array is described wrongly")
        shape, dtype = tuple(whole(side) for side in shape), kind.dtype()
        if dtype.kind != "O":
            raw = _as_bytes(values)
            if _size(shape, dtype) != len(raw):
                raise BadPickle("an array is cut short")
            return _numbers(raw, shape, bool(fortran), dtype)
        if not isinstance(values, list) or math.prod(shape) != len(values):
            raise BadPickle("an array is cut short")
        built = np.empty(len(values), object)
        for place, value in enumerate(values):
            built[place] = _plain(value, depth + 1) if len(values) == 1 else value
        return built.reshape(shape)
    if isinstance(content, dict):
        return {key: _plain(value, depth + 1) for key, value in content.items()}
    return content


def _as_bytes(content: Any) -> bytes:
    if isinstance(content, str):  # written by Python 2
        return content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise BadPickle("an array has no content")
    return bytes(content)
