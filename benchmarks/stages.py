"""Each training stage of a method: seconds of a step and memory, float32 beside bfloat16.

python -m benchmarks.stages --method drn [--sizes 256 512] [--batch 1] [--rounds 3]
The network and its discriminators have the paper's widths. Losses on VGG features are left out, as their
weights do not ship. Both sides live in processes of their own and take steps in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

from export.timing import write_row

PRECISIONS = ("float32", "mixed_bfloat16")
MEGA = 1024 * 1024


def stages_of(method_name: str) -> list[Any]:
    """Return the stages of a method's own recipe, without perceptual losses."""
    from tf_relight import methods

    method = methods.get(method_name)
    recipe = method.recipe({"perceptual": 0} if "perceptual" in type(method.recipe()).model_fields else {})
    return method.stages(method.config(), recipe)


def random_batch(method_name: str, stages: list[Any], count: int, size: int) -> dict[str, Any]:
    """Return what the stages of a method need, by chance, (count, size, size, C) or what a field is."""
    import numpy as np

    from tf_relight import methods
    from tf_relight.contract.stage import FIELDS

    method = methods.get(method_name)
    random = np.random.default_rng(0)
    light = method.info.light or method.info.source_light
    channels = {"picture": method.info.picture.channels, "mask": 1, "depth": 1}
    batch: dict[str, Any] = {}
    for name in method.needs(stages):
        kind = FIELDS.get(name) or FIELDS[name.partition(".")[2]]  # of a second stream
        if kind == "light":
            batch[name] = np.full((count, 9, 1 if light is None else light.channels), 0.1, np.float32)
        elif kind == "number":
            batch[name] = np.arange(count, dtype=np.int32) % 2
        else:
            shape = count, size, size, channels.get(kind, 3)
            values = random.random(shape, dtype=np.float32)
            batch[name] = values * 2 - 1 if kind == "normal" else values
    return batch


def serve_steps(
    link: Connection, method: str, stage_name: str, size: int, batch: int, precision: str
) -> None:
    """Take one step for each message and answer with its seconds and the peak memory in MiB."""
    import keras
    import tensorflow as tf

    from tf_relight import methods
    from tf_relight.networks.relight_model import StepOptions
    from tf_relight.training.optimizers import make_optimizers

    keras.config.set_dtype_policy(precision)
    chosen = methods.get(method)
    stages = stages_of(method)
    stage = next(each for each in stages if each.name == stage_name)
    model = chosen.build_model()
    model.attach_networks([stage])
    model.prepare_stage(stage, make_optimizers(stage, 1000), StepOptions())
    pictures = {name: tf.constant(each) for name, each in random_batch(method, [stage], batch, size).items()}
    if model.needs_calibration:
        model.calibrate([pictures[chosen.info.picture.batch_field].numpy()])
    step = tf.function(model.train_step)
    while link.recv():
        start = time.perf_counter()
        logs = step(pictures)
        tf.nest.map_structure(lambda each: each.numpy(), logs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGA
        link.send((time.perf_counter() - start, peak))


def measure(method: str, stage: str, size: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return seconds of a step and peak MiB for both precisions, without the first step, which compiles."""
    context = multiprocessing.get_context("spawn")
    links: dict[str, Connection] = {}
    for precision in PRECISIONS:
        links[precision], theirs = context.Pipe()
        arguments = (theirs, method, stage, size, batch, precision)
        context.Process(target=serve_steps, args=arguments, daemon=True).start()
        theirs.close()
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    peaks = {}
    for number in range(rounds + 1):
        for precision, link in links.items():
            link.send(True)
            taken, peaks[precision] = link.recv()
            if number:
                seconds[precision].append(taken)
    for link in links.values():
        link.send(False)
    both = zip(*(seconds[precision] for precision in PRECISIONS), strict=True)
    return {
        "seconds": {name: round(statistics.median(each), 3) for name, each in seconds.items()},
        "peak_mib": {name: round(each) for name, each in peaks.items()},
        "bfloat16_times_faster": round(statistics.median(slow / fast for slow, fast in both), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="drn")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measured = {
        str(size): {
            stage.name: measure(options.method, stage.name, size, options.batch, options.rounds)
            for stage in stages_of(options.method)
        }
        for size in options.sizes
    }
    write_row("stages", {"method": options.method, "batch": options.batch, "sizes": measured})


if __name__ == "__main__":
    main()
