"""Time and memory of a whole command from a cold shell: a portrait, a large one, and a folder of portraits.

Usage: python -m benchmarks.cold [--old ../old] [--keras] [--rounds 5] [--photos 100]

`--old` is a checkout of the commit to compare with (`git worktree add ../old COMMIT`), `--keras` is this one
with `--engine keras`, which imports TensorFlow; all run `python -m tf_relight image PHOTO -o OUT --from left`
with this interpreter, in turn. Beside the seconds
that pass stand those that the processor worked, which say more where other work runs beside. Peak memory is
that of the largest process (Linux, Mac).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from export.timing import write_row
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture

ROOT = Path(__file__).resolve().parents[1]


def large_portrait(megapixels: float) -> np.ndarray:
    """Return the example's face as a photo with grain, (H, W, 3) BGR 0..1."""
    face = read_picture(ROOT / "examples" / "astronaut.jpg").pixels
    side = round((megapixels * 1e6) ** 0.5)
    large = cv2.resize(face[:205, 30:235], (side, side), interpolation=cv2.INTER_CUBIC)
    large += np.random.default_rng(0).normal(0, 0.01, (side, side, 1)).astype(np.float32)
    return np.ascontiguousarray(np.clip(large, 0, 1)[..., ::-1])


def portrait(path: Path, megapixels: float) -> None:
    """Write it as a JPEG."""
    # In a process of its own: a child's peak begins with what its parent has in memory.
    maker = multiprocessing.get_context("spawn").Process(target=_write, args=(path, megapixels))
    maker.start()
    maker.join()


def _write(path: Path, megapixels: float) -> None:
    cv2.imwrite(str(path), to_u8(large_portrait(megapixels)), [cv2.IMWRITE_JPEG_QUALITY, 93])


Side = tuple[Path, tuple[str, ...]]
"""A checkout, and more words of the command."""


def once(side: Side, source: Path, out: Path) -> dict[str, float]:
    """Run the command once; return seconds, seconds of the processor, and peak MiB."""
    root, more = side
    words = [sys.executable, "-m", "tf_relight", "image", str(source), "-o", str(out), "--from", "left"]
    words += more
    if out.is_dir():
        shutil.rmtree(out)
    out.unlink(missing_ok=True)
    begin = time.perf_counter()
    # Users' Python keeps what it compiled of the modules.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(words, cwd=root, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"The command failed in {root}: run it there alone.")
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return {
        "seconds": seconds,
        "processor": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / scale,
    }


def measured(sides: dict[str, Side], source: Path, out: Path, rounds: int) -> dict[str, Any]:
    """Return the medians of each side and how many times faster the new one is."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            found = once(side, source, out)
            if number:  # the first one fills the caches of the disk
                runs[name].append(found)
    row: dict[str, Any] = {
        name: {what: round(statistics.median(each[what] for each in found), 3) for what in found[0]}
        for name, found in runs.items()
    }
    for name in set(runs) - {"new"}:
        for what in ("seconds", "processor"):
            pairs = zip(runs[name], runs["new"], strict=True)
            row[f"times_fewer_{what}_than_{name}"] = round(
                statistics.median(a[what] / b[what] for a, b in pairs), 2
            )
    return row


def main() -> None:
    """Measure and append one json row to `results/cold.jsonl`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=Path, help="checkout of the commit to compare with")
    parser.add_argument("--keras", action="store_true", help="also compare with --engine keras")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=100, help="in the folder; 0 leaves it out")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12], help="of the portraits")
    options = parser.parse_args()
    sides: dict[str, Side] = {} if options.old is None else {"old": (options.old.resolve(), ())}
    if options.keras:
        sides["keras"] = ROOT, ("--engine", "keras")
    sides["new"] = ROOT, ()
    row: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        portrait(folder / "1.jpg", 1)
        for megapixels in options.megapixels:
            photo = folder / f"{megapixels:g}.jpg"
            portrait(photo, megapixels)
            row[f"{megapixels:g}_megapixels"] = measured(sides, photo, folder / "out.jpg", options.rounds)
        if options.photos:
            many = folder / "many"
            many.mkdir()
            for index in range(options.photos):
                shutil.copy(folder / "1.jpg", many / f"{index:03d}.jpg")
            row["folder"] = {"photos": options.photos, "new": once(sides["new"], many, folder / "many_out")}
            found = row["folder"]["new"]
            row["folder"]["photos_per_second"] = round(options.photos / found["seconds"], 2)
            row["folder"]["processor_per_photo"] = round(found["processor"] / options.photos, 3)
    write_row("cold", row)


if __name__ == "__main__":
    main()
