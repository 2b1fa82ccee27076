"""Time of `relight video` on a film of 1080 lines with one face, as a whole command.

Usage: python -m benchmarks.film [--old ../old] [--frames 48] [--rounds 3]

`--old` is a checkout of the commit to compare with; both run with this interpreter, in turn. The film moves
slowly over the example's portrait, with grain. Beside the seconds that pass stand those that the processor
worked, and the PSNR between the frames of both results.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from export.timing import write_row
from tf_relight.films.film import Film, FilmWriter, Frame
from tf_relight.photo.reading import read_picture
from tf_relight.scoring.metrics import psnr

ROOT = Path(__file__).resolve().parents[1]
SIZE, RATE = (1080, 1920), 24


def write_film(path: Path, frames: int) -> None:
    """Write the film."""
    face = read_picture(ROOT / "examples" / "astronaut.jpg").pixels
    large = cv2.resize(face, (2300, 2300), interpolation=cv2.INTER_CUBIC) * 255
    rng = np.random.default_rng(0)
    with FilmWriter(path, SIZE, Fraction(RATE)) as writer:
        for index in range(frames):
            top, left = int(40 + 30 * np.cos(index / 9)), int(100 + 90 * np.sin(index / 12))
            part = large[top : top + SIZE[0], left : left + SIZE[1]]
            pixels = np.clip(part + rng.normal(0, 2, part.shape), 0, 255).astype(np.uint8)
            writer.write(Frame(Fraction(index, RATE), pixels))


def once(root: Path, film: Path, out: Path) -> tuple[float, float]:
    """Relight the film; return the seconds that passed and those that the processor worked."""
    words = ["-m", "tf_relight", "video", str(film), "-o", str(out), "--from", "left"]
    begin = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen([sys.executable, *words], cwd=root, **quiet)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"The command failed in {root}: run it there alone.")
    return seconds, used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and append one json row to `results/film.jsonl`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=Path, help="checkout of the commit to compare with")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    roots = {"new": ROOT} if options.old is None else {"old": options.old.resolve(), "new": ROOT}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in roots}
    row: dict[str, Any] = {"frames": options.frames, "size": list(SIZE)}
    with tempfile.TemporaryDirectory() as name:
        film, outs = Path(name) / "film.mp4", {side: Path(name) / f"{side}.mp4" for side in roots}
        write_film(film, options.frames)
        for _ in range(options.rounds):
            for side, root in roots.items():
                runs[side].append(once(root, film, outs[side]))
        for side, found in runs.items():
            seconds, processor = (statistics.median(each) for each in zip(*found, strict=True))
            row[side] = {
                "frames_per_second": round(options.frames / seconds, 2),
                "processor_per_frame": round(processor / options.frames, 3),
                "bytes": outs[side].stat().st_size,
            }
        if "old" in roots:
            for place, what in enumerate(("seconds", "processor")):
                pairs = zip(runs["old"], runs["new"], strict=True)
                row[f"times_fewer_{what}"] = round(
                    statistics.median(a[place] / b[place] for a, b in pairs), 2
                )
            pairs = zip(Film(outs["old"]), Film(outs["new"]), strict=True)
            row["least_psnr_old_new"] = round(min(psnr(a.pixels, b.pixels) for a, b in pairs), 2)
    write_row("film", row)


if __name__ == "__main__":
    main()
