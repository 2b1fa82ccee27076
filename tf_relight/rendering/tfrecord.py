"""TFRecord files: how they are written and read, and what is in the shards of scenes.

A shard holds one `tf.train.Example` per scene with the features
    name    bytes    such as "Image012"
    lights  int64    (L,) `ViditLight.index` of each picture
    shape   int64    (4,) L, H, W, 3
    images  bytes    the pictures (L, H, W, 3), uint8 sRGB, row by row
    depth   bytes    (H, W) little-endian float32, nearest 0, farthest 1; may be missing
Pictures are stored raw: decoding PNG would cost more than a training step. They lie in the file as they are,
so one of them is read by its place. TensorFlow's own reader would read all forty (31 MB at 512 px) each time.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord (framing of records, messages of an Example),
https://protobuf.dev/programming-guides/encoding (varints, fields).
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from tf_relight.errors import RelightError, graph_reason
from tf_relight.files import atomic_path
from tf_relight.guarded.reading import open_file
from tf_relight.light.vidit import ViditLight

_HEAD = struct.Struct("<QI")  # length of the record, checksum of the length
_TAIL = 4  # checksum of the record; not checked, because only what is needed of a record is read
_LENGTH_DELIMITED = 2


@dataclass(frozen=True)
class SceneRecord:
    """One scene to be written; arrays as in the module's description."""

    name: str
    lights: np.ndarray
    images: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class StoredScene:
    """One scene of a shard: what it has, and at which byte its arrays start."""

    path: Path
    name: str
    lights: tuple[ViditLight, ...]
    height: int
    width: int
    images_start: int
    depth_start: int | None

    def picture(self, light: ViditLight) -> np.ndarray:
        """Read the picture (H, W, 3) uint8 sRGB under one of `lights`."""
        shape = (self.height, self.width, 3)
        return self._read(np.uint8, shape, self.images_start + self.lights.index(light) * math.prod(shape))

    def depth(self) -> np.ndarray:
        """Read the depth (H, W, 1) float32, nearest 0, farthest 1, of a scene that has `depth_start`."""
        assert self.depth_start is not None
        return self._read("<f4", (self.height, self.width, 1), self.depth_start)

    def _read(self, dtype: DTypeLike, shape: tuple[int, ...], start: int) -> np.ndarray:
        try:
            values = np.fromfile(self.path, dtype, math.prod(shape), offset=start)
        except OSError as error:
            raise RelightError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        if values.size < math.prod(shape):
            raise _cut_short(self.path)
        return values.reshape(shape)


def write_shard(path: Path, records: Iterable[SceneRecord]) -> None:
    """Write scenes to one shard; it appears whole or not at all.

    Raises:
        RelightError: the disk is full or the folder cannot be written.
    """
    write_examples(path, map(_features_of, records))


def write_examples(path: Path, examples: Iterable[Mapping[str, bytes | Sequence[int]]]) -> None:
    """Write one Example for each mapping of names to bytes or whole numbers; the file appears whole or not.

    Raises:
        RelightError: the disk is full or the folder cannot be written.
    """
    import tensorflow as tf

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(number) for number in value]))

    with atomic_path(path) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for example in examples:
                    features = {name: feature(value) for name, value in example.items()}
                    message = tf.train.Example(features=tf.train.Features(feature=features))
                    writer.write(message.SerializeToString(deterministic=True))
        except tf.errors.OpError as error:
            raise RelightError(
                f"Cannot write {path}: {graph_reason(error)}. Choose another place or free some space."
            ) from error


def stored_scenes(path: Path) -> list[StoredScene]:
    """The scenes of a shard in their order; no picture is read.

    Raises:
        RelightError: the file cannot be read, is empty or cut short, or holds other records than ours.
    """
    with open_file(path, what="the shard", advice="check data.root") as handle:
        if os.fstat(handle.fileno()).st_size == 0:
            raise _cut_short(path)
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return [_stored_scene(path, content, *span) for span in _records(path, content)]


