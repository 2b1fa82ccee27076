"""A rendered head as a TFRecord file, for input pipelines that read nothing else.

The file holds one `tf.train.Example` with the features
    info    bytes    JSON: who the person is and how the head is turned
    size    int64    S, the side in pixels
    albedo, normal, coverage, ...    bytes    the maps of `GBuffers` by name, raw, row by row, little-endian
It is twice the size of the .npz file, which is compressed, and as fast to read as the disk.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.structured import parse_json
from tf_relight.rendering.humans.gbuffers import DIRECTIONS, FORMAT_VERSION, GBuffers
from tf_relight.rendering.tfrecord import read_features, whole_numbers, write_examples

SUFFIX = ".tfrecord"
_MAPS: dict[str, tuple[str, tuple[int, ...]]] = {
    "albedo": ("u1", (3,)),
    "normal": ("i1", (3,)),
    "coverage": ("u1", ()),
    "skin": ("u1", ()),
    "hair": ("u1", ()),
    "gloss": ("u1", ()),
    "kind": ("u1", ()),
    "depth": ("<f2", ()),
    "background": ("u1", (3,)),
    "visible": ("u1", (DIRECTIONS // 8,)),
}
"""Type and last axis of each map (S, S, ...)."""
_LARGEST = 8192


def head_files(folder: Path) -> list[Path]:
    """The heads of a folder by number, of either form; none where there is no folder."""
    if not folder.is_dir():
        return []
    found = [path for suffix in (".npz", SUFFIX) for path in folder.glob(f"[0-9]*{suffix}")]
    return sorted(found, key=lambda path: (int(path.stem), path.suffix))


def load_head(path: Path) -> GBuffers:
    """Read a head of either form.

    Raises:
        RelightError: the file is missing, damaged or of another version.
    """
    return _read(path) if path.suffix == SUFFIX else GBuffers.load(path)


def write_record(path: Path, buffers: GBuffers) -> None:
    """Write a head as a TFRecord file; it appears whole or not at all.

    Raises:
        RelightError: the disk is full or the folder cannot be written.
    """
    text = json.dumps({"version": FORMAT_VERSION, **buffers.info}, sort_keys=True)
    maps = {
        name: np.ascontiguousarray(getattr(buffers, name), dtype).tobytes()
        for name, (dtype, _) in _MAPS.items()
    }
    directions = np.ascontiguousarray(buffers.directions, "<f4").tobytes()
    features = {"info": text.encode(), "size": [buffers.size], "directions": directions, **maps}
    write_examples(path, [features])


def _read(path: Path) -> GBuffers:
    advice = "delete it and render again"
    features = read_features(path, what="a rendered head", advice=advice)
    try:
        info = parse_json(features["info"].decode(), source=str(path))
        if info.pop("version", None) != FORMAT_VERSION:
            raise ValueError("another version wrote it")
        (side,) = whole_numbers(features["size"])
        if not 0 < side <= _LARGEST:
            raise ValueError(f"its side is {side}")
        maps = {}
        for name, (dtype, last) in _MAPS.items():
            shape = (side, side, *last)
            if len(features[name]) != math.prod(shape) * np.dtype(dtype).itemsize:
                raise ValueError(f"its '{name}' has another size")
            maps[name] = np.frombuffer(features[name], dtype).reshape(shape)
        directions = np.frombuffer(features["directions"], "<f4").reshape(DIRECTIONS, 3)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RelightError(f"{path} is not a whole rendered head ({error}); {advice}.") from error
    return GBuffers(**maps, directions=directions, info=info)
