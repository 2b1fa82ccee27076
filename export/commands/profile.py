"""`python -m export profile`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import console


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "profile",
        help="show which operations of a file or a SavedModel take the time",
        description="Time every operation of a .tflite file alone, or trace a SavedModel in TensorFlow. The "
        "machine should have nothing else to do.",
        example="relight export profile phone/dmshn_static_int8.tflite --size 256",
    )
    parser.set_defaults(command=profile)
    parser.add_argument("target", metavar="TARGET", help=".tflite file, or version folder of a SavedModel")
    parser.add_argument("--size", type=int, default=256, metavar="N", help="side in pixels; default: 256")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--record", action="store_true", help="append a row to benchmarks/results/export_profile.jsonl"
    )


def profile(*, target: str, size: int, threads: int, record: bool) -> int:
    """Profile one file, print the tables and append the row if asked.

    Raises:
        RelightError: as in `export.proof.profile.profile`.
    """

    from export.proof.profile import profile as profile_target
    from export.proof.profile import tables
    from export.timing import append_row, command_line

    found = profile_target(target, size, threads, progress=True)
    console().print(*tables(found))
    console().print(
        f"{found.name}, {size} px, {threads} thread{'s' * (threads > 1)}: "
        f"{1000 * found.whole:.1f} ms, its operations {1000 * found.total:.1f} ms"
    )
    if record:
        append_row("export_profile", found.row(), command_line())
    return 0
