"""What one core of this machine can do at most, and how near the parts of a relit photo come to it.

Usage: python -m benchmarks.limits [--megapixels 12] [--rounds 5]

Everything is timed in seconds that a core worked, over all threads, so that other work beside it matters
little; the best of the rounds counts. The bounds are a float32 matrix product (arithmetic) and a copy of
memory (bytes moved). The parts are those of `relight image` on a JPEG: decoding, telling faces and people,
the network that ships for portraits on LiteRT, the change brought to full size, encoding.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from export.timing import write_row
from tf_relight import litert
from tf_relight.photo.faces import find_faces
from tf_relight.photo.lightness import lightness
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import to_u8
from tf_relight.photo.transfer import LIGHTNESS_FOOT, transfer

SIDE = 1024
"""Of the matrices."""


def best(run: Callable[[], Any], rounds: int) -> float:
    """Return the fewest seconds of the processor that a call took, after one that warms up."""
    run()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def network_seconds(rounds: int) -> tuple[float, int]:
    """Return the seconds of one run of the portrait network that ships, and its side in pixels."""
    from tf_relight.contract import usual
    from tf_relight.networks.running import training_size
    from tf_relight.relighting.photos import load_for

    loaded = load_for(usual.PORTRAIT_METHOD, None, "litert")
    side = training_size(loaded)
    info = loaded.method.info
    inputs: dict[str, Any] = {
        info.picture.name: np.full((side, side, 1), 0.5, np.float32),
        info.light.name: np.zeros((9, 1), np.float32),
    }
    return best(lambda: loaded.method.predict(loaded.model, **inputs), rounds), side


def main() -> None:
    """Measure and append one json row to `results/limits.jsonl`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    litert.use_cores(1)
    rng = np.random.default_rng(0)
    matrix = rng.random((SIDE, SIDE), np.float32)
    block = np.zeros(64 << 20, np.uint8)
    target = np.empty_like(block)
    product = best(lambda: matrix @ matrix, options.rounds)
    copy = best(lambda: np.copyto(target, block), options.rounds)
    from benchmarks.cold import large_portrait

    photo = to_u8(large_portrait(options.megapixels))
    jpeg = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
    pixels = photo[..., ::-1].copy()
    faces = find_faces(pixels)
    small = cv2.resize(lightness(pixels), (512, 512), interpolation=cv2.INTER_AREA)[..., None]
    full = lightness(pixels)[..., None]
    relit = np.clip(small * 1.2, 0, 1)
    seconds = {
        "decode": best(lambda: cv2.imdecode(jpeg, cv2.IMREAD_COLOR), options.rounds),
        "faces": best(lambda: find_faces(pixels), options.rounds),
        "people": best(lambda: person_mask(pixels, faces), options.rounds),
        "lightness": best(lambda: lightness(pixels), options.rounds),
        "transfer": best(lambda: transfer(full, small, relit, foot=LIGHTNESS_FOOT), options.rounds),
        "encode": best(lambda: cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 93]), options.rounds),
    }
    seconds["network_run"], side = network_seconds(options.rounds)
    write_row(
        "limits",
        {
            "megapixels": options.megapixels,
            "matrix_gflop_per_s": round(2 * SIDE**3 / product / 1e9, 1),
            "copy_gb_per_s": round(2 * block.nbytes / copy / 1e9, 1),
            "network_side": side,
            "processor_seconds": {name: round(value, 4) for name, value in seconds.items()},
        },
    )


if __name__ == "__main__":
    main()
