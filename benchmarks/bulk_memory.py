"""Memory of `relight bulk` over very many photos: it must not grow with their number.

Usage: python -m benchmarks.bulk_memory [--photos 100000] [--side 32] [--workers 1] [--minutes 25]

The photos are tiny and the network is small (a U-Net of width 4 without training, on LiteRT), so that their
number counts and not their size. With one worker all happens in one process; with more, on a Ray cluster of
this machine. Every second the proportional set sizes of all processes of the job are added (Linux).
`--minutes` ends a run that takes longer; the row then says how many photos it did.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from export.timing import write_row
from tf_relight.photo.reading import read_picture

ROOT = Path(__file__).resolve().parents[1]
MARK = "RELIGHT_BENCHMARK"
DIFFERENT = 100
"""Pictures of which the photos are names (hard links)."""
SHARES = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def write_photos(folder: Path, count: int, side: int) -> None:
    """Write many tiny photos, a thousand a folder."""
    face = read_picture(ROOT / "examples" / "astronaut.jpg").pixels
    small = cv2.resize(face[:205, 30:235], (side, side), interpolation=cv2.INTER_AREA)
    models = [folder.parent / f"model{index}.png" for index in range(DIFFERENT)]
    for index, model in enumerate(models):
        noise = np.random.default_rng(index).normal(0, 0.02, small.shape)
        cv2.imwrite(str(model), np.rint(np.clip(small + noise, 0, 1) * 255).astype(np.uint8)[..., ::-1])
    for number in range(count):
        place = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        os.link(models[number % DIFFERENT], place / f"{number:07d}.png")


def write_weights(path: Path, side: int) -> None:
    """Write a small network and make it ready for LiteRT, in a process of its own: TensorFlow is large."""
    code = (
        "import sys\n"
        "from tf_relight import methods\n"
        "from tf_relight.methods.trained import save_weights\n"
        "from tf_relight.relighting.network import prepare_weights\n"
        "method = methods.get('unet')\n"
        "config = method.config({'width': 4, 'levels': 2})\n"
        "save_weights(method.build_model(config), sys.argv[1], method='unet', config=config,"
        " size=int(sys.argv[2]))\n"
        "prepare_weights(sys.argv[1], [int(sys.argv[2])])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(side)], cwd=ROOT, check=True)


def processes(mark: str) -> dict[int, str]:
    """Return the processes of the job: number and command."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
    return found


def mebibytes(pid: int) -> float:
    """Return the proportional set size of a process, 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def sample(mark: str, driver: int) -> dict[str, float]:
    """Return MiB of the command itself, of its workers, and of the rest of Ray."""
    found = {"command": 0.0, "workers": 0.0, "ray": 0.0}
    for pid, command in processes(mark).items():
        kind = "command" if pid == driver else "workers" if "MapWorker" in command else "ray"
        found[kind] += mebibytes(pid)
    return found


def done(out: Path) -> int:
    """Return how many photos are done, as the manifest tells."""
    parts = out / ".relight" / "done"
    with contextlib.suppress(OSError):
        return sum(1 for _ in os.scandir(parts))
    return 0


def measured(folder: Path, weights: Path, photos: int, workers: int, minutes: float) -> dict[str, Any]:
    """Run the job and return a row."""
    source, out = folder / "in", folder / "out"
    mark = uuid.uuid4().hex
    words = ["bulk", source, out, "--method", "unet", "--weights", weights, "--workers", workers]
    call = [sys.executable, "-m", "tf_relight", *map(str, words), "--engine", "litert"]
    begin = time.monotonic()
    process = subprocess.Popen(call, cwd=ROOT, env={**os.environ, MARK: mark}, stdout=subprocess.DEVNULL)
    samples: list[tuple[int, dict[str, float]]] = []
    ended = False
    while process.poll() is None:
        time.sleep(1)
        files = done(out) * 16
        if files:
            samples.append((files, sample(mark, process.pid)))
        if time.monotonic() - begin > 60 * minutes and not ended:
            ended = True
            process.send_signal(signal.SIGINT)
    seconds = time.monotonic() - begin
    if process.returncode and not ended:
        raise SystemExit(f"The job failed: {' '.join(call)}")
    finished = sum(1 for _ in out.rglob("*.png")) if ended else photos
    steps = {}
    for share in SHARES:
        near = min(samples, key=lambda each: abs(each[0] - share * finished))
        steps[f"{round(share * finished)}"] = {kind: round(value) for kind, value in near[1].items()}
    totals = [(count, sum(each.values())) for count, each in samples]
    first = max(value for count, value in totals if count <= 0.2 * finished)
    last = max(value for count, value in totals if count >= 0.8 * finished)
    return {
        "photos": photos,
        "photos_done": finished,
        "workers": workers,
        "photos_per_second": round(finished / seconds, 1),
        "peak_mib": round(max(value for _, value in totals)),
        "peak_mib_first_fifth": round(first),
        "peak_mib_last_fifth": round(last),
        "mib_after_photos": steps,
    }


def main() -> None:
    """Measure and append one json row to `results/bulk_memory.jsonl`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=32, help="of the photos and of the network")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=25, help="at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photos(folder / "in", options.photos, options.side)
        write_weights(folder / "small.safetensors", options.side)
        row = measured(folder, folder / "small.safetensors", options.photos, options.workers, options.minutes)
    write_row("bulk_memory", {"side": options.side, **row})


if __name__ == "__main__":
    main()
