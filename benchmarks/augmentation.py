"""How many pictures a second `RandomRelight` makes: batches of 8 at 128 and 256 px, beside Keras' own layer.

python -m benchmarks.augmentation [--batches 6]
Every picture is relit. Beside the rate of the clock stands that of the processor, pictures for each second of
one core: it holds on a busy machine, too. `size` is that of the network: 128 is usual, 64 is quicker.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from export.timing import write_row

BATCH = 8


def sides(pixels: int) -> dict[str, Callable[[], Any]]:
    """Return what is timed on pictures of one size, by name."""
    import keras
    import tensorflow as tf

    from tf_relight.pipelines.random_relight import RandomRelight

    pictures = tf.constant(np.random.default_rng(0).random((BATCH, pixels, pixels, 3), np.float32))
    layers = {
        "RandomBrightness": keras.layers.RandomBrightness(0.3, value_range=(0, 1)),
        **{
            f"RandomRelight, size {size}": RandomRelight(rate=1.0, value_range=(0, 1), size=size)
            for size in (128, 64)
        },
    }
    compiled = {name: tf.function(layer) for name, layer in layers.items()}
    return {name: lambda run=run: np.asarray(run(pictures)) for name, run in compiled.items()}


def timed(runs: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Run the sides in turn after a first time; return their rates by the clock and by the processor."""
    for run in runs.values():
        run()
    clock: dict[str, list[float]] = {name: [] for name in runs}
    core: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            run()
            clock[name].append(time.perf_counter() - began)
            core[name].append(time.process_time() - worked)

    def rates(seconds: dict[str, list[float]]) -> dict[str, float]:
        return {name: round(BATCH / statistics.median(each), 1) for name, each in seconds.items()}

    return rates(clock), rates(core)


def main() -> None:
    """Time all and append a row for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=6)
    given = parser.parse_args()
    for pixels in (128, 256):
        clock, core = timed(sides(pixels), given.batches)
        row = {
            "pixels": pixels,
            "batch": BATCH,
            "pictures_per_second": clock,
            "pictures_per_core_second": core,
        }
        write_row("augmentation", row)


if __name__ == "__main__":
    main()
