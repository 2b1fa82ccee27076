"""`relight export check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tf_relight.terminal import console, note, say

if TYPE_CHECKING:
    from pathlib import Path


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="prove that exported .tflite and .onnx files kept the network's numbers",
        description="Compare each file of DIR/manifest.json with the trained network in Keras: errors in "
        "both runtimes, what the delegates take, size, and the loss against true pictures. Writes check.md "
        "and check.csv into DIR and the scores into the manifest. Files of `relight export onnx` in DIR are "
        "compared in ONNX Runtime. The exit code is 1 when a bound is missed.",
        example="relight export check phone/",
    )
    parser.set_defaults(command=check)
    parser.add_argument("folder", metavar="DIR", help="folder with manifest.json, with .onnx files, or both")
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
        "--no-older",
        action="store_true",
        help="leave out TensorFlow Lite 2.16.1, which is asked where a JDK, gcc and its archives are at hand",
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
    no_older: bool,
    record: bool,
) -> int:
    """Check a folder, print and write the table; 1 when a bound is missed.

    Raises:
        RelightError: as in `export.proof.check.check_folder`.
    """
    from pathlib import Path

    place = None if images is None else Path(images)
    onnx = sorted(Path(folder).glob("*.onnx"))
    good = _check_onnx(onnx, place, weights)
    if onnx and not (Path(folder) / "manifest.json").exists():
        return 0 if good else 1

    from export.litert.older.runtime import VERSION
    from export.proof.check import CheckOptions, check_folder, store_scores
    from export.proof.check_table import WIDTH, rows, terminal_table, write_tables
    from export.timing import append_row, command_line, hardware

    given: dict[str, Any] = {"truth": truth, "threads": threads, "weights": weights}
    options = CheckOptions(
        images=place,
        gpu=gpu,
        older=not no_older,
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
    for reason in sorted(
        {each.older.note for each in checks if each.older is not None and each.older.skipped}
    ):
        note(f"TensorFlow Lite {VERSION} was not asked: {reason}.", program="export")
    say(f"Table: {folder}/check.md and {folder}/check.csv")
    return 0 if good and all(each.good for each in checks) else 1


def _check_onnx(paths: Sequence[Path], images: Path | None, weights: str | None) -> bool:
    """Compare .onnx files with Keras and print a line for each; whether all are near enough."""
    good = True
    for path in paths:
        from export.proof.onnx_check import MOST, check_onnx

        found = check_onnx(path, images=images, weights=weights)
        errors = ", ".join(f"{name} {error:.1e}" for name, error in found.errors.items())
        told = f"{found.size / 1e6:.2f} MB, {found.side} px, {found.pictures} pictures"
        say(f"{path}: {told}; largest error {errors}")
        if not found.good:
            note(f"{path.name}: the largest error should be {MOST:g} at most", program="export")
            good = False
    return good