def read_features(path: Path, *, what: str, advice: str) -> dict[str, bytes]:
    """The features of a file with a single record by name; whole numbers as `whole_numbers` takes them.

    Args:
        what: the file in a message, such as "a rendered head". advice: what to do about it.

    Raises:
        RelightError: the file cannot be read, is empty or cut short, or holds no Example.
    """
    with open_file(path, what=what, advice=advice) as handle:
        if os.fstat(handle.fileno()).st_size == 0:
            raise _cut_short(path)
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                (record,) = _records(path, content)
                return {name: content[slice(*span)] for name, span in _features(content, *record).items()}
            except (LookupError, ValueError) as error:
                raise RelightError(f"{path} is not {what}; {advice}.") from error


def whole_numbers(value: bytes) -> list[int]:
    """The numbers of a feature of `read_features`.

    Raises:
        ValueError: it holds something else.
    """
    try:
        return _integers(value, 0, len(value))
    except IndexError as error:
        raise ValueError("not whole numbers") from error


def _features_of(record: SceneRecord) -> dict[str, bytes | Sequence[int]]:
    return {
        "name": record.name.encode(),
        "lights": [int(light) for light in record.lights],
        "shape": record.images.shape,
        "images": record.images.tobytes(),
        "depth": record.depth.astype("<f4").tobytes(),
    }


def _cut_short(path: Path) -> RelightError:
    return RelightError(f"{path} is cut short, or it is no TFRecord file; copy it or render it again.")


def _records(path: Path, content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """First and last byte + 1 of each record."""
    place = 0
    while place < len(content):
        if place + _HEAD.size > len(content):
            raise _cut_short(path)
        start = place + _HEAD.size
        end = start + _HEAD.unpack_from(content, place)[0]
        place = end + _TAIL
        if place > len(content):
            raise _cut_short(path)
        yield start, end


def _stored_scene(path: Path, content: mmap.mmap, start: int, end: int) -> StoredScene:
    try:
        features = _features(content, start, end)
        name = content[slice(*features["name"])].decode()
        count, height, width, channels = _integers(content, *features["shape"])
        lights = tuple(ViditLight.from_index(index) for index in _integers(content, *features["lights"]))
        images_start, images_end = features["images"]
        depth = features.get("depth")
        if not (name and height and width and channels == 3 and count == len(lights) == len(set(lights))):
            raise ValueError("shape")
        if images_end - images_start != count * height * width * 3:
            raise ValueError("images")
        if depth and depth[1] - depth[0] != height * width * 4:
            raise ValueError("depth")
    except (LookupError, ValueError, RelightError) as error:
        raise RelightError(
            f"{path} holds records that are no scenes of `relight data render scenes`; check data.root."
        ) from error
    return StoredScene(path, name, lights, height, width, images_start, depth[0] if depth else None)


def _features(content: mmap.mmap, start: int, end: int) -> dict[str, tuple[int, int]]:
    """Name to the place of the value, of each feature of an Example.

    The messages are Example {1: Features {1: entry {1: name, 2: Feature {kind: List {1: value}}}}}; integers
    are packed, so that every value is one run of bytes.
    """
    ((_, *features),) = _fields(content, start, end)
    found = {}
    for _, *entry in _fields(content, *features):
        parts = {number: span for number, *span in _fields(content, *entry)}
        ((_, *values),) = _fields(content, *parts[2])
        ((_, *value),) = _fields(content, *values)
        found[content[slice(*parts[1])].decode()] = (value[0], value[1])
    return found


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and last byte + 1 of the fields of a message; only those with a length occur."""
    while start < end:
        tag, start = _varint(content, start)
        length, start = _varint(content, start)
        if tag & 7 != _LENGTH_DELIMITED or start + length > end:
            raise ValueError("not an Example")
        yield tag >> 3, start, start + length
        start += length


def _integers(content: mmap.mmap | bytes, start: int, end: int) -> list[int]:
    values = []
    while start < end:
        value, start = _varint(content, start)
        values.append(value)
    return values


def _varint(content: mmap.mmap | bytes, place: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, lowest first, and the place after it."""
    value = 0
    for shift in range(0, 64, 7):
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("not a varint")
