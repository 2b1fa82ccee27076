"""Images per second of the embedded renderer on one core: forty uint8 pictures a scene, no files.

python -m benchmarks.renderer [--scenes 20] [--rounds 5] [--no-write]
The bar is 190 images/s at 256 px and 45 at 512 px, without anti-aliasing. CPU time counts: it is what one
core needs, whatever else the machine does; the wall time and the load are written beside it. Every round has
new scenes, rejected tries included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is imported: one core

from benchmarks.timing import write_row  # noqa: E402
from tf_relight.data.synthetic import Scene  # noqa: E402

BARS = {256: 190, 512: 45}


def measure(size: int, scenes: int, rounds: int, antialias: int = 1) -> dict[str, float]:
    """Medians over the rounds: images per CPU second and wall second, milliseconds of a scene."""
    Scene(0, 32).images()  # makes the noise volumes
    cpu_rates, wall_rates = [], []
    for number in range(rounds):
        cpu, wall, images = time.process_time(), time.perf_counter(), 0
        for seed in range(1000 * number, 1000 * number + scenes):
            pictures = Scene(seed, size, antialias).images()
            images += pictures.shape[0] * pictures.shape[1]
        cpu_rates.append(images / (time.process_time() - cpu))
        wall_rates.append(images / (time.perf_counter() - wall))
    rate = statistics.median(cpu_rates)
    return {
        "images_per_cpu_second": round(rate, 1),
        "slowest_round": round(min(cpu_rates), 1),
        "images_per_wall_second": round(statistics.median(wall_rates), 1),
        "cpu_ms_per_scene": round(40_000 / rate, 1),
    }


def main() -> None:
    """Measure and write the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20, help="scenes per round at 256 px, a quarter at 512")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true", help="print only")
    arguments = parser.parse_args()
    row = {}
    for size, bar in BARS.items():
        scenes = max(1, arguments.scenes * 256**2 // size**2)
        row[f"{size} px"] = {"bar": bar, **measure(size, scenes, arguments.rounds)}
    row["256 px, 2x2 rays"] = measure(256, max(1, arguments.scenes // 4), arguments.rounds, antialias=2)
    if arguments.no_write:
        print(json.dumps(row, indent=1))
    else:
        write_row("renderer", row)


if __name__ == "__main__":
    main()
