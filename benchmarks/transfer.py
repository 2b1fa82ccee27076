"""Time and memory of the full-size transfer for a 12-megapixel photo, against plainly enlarging the result.

Usage: python -m benchmarks.transfer [--size 512] [--rounds 5]

Both sides start from the same two small pictures, once alone and once with writing a JPEG, since that is what
a user waits for. Peak memory is the growth above the photo, in a process of its own (Linux only).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from export.timing import interleaved, ratios, write_row
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.transfer import transfer
from tf_relight.photo.writing import write_picture

HEIGHT, WIDTH = 3000, 4000


def pictures(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a photo of noise at two scales, its small copy with the given long side, and that relit."""
    rng = np.random.default_rng(0)
    coarse = resize(rng.random((60, 80, 3), dtype=np.float32), (HEIGHT, WIDTH), "cubic")
    fine = rng.random((HEIGHT, WIDTH, 1), dtype=np.float32)
    photo = np.clip(0.8 * coarse + 0.2 * fine, 0, 1)
    before = resize(photo, (size * HEIGHT // WIDTH, size))
    lamp = np.linspace(0.5, 1.2, size, dtype=np.float32)[None, :, None]
    return photo, before, np.clip(before * lamp, 0, 1)


def sides(size: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Return what is compared: the steps alone, and each with writing the file."""
    photo, before, after = pictures(size)

    def enlarge() -> np.ndarray:
        return np.clip(cv2.resize(after, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 0, 1)

    def relight() -> np.ndarray:
        return transfer(photo, before, after)

    def write(make: Callable[[], np.ndarray]) -> None:
        write_picture(folder / "out.jpg", Picture(make()))

    return {
        "enlarge": enlarge,
        "transfer": relight,
        "enlarge_and_write": lambda: write(enlarge),
        "transfer_and_write": lambda: write(relight),
    }


def peak_memory(side: str, size: int) -> float:
    """Return the growth of a fresh process's peak memory in MiB while one side runs."""
    call = [sys.executable, "-m", "benchmarks.transfer", "--size", str(size), "--memory-of", side]
    return float(subprocess.run(call, capture_output=True, text=True, check=True).stdout)


def _print_growth(side: str, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = sides(size, Path(folder))[side]
        # Sets the peak back, so that making the pictures does not count.
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        run()
        print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    """Measure and append one json row to `results/transfer.jsonl`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512, help="long side of the small pictures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        _print_growth(options.memory_of, options.size)
        return
    with tempfile.TemporaryDirectory() as folder:
        seconds = interleaved(sides(options.size, Path(folder)), options.rounds)
    times_slower = {
        "step_alone": round(1 / ratios(seconds, "enlarge")["transfer"], 2),
        "with_writing": round(1 / ratios(seconds, "enlarge_and_write")["transfer_and_write"], 2),
    }
    row = {
        "megapixels": HEIGHT * WIDTH / 1e6,
        "small_long_side": options.size,
        "seconds": {name: round(statistics.median(runs), 3) for name, runs in seconds.items()},
        "transfer_slower_by": times_slower,
        "peak_mib": {name: round(peak_memory(name, options.size)) for name in ("enlarge", "transfer")},
    }
    write_row("transfer", row)


if __name__ == "__main__":
    main()
