"""From a `Source` to training batches: `cached` decodes once, `batches` serves without end."""

from __future__ import annotations

import contextlib
import functools
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.data.cache import cached
from tf_relight.data.source import Source
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["batches", "cached", "reader_errors", "sample_order"]

_WORD = 2**64 - 1
_SHUFFLE_STREAM, _CROP_STREAM = 1, 2
_READERS = 2  # parallel reads: enough to hide a decode, few enough to leave the cores to the training step
_MARK = "relight-sample-error<<{}>>"


def batches(
    source: Source,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    crop: int | None = None,
    shuffle: bool = True,
    worker: int = 0,
    workers: int = 1,
    replicas: int = 1,
    prepare: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = dict,
    streams: Mapping[str, Source] | None = None,
) -> tf.data.Dataset:
    """Batches without end; what a batch holds is a pure function of (seed, step).

    Global sample g = step * batch_size + offset comes from epoch g // len(source), at its place in that
    epoch's permutation. `start_step=k` therefore continues exactly where step k would have been, and all
    workers and replicas together see the samples that one device would see.

    Args:
        source: the samples; `cached(...)` of it, unless reading is already cheap.
        batch_size: samples per step over all workers and replicas together.
        seed: decides the order and the crops.
        start_step: the first step to serve.
        crop: side of the random square cut out of every picture, the same place in all fields of a sample.
        shuffle: a new order every epoch, or the source's own order.
        worker: number of this process, 0..workers-1.
        workers: number of processes that train together.
        replicas: devices of this process; the dataset yields their slices one after the other.
        prepare: makes of each sample what the networks take; see `fields.network_fields`.
        streams: other sources, each in an order of its own; their fields are called "<name>.<field>".

    Returns:
        Dataset of dicts by field name: `sample` (b,) int64, the global sample numbers; pictures (b,H,W,3)
        float32 0..1; other float fields unchanged; integer fields such as `light` (b,) int32; where
        b = batch_size / (workers * replicas).

    Raises:
        RelightError: sizes that do not divide or an empty source. An error while reading arrives through
            TensorFlow; `reader_errors` turns it back into the RelightError it was.
    """
    _check(source, batch_size, start_step, worker, workers, replicas)
    import tensorflow as tf

    slice_size = batch_size // (workers * replicas)
    every = [_Stream(source, seed, shuffle), *_seconds(streams or {}, seed, shuffle)]
    read = functools.partial(_read_slice, every, seed, crop, prepare)
    example = read(range(start_step * batch_size, start_step * batch_size + 1))
    names = list(example)
    dtypes = [tf.as_dtype(example[name].dtype) for name in names]
    # TensorFlow keeps `load` until the process ends. The samples, half a GB of rendered heads for example,
    # shall go with the dataset that hands them out.
    held = weakref.ref(read)

    def load(element: np.ndarray) -> list[np.ndarray]:
        step, replica = divmod(int(element), replicas)
        first = (start_step + step) * batch_size + (worker * replicas + replica) * slice_size
        reader = held()
        assert reader is not None, "an iterator keeps its dataset, and that its reader"
        try:
            arrays = reader(range(first, first + slice_size))
        except RelightError as error:
            raise RelightError(_MARK.format(error)) from error
        return [arrays[name] for name in names]

    def finish(element: tf.Tensor) -> dict[str, tf.Tensor]:
        arrays = tf.numpy_function(load, [element], dtypes)
        batch = {}
        for name, array in zip(names, arrays, strict=True):
            array.set_shape((slice_size, *example[name].shape[1:]))
            batch[name] = tf.cast(array, tf.float32) / 255.0 if array.dtype == tf.uint8 else array
        return batch

    dataset = tf.data.Dataset.counter().map(finish, num_parallel_calls=_READERS, deterministic=True)
    dataset.reader = read
    options = tf.data.Options()
    # Nothing here is left to be tuned, and whoever drops an iterator would wait seconds for the tuner to end.
    options.autotune.enabled = False
    return dataset.prefetch(2 * replicas).with_options(options)


def sample_order(length: int, seed: int, shuffle: bool = True, stream: int = 0) -> Callable[[int], int]:
    """The map from global sample number g to source index.

    Each epoch has its own permutation, drawn from a counter-based generator keyed by (seed, epoch), so any
    epoch can be entered without replaying those before. Each `stream` has an order of its own.
    """

    @functools.lru_cache(maxsize=4)
    def permutation(epoch: int) -> np.ndarray:
        return _generator(seed, epoch, _SHUFFLE_STREAM, stream).permutation(length)

    def index(g: int) -> int:
        epoch, position = divmod(g, length)
        return int(permutation(epoch)[position]) if shuffle else position

    return index


