"""How much of a training step the input costs: batches of 2 at 256 px against a step of 0.4 s.

python -m benchmarks.input [--steps 200]
Writes a small folder of noise pictures to a temporary place and serves it from memory, from .npy files and,
for comparison, undecoded. The bar is 5 % for the first two, in wall time that a waiting trainer would see
and in CPU time that is taken from the training step.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from export.timing import write_row
from tf_relight.data import open_source
from tf_relight.data.options import DataConfig
from tf_relight.data.pipeline import batches, cached
from tf_relight.data.source import Source

STEP_SECONDS = 0.4  # DMSHN, batch 2 at 256 px, bfloat16, 2 cores
SCENES = 40


def write_folder(root: Path, size: int) -> None:
    """Write input/target pairs of smooth noise, which a PNG holds about as badly as a photo."""
    generator = np.random.default_rng(0)
    for role in ("input", "target"):
        folder = root / "train" / role
        folder.mkdir(parents=True)
        for number in range(SCENES):
            small = generator.integers(0, 255, (size // 4, size // 4, 3), dtype=np.uint8)
            picture = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f"Image{number:03d}.png"), picture)


def measure(source: Source, crop: int | None, steps: int, repeats: int = 5) -> dict[str, float]:
    """Median over `repeats` of the wall and CPU milliseconds of one batch, after a warm-up."""
    iterator = iter(batches(source, 2, seed=0, crop=crop))
    for _ in range(20):
        next(iterator)
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            next(iterator)
        walls.append((time.perf_counter() - wall) / steps)
        cpus.append((time.process_time() - cpu) / steps)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    return {
        "batch_ms": round(1000 * wall, 3),
        "cpu_ms": round(1000 * cpu, 3),
        "batches_per_s": round(1 / wall, 1),
        "share_of_step": round(wall / STEP_SECONDS, 4),
        "cpu_share_of_step": round(cpu / STEP_SECONDS, 4),
    }


def main() -> None:
    """Measure all cases and write the row."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="batches per measurement")
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_folder(root, 512)
        at_256 = open_source(DataConfig(root=root, size=256, validation_scenes=1), "train")
        at_512 = open_source(DataConfig(root=root, size=512, validation_scenes=1), "train")
        disk = cached(at_256, Path(folder) / "cache", progress=False)
        row = {
            "batch": "2 x 256 px, image and target",
            "step_seconds": STEP_SECONDS,
            "bar": 0.05,
            "memory": measure(cached(at_256, None, progress=False), None, steps),
            "memory_crop_of_512": measure(cached(at_512, None, progress=False), 256, steps),
            "disk": measure(disk, None, steps),
            "png_512": measure(at_256, None, max(5, steps // 20)),
        }
    write_row("input", row)


if __name__ == "__main__":
    main()
