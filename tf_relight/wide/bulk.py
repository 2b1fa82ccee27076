"""`relight bulk`: a folder or a bucket of photos, on one machine or on all of a cluster.

Only names travel between the machines: each worker reads its photos where they lie and writes them where they
shall lie, so that memory does not grow with their number. What is done stands in the output (`manifest.py`);
the same command goes on where a killed one was.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tf_relight.errors import RelightError
from tf_relight.guarded.reading import read_bytes
from tf_relight.photo.listing import READ_SUFFIXES
from tf_relight.photo.writing import WRITTEN_SUFFIXES
from tf_relight.progress import Bars
from tf_relight.wide.manifest import FOLDER, Entry, Manifest, fingerprint
from tf_relight.wide.photo_worker import PhotoWorker, Task
from tf_relight.wide.places import Place

LARGEST = 4 << 30
"""Bytes of a weights file that is sent to the workers."""

if TYPE_CHECKING:
    from tf_relight.relighting.network import Engine
    from tf_relight.relighting.request import RelightOptions

BATCH = 16
"""Photos between two entries in the manifest: so many at most are done twice after a kill of everything."""


@dataclass
class BulkReport:
    """What a run did.

    Attributes:
        photos: how many there are in the input.
        before: done by earlier runs.
        done, failed, skipped: by this run; `failures` are the sentences of the failed.
        seconds: of this run's work.
    """

    photos: int = 0
    before: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or RelightError's code when a photo failed."""
        return RelightError.exit_code if self.failed else 0

    @property
    def summary(self) -> str:
        """One sentence that counts everything."""
        rate = (
            f" in {self.seconds:.0f} s, {self.done / self.seconds:.1f} photos/s" if self.seconds > 0 else ""
        )
        parts = [f"{self.done:,} of {self.photos:,} photos done{rate}"]
        parts += [f"{self.before:,} were done before"] if self.before else []
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.skipped:,} files are no photos"] if self.skipped else []
        return f"{', '.join(parts)}."


def relight_bulk(
    source: str | Path,
    out: str | Path,
    options: RelightOptions,
    *,
    method: str | None = None,
    weights: str | Path | None = None,
    light_from: str | Path | None = None,
    engine: Engine = "auto",
    ray: str | None = None,
    workers: int | None = None,
    gpus: float = 0,
    progress: bool = True,
) -> BulkReport:
    """Relight all photos below a place into another.

    Args:
        source, out: folders or addresses such as s3://bucket/photos; see `places.Place`.
        options, method, weights, light_from, engine: as in `photos.relight_photos`.
        ray: the address of a Ray cluster; None works on this machine alone.
        workers: processes at most; None takes a core each. 1 without `ray` works in this process.
        gpus: of each worker; may be a fraction. Such workers run Keras.

    Raises:
        RelightError: a mistake that concerns every photo: options, weights, a place that cannot be listed or
            written, an output of another job or in use, no cluster at the address.
    """
    source_place, out_place = Place.of(source), Place.of(out)
    _check_apart(source_place, out_place)
    task = _task(source_place, out_place, options, method, weights, light_from, "keras" if gpus else engine)
    photos, others = _sorted_out(source_place.files())
    if not photos:
        raise RelightError(f"There are no photos in {source_place.address}.")
    manifest, report = Manifest(out_place), BulkReport(photos=len(photos))
    _check_free(out_place)
    manifest.begin(_said(task))
    with manifest.held():
        known = manifest.entries()
        done = {name for name, entry in known.items() if entry.status == "done"}
        report.before, report.skipped = sum(name in done for name in photos), len(others)
        left = [(photo, file) for photo, file in photos.items() if photo not in done]
        new_others = [name for name in others if name not in known]
        manifest.add([Entry(name, "", "skipped", "no photo by its ending") for name in new_others])
        started = time.monotonic()
        for entries in _work(task, left, ray, workers, gpus, progress):
            report.done += sum(entry.status == "done" for entry in entries)
            failures = [entry.reason for entry in entries if entry.status == "failed"]
            report.failed += len(failures)
            report.failures += failures
        report.seconds = time.monotonic() - started if left else 0.0
        manifest.finish(list(manifest.entries().values()))
    return report


