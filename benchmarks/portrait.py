"""Time and memory of relighting a 12-megapixel portrait, the commit before against this one, side by side.

Usage: python -m benchmarks.portrait --old ../old [--rounds 7] [--photo portrait.jpg]

`--old` is a checkout of the commit to compare with (`git worktree add ../old COMMIT`). Each side is a process
with the network loaded once; they take turns, so that whatever else the machine does falls on both. A photo
is everything from file to file: read, find faces, relight, write.

Peak memory is that of the whole process (Linux only), most of it TensorFlow: `loaded_mib` is what it has
before the first photo, `idle_mib` what it has after the network and the face finder have run on a small one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from export.timing import interleaved, ratios, write_row
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture

ROOT = Path(__file__).resolve().parents[1]
SIDE = 3464  # squared, 12 megapixels
FACE = np.s_[0:150, 55:205]  # of the example, so that the face fills the picture

WORKER = """
import json, sys, time
from pathlib import Path
from tf_relight.light.light import Light
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture
from tf_relight.relighting.photos import load_for, relight_picture
from tf_relight.relighting.request import RelightOptions

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024

def once(source, target):
    begin = time.perf_counter()
    picture = read_picture(source)
    read = time.perf_counter()
    relit = relight_picture(picture, loaded, options)
    made = time.perf_counter()
    write_picture(target, relit)
    return {"read": read - begin, "relight": made - read, "write": time.perf_counter() - made}

method, small, photo, out = sys.argv[1:]
loaded = load_for(method, None)
options = RelightOptions(light=Light.from_direction(-60, 20))
start = status("VmRSS")
once(small, out)
idle = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
print(json.dumps({"loaded": start, "idle": idle}), flush=True)
for _ in sys.stdin:
    print(json.dumps(once(photo, out) | {"peak": status("VmHWM")}), flush=True)
"""


class Side:
    """A process that relights the photo whenever it is asked to."""

    def __init__(self, root: Path, words: list[str]):
        # The folder comes first on the path of `python -c`, so that each side imports its own package.
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *words],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.memory = self._answer()
        self.answers: list[dict[str, float]] = []

    def __call__(self) -> None:
        """Relight the photo once."""
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        self.answers.append(self._answer())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def parts(self) -> dict[str, float]:
        """Return the median seconds of each part."""
        names = ("read", "relight", "write")
        return {name: round(statistics.median(each[name] for each in self.answers), 3) for name in names}

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("{"):
            raise SystemExit("A side has died: are the method's weights here? Run its command alone.")
        answer: dict[str, float] = json.loads(line)
        return answer


def portrait(path: Path) -> None:
    """Write the example's face as a photo of 12 megapixels with grain."""
    face = read_picture(ROOT / "examples" / "astronaut.jpg").pixels[FACE]
    large = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    large += np.random.default_rng(0).normal(0, 0.01, (SIDE, SIDE, 1)).astype(np.float32)
    cv2.imwrite(str(path), to_u8(large)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93])


def difference(first: Path, second: Path) -> float:
    """Return the PSNR in dB between two picture files."""
    pictures = [read_picture(path).pixels.astype(np.float64) for path in (first, second)]
    return round(float(-10 * np.log10(np.mean(np.square(pictures[0] - pictures[1])) + 1e-12)), 2)


def main() -> None:
    """Measure and append one json row to `results/portrait.jsonl`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=Path, required=True, help="checkout of the commit to compare with")
    parser.add_argument("--photo", type=Path, help="a portrait; without it the example's face is made large")
    parser.add_argument("--method", default="dpr512")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    roots = {"old": options.old.resolve(), "new": ROOT}
    with tempfile.TemporaryDirectory() as folder:
        photo, small = options.photo, Path(folder) / "small.png"
        if photo is None:
            photo = Path(folder) / "portrait.jpg"
            portrait(photo)
        pixels = read_picture(photo).pixels
        cv2.imwrite(str(small), to_u8(cv2.resize(pixels, (640, 640)))[..., ::-1])
        made = {name: Path(folder) / f"{name}.jpg" for name in roots}
        words = {name: [options.method, str(small), str(photo.resolve()), str(made[name])] for name in roots}
        sides = {name: Side(root, words[name]) for name, root in roots.items()}
        seconds = interleaved(sides, options.rounds)
        psnr = difference(*made.values())
        for side in sides.values():
            side.close()
    megapixels = round(pixels.shape[0] * pixels.shape[1] / 1e6, 1)
    write_row("portrait", {"megapixels": megapixels, **row_of(sides, seconds), "psnr_old_new": psnr})


def row_of(sides: dict[str, Side], seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return what is written down of both sides."""
    return {
        "seconds": {name: round(statistics.median(runs), 3) for name, runs in seconds.items()},
        "best_seconds": {name: round(min(runs), 3) for name, runs in seconds.items()},
        "times_faster": ratios(seconds, "old")["new"],
        "parts": {name: side.parts() for name, side in sides.items()},
        "loaded_mib": {name: side.memory["loaded"] for name, side in sides.items()},
        "idle_mib": {name: side.memory["idle"] for name, side in sides.items()},
        "peak_mib": {name: max(each["peak"] for each in side.answers) for name, side in sides.items()},
    }


if __name__ == "__main__":
    main()
