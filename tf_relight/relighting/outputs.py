"""Which file each photo is written to, decided and checked before the work begins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tf_relight.errors import RelightError
from tf_relight.photo.listing import Found, find_pictures, left_out_note
from tf_relight.photo.writing import WRITTEN_SUFFIXES, check_can_write

Existing = Literal["refuse", "overwrite", "skip"]
"""What is done about results that exist already: an error before any work, made anew, or kept."""


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        jobs: each photo with the file to write.
        skipped: photos whose result exists already and is kept, with that file.
        left_out: how many files and folders of each kind are no part of it; see `listing.Found`.
    """

    jobs: tuple[tuple[Path, Path], ...]
    skipped: tuple[tuple[Path, Path], ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the plan for machines."""
        return {
            "planned": _pairs(self.jobs),
            "skipped": _pairs(self.skipped),
            "left_out": dict(self.left_out),
        }


@dataclass
class Report:
    """What a run did.

    Attributes:
        written: the files made, in order.
        sources: the photos of `written`.
        skipped: photos whose result existed already and was kept, with that file.
        left_out: how many files and folders of each kind were no part of it; see `listing.Found`.
        failures: one sentence per photo that was left out; it names the file.
        failed: the photos of `failures`.
        notes: one sentence for each thing that a file or a format could not keep.
        seconds: time for the photos, without loading the network.
    """

    written: list[Path] = field(default_factory=list)
    sources: list[Path] = field(default_factory=list)
    skipped: tuple[tuple[Path, Path], ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    failed: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or RelightError's code when a photo failed."""
        return RelightError.exit_code if self.failures else 0

    @property
    def summary(self) -> str:
        """One sentence that counts everything; nothing is silent."""
        counts = [f"{len(self.written)} written"]
        counts += [f"{len(self.skipped)} skipped, as they exist already"] if self.skipped else []
        counts += [f"{len(self.failures)} failed"] if self.failures else []
        return f"{', '.join(counts)}. {left_out_note(self.left_out)}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        failed = zip(self.failed, self.failures, strict=True)
        return {
            "written": _pairs(zip(self.sources, self.written, strict=True)),
            "skipped": _pairs(self.skipped),
            "left_out": dict(self.left_out),
            "failed": [{"photo": str(photo), "reason": reason} for photo, reason in failed],
            "notes": self.notes,
            "seconds": round(self.seconds, 3),
        }


def _pairs(pairs: Iterable[tuple[Path, Path]]) -> list[dict[str, str]]:
    return [{"photo": str(photo), "file": str(file)} for photo, file in pairs]


def plan_outputs(
    paths: Iterable[Path | str],
    out: Path | str,
    *,
    recursive: bool = False,
    existing: Existing = "refuse",
) -> Plan:
    """Return which file is written for every photo that `paths` name. Nothing is made or written.

    Args:
        out: a file name for one photo, else a folder. In a folder the photos keep their names, and those of
            subfolders their place; equal names get a number, and formats that cannot be written become PNG.
        recursive: go into subfolders; the output folder is left out.
        existing: what is done about results that exist already.

    Raises:
        RelightError: no photos, an output that does not fit them, one that would overwrite a photo of the
            run, or, with "refuse", one that exists already.
    """
    given = [Path(path) for path in paths]
    if str(out) == "":
        raise RelightError("The output has no name. Give a file or a folder with -o.")
    out = Path(out)
    if not given:
        raise RelightError("No photos were given. Name picture files or folders.")
    found = find_pictures(given, recursive=recursive, without=out.resolve())
    to_file = len(given) == 1 and not given[0].is_dir() and out.suffix != "" and not out.is_dir()
    if to_file:
        check_can_write(out)
        targets = [out]
    elif out.suffix.lower() in WRITTEN_SUFFIXES and not out.is_dir():
        raise RelightError(f"Several photos or a folder need a folder as output, not the file name {out}.")
    else:
        targets = _names_in(out, found)
    return _checked(list(zip(found.pictures, targets, strict=True)), found, existing)


def make_folder(plan: Plan, out: Path | str) -> None:
    """Make the output folder, or that of the output file.

    Raises:
        RelightError: it cannot be made or written.
    """
    to_file = any(target == Path(out) for _, target in (*plan.jobs, *plan.skipped))
    folder = Path(out).parent if to_file else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RelightError(f"Cannot make the folder {folder}: {error.strerror}. Choose another.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RelightError(f"The folder {folder} may not be written. Choose another.")


def _checked(jobs: list[tuple[Path, Path]], found: Found, existing: Existing) -> Plan:
    originals = {_identity(source) for source, _ in jobs}
    there = []
    for source, target in jobs:
        if target.is_dir():
            raise RelightError(f"The output {target} is a folder already. Choose another name.")
        if not target.exists():
            continue
        if _identity(target) in originals:
            raise RelightError(f"The output {target} would overwrite a photo. Choose another name or folder.")
        there.append((source, target))
    if there and existing == "refuse":
        first = there[0][1]
        which = f"{first} exists" if len(there) == 1 else f"{len(there)} outputs exist, among them {first}"
        raise RelightError(
            f"{which} already. Give --overwrite to replace such files, or --skip-existing to keep them."
        )
    skipped = there if existing == "skip" else []
    return Plan(tuple(job for job in jobs if job not in skipped), tuple(skipped), found.left_out)


def _names_in(folder: Path, found: Found) -> list[Path]:
    """Return a distinct name in `folder` for each photo; case is ignored, as some disks do."""
    taken: set[str] = set()
    targets = []
    for source, place in found.pictures.items():
        suffix = source.suffix if source.suffix.lower() in WRITTEN_SUFFIXES else ".png"
        name, number = place.with_name(place.stem + suffix), 1
        while str(name).casefold() in taken:
            number += 1
            name = place.with_name(f"{place.stem}-{number}{suffix}")
        taken.add(str(name).casefold())
        targets.append(folder / name)
    return targets


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
