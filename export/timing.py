"""Interleaved timing and the json row every benchmark writes."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tf_relight.terminal import say_lines

_COMMITTED = Path(__file__).parents[1] / "benchmarks" / "results"
RESULTS = _COMMITTED if _COMMITTED.is_dir() else Path("results")
"""Where rows go: those of a checkout are committed; an installed package writes below the current folder."""


def interleaved(
    sides: dict[str, Callable[[], Any]], rounds: int = 5, warmup: int = 1
) -> dict[str, list[float]]:
    """Run the sides in turn, A B A B ..., and return the seconds of each counted run.

    Taking turns makes ratios hold when the machine's speed drifts.
    """
    for _ in range(warmup):
        for run in sides.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds: dict[str, list[float]], base: str) -> dict[str, float]:
    """Return, per side, the median over rounds of base time / side time: how many times faster it is."""
    return {
        name: round(statistics.median(b / s for b, s in zip(seconds[base], runs, strict=True)), 3)
        for name, runs in seconds.items()
    }


def hardware() -> str:
    """Return the processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        flags = {"amx_bf16", "avx512_bf16"} & set(cpuinfo.read_text().split())
        name = f"{models[0].partition(':')[2].strip()} ({', '.join(sorted(flags)) or 'no bf16'})"
    return f"{name}, {os.cpu_count()} cores"


def write_row(benchmark: str, row: dict[str, Any]) -> None:
    """Print the row and append it as `append_row` does, with the benchmark's own command."""
    command = " ".join(["python", "-m", f"benchmarks.{benchmark}", *_typed()])
    say_lines(json.dumps(append_row(benchmark, row, command), indent=1))


def command_line() -> str:
    """Return what was typed to run this process, for a row: "relight export check phone/"."""
    program = Path(sys.argv[0])
    module = __name__.rpartition(".")[0] if program.parent.name == "export" else program.parent.name
    name = f"python -m {module}" if program.name == "__main__.py" else program.stem
    return " ".join([name, *_typed()])


def _typed() -> list[str]:
    """The arguments; of a whole path only its last name, as others have other folders."""
    return [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]


def append_row(benchmark: str, row: dict[str, Any], command: str) -> dict[str, Any]:
    """Append the row to `results/<benchmark>.jsonl` with the command, hardware and load; return it whole."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    full = {
        "command": command,
        "hardware": hardware(),
        "load": load,
        "date": time.strftime("%Y-%m-%d"),
        **row,
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{benchmark}.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(full) + "\n")
    return full


def compare(benchmark: str, sides: dict[str, Callable[[], Any]], rounds: int, **settings: Any) -> None:
    """Time sides in turn and write the row of ratios; the originals' names begin with "original"."""
    seconds = interleaved(sides, rounds, warmup=2)
    originals = [name for name in sides if name.startswith("original")]
    best = min(originals, key=lambda name: statistics.median(seconds[name]))
    row = {
        **settings,
        "seconds": {name: round(statistics.median(runs), 4) for name, runs in seconds.items()},
        "times_faster_than_original": ratios(seconds, "original"),
        "best_original": best,
        "times_faster_than_best_original": ratios(seconds, best),
    }
    write_row(benchmark, row)
