"""TFRecord shards of scenes: what is in them, how they are written and read. The one place that knows.

A shard holds one `tf.train.Example` per scene with the features
    name    bytes    such as "Image012"
    lights  int64    (L,) `ViditLight.index` of each picture
    shape   int64    (4,) L, H, W, 3
    images  bytes    the pictures (L, H, W, 3), uint8 sRGB, row by row
    depth   bytes    (H, W) little-endian float32, nearest 0, farthest 1
Pictures are stored raw: decoding PNG would cost more than a training step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class SceneRecord:
    """One scene of a shard; arrays as in the module's description."""

    name: str
    lights: np.ndarray
    images: np.ndarray
    depth: np.ndarray


def write_shard(path: Path, records: Iterable[SceneRecord]) -> None:
    """Write scenes to one shard; it appears whole or not at all.

    Raises:
        RelightError: the disk is full or the folder cannot be written.
    """
    import tensorflow as tf

    with atomic_path(path) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for record in records:
                    writer.write(_to_example(record))
        except tf.errors.OpError as error:
            raise RelightError(
                f"Cannot write {path}: {error.message}. Choose another place or free some space."
            ) from error


def read_shards(paths: Sequence[Path]) -> tf.data.Dataset:
    """Scenes of the shards in their order, as a dict of tensors.

    name string (), lights int32 (L,), images uint8 (L, H, W, 3) sRGB, depth float32 (H, W).

    Raises:
        RelightError: no shards, or a file that is not there.
    """
    import tensorflow as tf

    missing = [str(path) for path in paths if not Path(path).is_file()]
    if missing or not paths:
        raise RelightError(f"No shards to read: {missing[0] if missing else 'the list is empty'}.")
    return tf.data.TFRecordDataset([str(path) for path in paths]).map(_from_example)


def _to_example(record: SceneRecord) -> bytes:
    import tensorflow as tf

    def integers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value) for value in values]))

    def raw(content):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))

    features = {
        "name": raw(record.name.encode()),
        "lights": integers(record.lights),
        "shape": integers(record.images.shape),
        "images": raw(record.images.tobytes()),
        "depth": raw(record.depth.astype("<f4").tobytes()),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _from_example(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
    import tensorflow as tf

    one_string = tf.io.FixedLenFeature([], tf.string)
    parsed = tf.io.parse_single_example(
        serialised,
        {
            "name": one_string,
            "images": one_string,
            "depth": one_string,
            "lights": tf.io.VarLenFeature(tf.int64),
            "shape": tf.io.FixedLenFeature([4], tf.int64),
        },
    )
    shape = parsed["shape"]
    return {
        "name": parsed["name"],
        "lights": tf.cast(tf.sparse.to_dense(parsed["lights"]), tf.int32),
        "images": tf.reshape(tf.io.decode_raw(parsed["images"], tf.uint8), shape),
        "depth": tf.reshape(tf.io.decode_raw(parsed["depth"], tf.float32), shape[1:3]),
    }
