"""`python -m export bench`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import console, note


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bench",
        help="time exported .tflite files beside the network in Keras",
        description="Time Keras in float32, bfloat16 and with XLA, a SavedModel if one is given, and each "
        "file of DIR/manifest.json. The sides take turns, each in its own process. One row with command "
        "and hardware is appended to benchmarks/results/export.jsonl.",
        example="relight export bench phone/ --sizes 256 --threads 2",
    )
    parser.set_defaults(command=bench)
    parser.add_argument("folder", metavar="DIR", help="folder with manifest.json")
    parser.add_argument("--savedmodel", metavar="DIR", help="version folder, such as models/dmshn/1")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="default: 256 512 1024")
    parser.add_argument("--threads", type=int, nargs="+", metavar="N", help="default: 1 2")
    parser.add_argument("--rounds", type=int, metavar="N", help="counted turns of each side; default: 7")
    parser.add_argument("--runtime", choices=("interpreter", "compiled_model"), help="default: interpreter")
    parser.add_argument("--weights", metavar="W", help="weights file, where the manifest's are elsewhere")
    parser.add_argument("--no-record", action="store_true", help="append no row")


def bench(
    *,
    folder: str,
    savedmodel: str | None,
    sizes: list[int] | None,
    threads: list[int] | None,
    rounds: int | None,
    runtime: str | None,
    weights: str | None,
    no_record: bool,
) -> int:
    """Time a folder, print the table and append the row.

    Raises:
        RelightError: as in `export.proof.bench.bench_folder`.
    """
    from pathlib import Path

    from export.proof.bench import WIDTH, BenchOptions, bench_folder, busy, terminal_table
    from export.timing import append_row, command_line

    given: dict[str, Any] = {"rounds": rounds, "runtime": runtime, "weights": weights}
    given |= {"sizes": sizes and tuple(sizes), "threads": threads and tuple(threads)}
    options = BenchOptions(
        savedmodel=None if savedmodel is None else Path(savedmodel),
        **{name: value for name, value in given.items() if value is not None},
    )
    warning = busy()
    if warning is not None:
        note(warning, program="export")
    wide = console(width=max(console().width, WIDTH))
    for method, timings in bench_folder(folder, options).items():
        wide.print(f"[bold]{method}[/bold]", terminal_table(timings))
        if not no_record:
            row = {
                "method": method,
                "runtime": options.runtime,
                "rounds": options.rounds,
                "busy": warning is not None,
                "sides": [each.row() for each in timings],
            }
            append_row("export", row, command_line())
    return 0
