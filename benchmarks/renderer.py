"""Speed of the embedded renderers on one core, no files: forty uint8 pictures a scene, and heads.

python -m benchmarks.renderer [--only scenes|heads] [--scenes 20] [--heads 8] [--rounds 5] [--no-write]
The bar is 190 images/s at 256 px and 45 at 512 px, without anti-aliasing. CPU time counts: it is what one
core needs, whatever else the machine does; the wall time and the load are written beside it. Every round has
new scenes, rejected tries included. A head is measured in CPU milliseconds: rendering its maps, and forming
its picture under one more light.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is imported: one core

from export.timing import write_row  # noqa: E402
from tf_relight.rendering.heads.head import Head  # noqa: E402
from tf_relight.rendering.scenes.scene import Scene  # noqa: E402

BARS = {256: 190, 512: 45}
HEAD_SIZES = (128, 256, 512)
LIGHTS_PER_HEAD = 20


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


def measure_heads(size: int, heads: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds of CPU milliseconds: a head's maps, and its picture under one more light."""
    Head(0, 0, 32)  # makes the noise volumes
    maps, pictures = [], []
    for seed in range(rounds):
        start = time.process_time()
        made = [Head(number, seed, size) for number in range(heads)]
        maps.append((time.process_time() - start) / heads)
        lights = [head.light(index) for head in made for index in range(LIGHTS_PER_HEAD)]
        start = time.process_time()
        for number, light in enumerate(lights):
            made[number // LIGHTS_PER_HEAD].image(light)
        pictures.append((time.process_time() - start) / len(lights))
    return {
        "cpu_ms_per_head": round(1000 * statistics.median(maps), 1),
        "slowest_round": round(1000 * max(maps), 1),
        "cpu_ms_per_light": round(1000 * statistics.median(pictures), 3),
    }


def main() -> None:
    """Measure and write the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20, help="scenes per round at 256 px, a quarter at 512")
    parser.add_argument("--heads", type=int, default=8, help="heads per round")
    parser.add_argument("--only", choices=("scenes", "heads"), help="measure one renderer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true", help="print only")
    arguments = parser.parse_args()
    row = {}
    if arguments.only != "heads":
        for size, bar in BARS.items():
            scenes = max(1, arguments.scenes * 256**2 // size**2)
            row[f"{size} px"] = {"bar": bar, **measure(size, scenes, arguments.rounds)}
        few = max(1, arguments.scenes // 4)
        row["256 px, 2x2 rays"] = measure(256, few, arguments.rounds, antialias=2)
    if arguments.only != "scenes":
        for size in HEAD_SIZES:
            row[f"heads, {size} px"] = measure_heads(size, arguments.heads, arguments.rounds)
    if arguments.no_write:
        print(json.dumps(row, indent=1))
    else:
        write_row("renderer", row)


if __name__ == "__main__":
    main()
