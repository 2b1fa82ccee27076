"""The table of a check: for the terminal, for people (check.md) and for programs (check.csv)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.litert.older.runtime import VERSION as OLDER
from export.proof.file_check import FileCheck, GpuScore, OlderScore, RuntimeScore
from tf_relight.files import atomic_path, write_text

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "n/a"
SHORT = (
    "file",
    "of fp32",
    "PSNR dB",
    "2.16.1 dB",
    "max error",
    "XNNPACK",
    "truth dB (loss)",
    "GPU",
    "verdict",
)
WIDTH = 122
"""Characters that the short table takes with the longest file names."""


def rows(checks: Sequence[FileCheck]) -> list[dict[str, Any]]:
    """Return one flat row per file, as check.csv has it; None where nothing was measured.

    PSNR in dB and errors on 0..1 are against Keras in float32, "truth" against true pictures in 8 bit.
    """
    made = []
    for check in checks:
        row: dict[str, Any] = {
            "file": check.record.name,
            "method": check.record.method,
            "quantisation": check.record.quantisation,
            "sizes": " ".join(map(str, check.record.sizes)),
            "bytes": check.record.size_bytes,
            "size_ratio": check.size_ratio,
        }
        for runtime in ("interpreter", "compiled_model"):
            score = check.runtimes.get(runtime)
            for column in (each.name for each in fields(RuntimeScore)):
                row[f"{runtime}_{column}"] = None if score is None else getattr(score, column)
        row |= {
            "operations": check.operations or None,
            "delegated": check.delegated if check.operations else None,
            "partitions": check.partitions if check.operations else None,
            "forbidden": "; ".join(check.forbidden),
        }
        truth = check.truth
        for column in ("pictures", "size", "keras_psnr", "psnr", "loss", "keras_ssim", "ssim"):
            row[f"truth_{column}"] = None if truth is None else getattr(truth, column)
        row |= {
            "gpu_psnr": None if check.gpu is None else check.gpu.psnr,
            "gpu_note": "" if check.gpu is None else check.gpu.note,
            "older_psnr": None if check.older is None else check.older.psnr,
            "older_max_error": None if check.older is None else check.older.max_error,
            "older_note": "" if check.older is None else check.older.note,
            "good": check.good,
            "complaints": "; ".join(check.complaints),
        }
        made.append(row)
    return made


def columns(checks: Sequence[FileCheck]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells that people read."""
    lights = any(score.light_error is not None for check in checks for score in check.runtimes.values())
    headings = ["file", "MB", "of fp32", "PSNR dB", "2.16.1 dB", "max error", "mean error"]
    headings += ["light error"] if lights else []
    headings += ["XNNPACK", "parts", "truth dB (loss)", "truth SSIM", "GPU", "verdict"]
    return headings, [_cells(check, lights) for check in checks]


def terminal_table(checks: Sequence[FileCheck]) -> Table:
    """Return the columns that matter most, for a terminal; check.md has them all."""
    from rich.table import Table

    headings, cells = columns(checks)
    table = Table()
    for heading in SHORT:
        left = heading in ("file", "verdict")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for check, row in zip(checks, cells, strict=True):
        shown = [row[headings.index(heading)] for heading in SHORT]
        table.add_row(*shown, style=None if check.good else "red")
    return table


def write_tables(folder: Path, checks: Sequence[FileCheck], *, command: str, hardware: str) -> None:
    """Write check.md and check.csv into a folder; raises RelightError where they cannot be written."""
    flat = rows(checks)
    with (
        atomic_path(folder / "check.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    write_text(folder / "check.md", markdown(checks, command=command, hardware=hardware))


def markdown(checks: Sequence[FileCheck], *, command: str, hardware: str) -> str:
    """Return the table as Markdown, with what was run and where, and every complaint in full."""
    headings, cells = columns(checks)
    lines = [
        f"`{command}` on {hardware}.",
        "",
        "PSNR (the worst picture of all), errors and XNNPACK's share are the worse of LiteRT's two runtimes "
        f'and of all sizes; "{OLDER} dB" is TensorFlow Lite {OLDER} at the smallest size. They compare with '
        "Keras in float32, after 8-bit training with the float network that it "
        "followed. Truth: mean over embedded validation pictures.",
        "",
        "| " + " | ".join(headings) + " |",
        "|" + "---|" * len(headings),
        *("| " + " | ".join(row) + " |" for row in cells),
    ]
    complaints = [f"- {check.record.name}: {text}" for check in checks for text in check.complaints]
    skipped = {check.gpu.note for check in checks if check.gpu is not None and check.gpu.skipped}
    notes = [f"- The GPU was not asked: {note}." for note in sorted(skipped)]
    unasked = {check.older.note for check in checks if check.older is not None and check.older.skipped}
    notes += [f"- TensorFlow Lite {OLDER} was not asked: {note}." for note in sorted(unasked)]
    return "\n".join([*lines, *([""] if complaints or notes else []), *complaints, *notes]) + "\n"


def _cells(check: FileCheck, lights: bool) -> list[str]:
    scores = list(check.runtimes.values())
    measured = bool(scores)
    light = max((score.light_error or 0.0 for score in scores), default=0.0)
    truth = check.truth
    cells = [
        check.record.name,
        f"{check.record.size_bytes / 1e6:.2f}",
        NOTHING if check.size_ratio is None else f"{check.size_ratio:.3f}",
        f"{min(score.psnr for score in scores):.1f}" if measured else NOTHING,
        _elsewhere(check.older, "{:.1f}"),
        f"{max(score.max_error for score in scores):.1e}" if measured else NOTHING,
        f"{max(score.mean_error for score in scores):.1e}" if measured else NOTHING,
    ]
    cells += [f"{light:.1e}" if measured else NOTHING] if lights else []
    return [
        *cells,
        f"{check.delegated}/{check.operations}" if measured else NOTHING,
        str(check.partitions) if measured else NOTHING,
        NOTHING if truth is None else f"{truth.psnr:.2f} ({truth.loss:+.3f})",
        NOTHING if truth is None else f"{truth.ssim:.4f} ({truth.keras_ssim - truth.ssim:+.4f})",
        _elsewhere(check.gpu, "{:.0f} dB"),
        "good" if check.good else "FAILED" if check.failure else "missed",
    ]


def _elsewhere(side: GpuScore | OlderScore | None, form: str) -> str:
    """What a run on another runtime or delegate came to; `form` writes its PSNR."""
    if side is None:
        return "-"
    if side.skipped:
        return "skipped"
    return "refused" if side.psnr is None else form.format(side.psnr)
