"""How many pictures a second `RandomRelight` makes: batches of 8 at 128 and 256 px, beside Keras' own layer.

python -m benchmarks.augmentation [--batches 6]
Every picture is relit. `size` is that of the network: 128 is usual, 64 is quicker.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from export.timing import interleaved, write_row

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


def main() -> None:
    """Time all and append a row for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=6)
    given = parser.parse_args()
    for pixels in (128, 256):
        seconds = interleaved(sides(pixels), given.batches, warmup=1)
        rates = {name: round(BATCH / statistics.median(runs), 1) for name, runs in seconds.items()}
        write_row("augmentation", {"pixels": pixels, "batch": BATCH, "pictures_per_second": rates})


if __name__ == "__main__":
    main()