@contextlib.contextmanager
def reader_errors() -> Iterator[None]:
    """Turn a reader's error that came through TensorFlow back into the RelightError it was.

    Wrap the loop that draws from a dataset of `batches` in it.
    """
    try:
        yield
    except RelightError:
        raise
    except Exception as error:
        found = re.search(_MARK.format("(.*?)"), str(error), flags=re.DOTALL)
        if found is None:
            raise
        raise RelightError(found.group(1)) from None


def _check(
    source: Source, batch_size: int, start_step: int, worker: int, workers: int, replicas: int
) -> None:
    if len(source) == 0:
        raise RelightError("The dataset has no samples; check data.root with `relight data check`.")
    if batch_size < 1 or start_step < 0 or replicas < 1 or not 0 <= worker < workers:
        raise RelightError(
            f"Cannot make batches of {batch_size} from step {start_step} for worker {worker} of {workers} "
            f"with {replicas} replicas; sizes must be positive and workers count from 0."
        )
    if batch_size % (workers * replicas):
        raise RelightError(
            f"train.batch_size {batch_size} does not divide over {workers} workers x {replicas} replicas; "
            f"use a multiple of {workers * replicas}."
        )


class _Stream:
    """A source in the order that its batches have, and the prefix of its fields."""

    def __init__(self, source: Source, seed: int, shuffle: bool, name: str = "", number: int = 0) -> None:
        self.source, self.number = source, number
        self.prefix = f"{name}." if name else ""
        self.order = sample_order(len(source), seed, shuffle, number)


def _seconds(streams: Mapping[str, Source], seed: int, shuffle: bool) -> list[_Stream]:
    """The second streams; each has random numbers of its own, by its place in the alphabet."""
    for name, source in streams.items():
        if len(source) == 0:
            raise RelightError(f"The stream '{name}' has no samples; check streams.{name}.")
    return [
        _Stream(streams[name], seed, shuffle, name, number) for number, name in enumerate(sorted(streams), 1)
    ]


def _read_slice(
    streams: list[_Stream],
    seed: int,
    crop: int | None,
    prepare: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
    numbers: range,
) -> dict[str, np.ndarray]:
    """Stack the samples of some global numbers, cropped and checked."""
    samples = []
    for g in numbers:
        whole: dict[str, np.ndarray] = {}
        for stream in streams:
            source, index = stream.source, stream.order(g)
            sample = prepare(source.read(index))
            _check_finite(sample, source, index)
            sample = _cropped(sample, crop, seed, g, source, index, stream.number)
            whole |= {f"{stream.prefix}{name}": array for name, array in sample.items()}
        samples.append({**whole, "sample": np.asarray(g, np.int64)})
    try:
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    except ValueError as error:
        sizes = {f"{a.shape[1]}x{a.shape[0]}" for sample in samples for a in sample.values() if a.ndim == 3}
        listed = ", ".join(sorted(sizes))
        raise RelightError(f"Samples differ in size ({listed}); set data.size or data.crop.") from error


def _check_finite(sample: dict[str, np.ndarray], source: Source, index: int) -> None:
    for name, array in sample.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise RelightError(
                f"Sample {source.key(index)} has NaN or infinite values in '{name}'; remove or mend it."
            )


def _cropped(
    sample: dict[str, np.ndarray],
    crop: int | None,
    seed: int,
    g: int,
    source: Source,
    index: int,
    stream: int = 0,
) -> dict[str, np.ndarray]:
    if crop is None:
        return sample
    height, width = next(array.shape[:2] for array in sample.values() if array.ndim == 3)
    if crop > min(height, width):
        raise RelightError(
            f"data.crop {crop} is larger than sample {source.key(index)} ({width}x{height}); "
            "lower data.crop or raise data.size."
        )
    generator = _generator(seed, g, _CROP_STREAM, stream)
    top, left = int(generator.integers(height - crop + 1)), int(generator.integers(width - crop + 1))
    return {
        name: array[top : top + crop, left : left + crop] if array.ndim == 3 else array
        for name, array in sample.items()
    }


def _generator(seed: int, number: int, purpose: int, stream: int = 0) -> np.random.Generator:
    key = np.array([seed & _WORD, number & _WORD], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, stream, purpose]))