def _work(
    task: Task,
    left: Sequence[tuple[str, str]],
    ray: str | None,
    workers: int | None,
    gpus: float,
    progress: bool,
) -> Iterator[list[Entry]]:
    if not left:
        return
    batches = _here(task, left) if ray is None and workers == 1 else _on_ray(task, left, ray, workers, gpus)
    with Bars(progress, at_once=True) as bars:
        bar = bars.add_task("Relighting", total=len(left))
        for entries in batches:
            yield entries
            bars.advance(bar, len(entries))


def _here(task: Task, left: Sequence[tuple[str, str]]) -> Iterator[list[Entry]]:
    from tf_relight.litert import cores

    worker = PhotoWorker(dataclasses.replace(task, threads=cores()))
    for first in range(0, len(left), BATCH):
        yield worker.relight(left[first : first + BATCH])


def _on_ray(
    task: Task, left: Sequence[tuple[str, str]], address: str | None, workers: int | None, gpus: float
) -> Iterator[list[Entry]]:
    from tf_relight.wide.ray_cluster import joined
    from tf_relight.wide.ray_data import mapped

    with joined(address, workers) as ray:
        yield from mapped(ray, task, left, workers=workers, gpus=gpus, batch=BATCH)


def _task(
    source: Place,
    out: Place,
    options: RelightOptions,
    method: str | None,
    weights: str | Path | None,
    light_from: str | Path | None,
    engine: Engine,
) -> Task:
    """Return what the workers do, after checking what concerns every photo."""
    from tf_relight.relighting.photos import check_light, load_for, usual_method
    from tf_relight.weights.file import resolve
    from tf_relight.weights.record import KNOWN

    method = usual_method(method, weights, options, light_from)
    check_light(method, options, light_from)
    if light_from is not None:
        from tf_relight.relighting.portraits import light_of_photo

        light = light_of_photo(light_from, load_for(method, weights, engine))
        options = dataclasses.replace(options, light=light)
    content = None
    if weights is not None:
        path = resolve(weights)
        if str(weights) not in KNOWN:
            content = read_bytes(path, LARGEST, what="the weights", advice="name a file of weights")
        from tf_relight.methods.trained import describe

        described = describe(path, method)
        options.check_method(described.method.name, described.method.info)
    return Task(source, out, method, None if weights is None else str(weights), content, options, engine)


def _said(task: Task) -> dict[str, Any]:
    """Return what makes a job this job."""
    from tf_relight.weights.checksum import sha256_of
    from tf_relight.weights.file import resolve

    options = task.options
    plain = {each.name: getattr(options, each.name) for each in dataclasses.fields(options)}
    light = plain.pop("light")
    told = None if light is None else [light.domain, light.coefficients.tolist()]
    return {
        "input": task.source.address,
        "method": task.method,
        "weights": None if task.weights is None else sha256_of(resolve(task.weights)),
        "options": plain,
        "light": None if told is None else fingerprint(told),
    }


def _sorted_out(files: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return {photo: name of its result}, and the files that are no photos by their ending.

    Equal names get a number, as some disks ignore case; formats that cannot be written become PNG.
    """
    photos: dict[str, str] = {}
    others: list[str] = []
    taken: set[str] = set()
    for name in files:
        path = PurePosixPath(name)
        if path.suffix.lower() not in READ_SUFFIXES:
            others.append(name)
            continue
        suffix = path.suffix if path.suffix.lower() in WRITTEN_SUFFIXES else ".png"
        result, number = path.with_suffix(suffix), 1
        while str(result).casefold() in taken:
            number += 1
            result = path.with_name(f"{path.stem}-{number}{suffix}")
        taken.add(str(result).casefold())
        photos[name] = str(result)
    return photos, others


def _check_apart(source: Place, out: Place) -> None:
    one, other = f"{source.address}/", f"{out.address}/"
    if one.startswith(other) or other.startswith(one):
        raise RelightError(
            f"The output {out.address} and the input {source.address} lie within each other: choose "
            "another output."
        )


def _check_free(out: Place) -> None:
    """Raise RelightError where others' files lie, which results might replace."""
    there = out.names("")
    if there and FOLDER not in there:
        raise RelightError(
            f"{out.address} holds files of others, among them {min(there)}, and no job of bulk: choose "
            "an empty output."
        )
