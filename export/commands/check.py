"""`python -m export check`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import console, note, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="prove that exported .tflite files kept the network's numbers",
        description="Compare each file of DIR/manifest.json with the trained network in Keras: errors in "
        "both runtimes, what the delegates take, size, and the loss against true pictures. Writes check.md "
        "and check.csv into DIR and the scores into the manifest. The exit code is 1 when a bound is missed.",
        example="relight export check phone/",
    )
    parser.set_defaults(command=check)
    parser.add_argument("folder", metavar="DIR", help="folder with manifest.json")
    parser.add_argument(
        "--images", metavar="FOLDER", help="pictures to compare on; those of `relight examples` by default"
    )
    parser.add_argument(
        "--truth",
        type=int,
        metavar="N",
        help="embedded validation pictures for the loss against the truth; 0 leaves it out; default 16",
    )
    parser.add_argument("--weights", metavar="W", help="weights file, where the manifest's are elsewhere")
    parser.add_argument("--threads", type=int, metavar="N", help="of the runtimes; all cores by default")
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="also ask LiteRT's GPU delegate, on the software Vulkan driver that comes with Chromium; slow",
    )
    parser.add_argument(
        "--record", action="store_true", help="also append the rows to benchmarks/results/export_check.jsonl"
    )


def check(
    *,
    folder: str,
    images: str | None,
    truth: int | None,
    weights: str | None,
    threads: int | None,
    gpu: bool,
    record: bool,
) -> int:
    """Check a folder, print and write the table; 1 when a bound is missed.

    Raises:
        RelightError: as in `export.proof.check.check_folder`.
    """
    from pathlib import Path

    from export.proof.check import CheckOptions, check_folder, store_scores
    from export.proof.check_table import WIDTH, rows, terminal_table, write_tables
    from export.timing import append_row, command_line, hardware

    given: dict[str, Any] = {"truth": truth, "threads": threads, "weights": weights}
    options = CheckOptions(
        images=None if images is None else Path(images),
        gpu=gpu,
        **{name: value for name, value in given.items() if value is not None},
    )
    checks = check_folder(folder, options)
    command = command_line()
    write_tables(Path(folder), checks, command=command, hardware=hardware())
    store_scores(Path(folder), checks)
    if record:
        for row in rows(checks):
            append_row("export_check", row, command)
    # Cut columns help nobody, so a narrow terminal wraps whole lines.
    console(width=max(console().width, WIDTH)).print(terminal_table(checks))
    for each in checks:
        for complaint in each.complaints:
            note(f"{each.record.name}: {complaint}", program="export")
        if each.gpu is not None and each.gpu.skipped:
            note(f"{each.record.name}: the GPU was not asked: {each.gpu.note}.", program="export")
    say(f"Table: {folder}/check.md and {folder}/check.csv")
    return 0 if all(each.good for each in checks) else 1
