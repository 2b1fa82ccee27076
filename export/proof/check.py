"""Prove that exported files kept the network's numbers: each file of a manifest against its bounds.

Each file is opened in a process of its own, so that one that is damaged, even one that ends the process that
reads it, costs its own row and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from export.bounds import bounds_of
from export.litert.manifest import FileRecord, Manifest, read_manifest, write_manifest
from export.litert.older import runtime as older_runtime
from export.litert.runtimes import RUNTIMES
from export.network import leave_mirroring
from export.proof.file_check import FileCheck, GpuScore, OlderScore, RuntimeScore, TruthScore, misses
from export.proof.gpu_gate import ask_gpu, gate_works, why_skipped
from export.proof.isolated import Child, child
from export.proof.measuring import difference, inspect_file, measure_file, run_file
from export.proof.reference import (
    Case,
    TruthCase,
    cases,
    example_photos,
    followed,
    keras_function,
    picture_of,
    truth_cases,
    weights_path,
)
from export.signatures import signature_name
from tf_relight.errors import RelightError
from tf_relight.networks.running import training_size
from tf_relight.progress import track
from tf_relight.scoring.metrics import psnr, quantise, ssim
from tf_relight.weights.checksum import sha256_of

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

OLDER_PICTURES = 2
"""Pictures for TensorFlow Lite 2.16.1, whose int8 kernels are slow on x86."""
TRUTH_PICTURES = 16
"""How many embedded validation pictures the loss against the truth is measured on."""


@dataclass(frozen=True)
class CheckOptions:
    """How a folder is checked.

    Attributes:
        images: folder of pictures, None for the repository's examples.
        truth: number of embedded validation pictures; 0 leaves that comparison out.
        gpu: also ask the GPU delegate, on a software driver; slow.
        older: also ask TensorFlow Lite 2.16.1, where it is at hand.
        threads: of the runtimes.
        weights: weights file in place of those the manifest names.
    """

    images: Path | None = None
    truth: int = TRUTH_PICTURES
    gpu: bool = False
    older: bool = False
    threads: int = os.cpu_count() or 1
    weights: str | None = None


_Network = tuple[str, str, str | None, tuple[int, ...], bool | None, bool]


@dataclass(frozen=True, eq=False)
class _Reference:
    """What all files of one network are compared with.

    Attributes:
        dynamic_tail: whether the network was trained with 8-bit rounding but for its last layers.
    """

    loaded: LoadedModel
    dynamic_tail: bool
    cases: Mapping[int, Sequence[Case]]
    truth_size: int
    truth: Sequence[TruthCase]
    keras_psnr: float
    keras_ssim: float


def check_folder(
    folder: Path | str, options: CheckOptions = CheckOptions(), *, progress: bool = True
) -> list[FileCheck]:
    """Check every file that a folder's manifest names.

    Raises:
        RelightError: no manifest or a broken one, weights that are not here, or no readable pictures.
    """
    folder = Path(folder)
    # A file that is not the manifest's fails its own row, below.
    manifest = read_manifest(folder, check_files=False)
    if options.truth < 0 or options.threads < 1:
        raise RelightError("--truth must be at least 0 and --threads at least 1.")
    photos = example_photos(options.images)
    references: dict[_Network, _Reference] = {}
    checks = []
    for record in track(manifest.files, lambda each: each.name, show=progress):
        key = _network(record)
        if key not in references:
            references[key] = _reference(record, photos, options)
        checks.append(check_file(folder, record, references[key], options, _float_bytes(manifest, record)))
    return checks


def _float_bytes(manifest: Manifest, record: FileRecord) -> int | None:
    """Return the bytes of the float32 file of the same network and sizes."""
    for other in manifest.files:
        if other.quantisation == "fp32" and _network(other)[:-1] == _network(record)[:-1]:
            return other.size_bytes
    return None


def _network(record: FileRecord) -> _Network:
    """Return what files have in common that are compared with the same network."""
    weights = record.weights
    trained = _ranges_trained(record)
    return record.method, weights.name, weights.sha256, record.sizes, record.mirrored, trained


def check_file(
    folder: Path, record: FileRecord, reference: _Reference, options: CheckOptions, float_bytes: int | None
) -> FileCheck:
    """Measure one file and judge it; whatever is wrong with it becomes part of the answer."""
    info = reference.loaded.method.info
    trained = _ranges_trained(record)
    bounds = bounds_of(
        record.quantisation, info, quantisation_aware=trained, dynamic_tail=trained and reference.dynamic_tail
    )
    check = FileCheck(record)
    try:
        check_integrity(folder / record.name, record)
        check = _measured(folder / record.name, check, reference, options, float_bytes)
    except RelightError as error:
        return replace(check, failure=str(error))
    return replace(check, misses=tuple(misses(check, bounds)))


def check_integrity(path: Path, record: FileRecord) -> None:
    """Raise RelightError unless the file is the one that the manifest describes."""
    if Path(record.name).name != record.name:
        raise RelightError(f"The manifest names '{record.name}', which is not a file of its folder.")
    if not path.is_file():
        raise RelightError("The file is missing.")
    size = path.stat().st_size
    if size != record.size_bytes:
        raise RelightError(f"The file has {size} bytes, the manifest says {record.size_bytes}.")
    if sha256_of(path) != record.sha256:
        raise RelightError("The file is not the one of the manifest: its sha256 differs.")


def store_scores(folder: Path | str, checks: Sequence[FileCheck]) -> None:
    """Write what was measured into the manifest; a file that could not be measured loses its older scores.

    Raises:
        RelightError: the manifest cannot be read or written any more.
    """
    manifest = read_manifest(folder, check_files=False)
    measured = {check.record.name: check.scores or None for check in checks}
    records = [each.model_copy(update={"scores": measured[each.name]}) for each in manifest.files]
    write_manifest(folder, manifest.model_copy(update={"files": tuple(records)}))


def _ranges_trained(record: FileRecord) -> bool:
    """Whether the ranges of int8 were learnt with the network, so that no pictures were needed for them."""
    return record.quantisation == "static_int8" and record.calibration is None


def _measured(
    path: Path, check: FileCheck, reference: _Reference, options: CheckOptions, float_bytes: int | None
) -> FileCheck:
    record = check.record
    wanted = {size: reference.cases[size] for size in record.sizes}
    scores: dict[str, RuntimeScore] = {}
    with child() as process:
        graphs, delegations, accelerated = process.call(inspect_file, str(path))
        missing = [name for name in map(signature_name, record.sizes) if name not in graphs]
        if missing or len(graphs) != len(record.sizes):
            raise RelightError(
                f"The file has the signatures {', '.join(graphs)}, the manifest says "
                f"{', '.join(map(signature_name, record.sizes))}."
            )
        for runtime in RUNTIMES:
            found = process.call(measure_file, str(path), runtime, options.threads, wanted)
            scores[runtime] = RuntimeScore.of(found)
        truth = _truth(process, path, record, reference, options)
    worst = min(delegations.values(), key=lambda each: each.delegated - each.total)
    forbidden = dict.fromkeys(reason for graph in graphs.values() for reason in graph.forbidden)
    return replace(
        check,
        size_ratio=record.size_bytes / float_bytes if float_bytes else None,
        operations=worst.total,
        delegated=worst.delegated,
        partitions=max(each.partitions for each in delegations.values()),
        accelerated=accelerated,
        left=worst.left,
        forbidden=tuple(forbidden),
        runtimes=scores,
        truth=truth,
        gpu=_gpu(path, record, reference) if options.gpu else None,
        older=_older(path, record, reference) if options.older else None,
    )


def _truth(
    process: Child, path: Path, record: FileRecord, reference: _Reference, options: CheckOptions
) -> TruthScore | None:
    """Score the file on the true pictures, in the interpreter."""
    if not reference.truth:
        return None
    size, info = reference.truth_size, reference.loaded.method.info
    pairs = []
    for case in reference.truth:
        outputs = process.call(
            run_file, str(path), "interpreter", options.threads, signature_name(size), case.inputs
        )
        pairs.append((quantise(picture_of(info, case.image, outputs)), case.target))
    return TruthScore(
        len(pairs),
        size,
        reference.keras_psnr,
        fmean(psnr(*pair) for pair in pairs),
        reference.keras_ssim,
        fmean(ssim(*pair) for pair in pairs),
    )


def _gpu(path: Path, record: FileRecord, reference: _Reference) -> GpuScore:
    """Ask the GPU delegate about the smallest signature; the others have the same operations."""
    reason = why_skipped()
    if reason is not None:
        return GpuScore(None, reason, skipped=True)
    broken = gate_works()
    if broken is not None:
        return GpuScore(None, f"the gate's answers mean nothing here: {broken}")
    size = min(record.sizes)
    case = reference.cases[size][0]
    answer = ask_gpu(path, signature_name(size), case.inputs)
    if not answer.accepted or answer.outputs is None:
        return GpuScore(None, answer.reason)
    return GpuScore(difference("gpu", size, case, answer.outputs).psnr)


def _older(path: Path, record: FileRecord, reference: _Reference) -> OlderScore:
    """Ask TensorFlow Lite 2.16.1 about the smallest signature; the others have the same operations."""
    reason = older_runtime.why_skipped()
    if reason is not None:
        return OlderScore(None, note=reason, skipped=True)
    size = min(record.sizes)
    wanted = reference.cases[size][:OLDER_PICTURES]
    try:
        answers = older_runtime.run(path, [(signature_name(size), case.inputs) for case in wanted])
    except RelightError as error:
        return OlderScore(None, note=str(error).rstrip("."))
    found = [difference("older", size, *pair) for pair in zip(wanted, answers, strict=True)]
    worst = max(max(each.max_error, each.light_error or 0.0) for each in found)
    return OlderScore(min(each.psnr for each in found), worst)


def _reference(
    record: FileRecord, photos: Sequence[tuple[str, np.ndarray]], options: CheckOptions
) -> _Reference:
    """Run the trained network of a file on everything that its files are compared on."""
    from tf_relight.methods.trained import load_model

    path = weights_path(record, options.weights)
    own = load_model(path, record.method)
    if record.mirrored is False:
        leave_mirroring(own)
    rounding = own if _ranges_trained(record) else None
    loaded = own if rounding is None else followed(path, own)
    size = min(record.sizes, key=lambda each: abs(each - training_size(loaded)))
    truth = list(truth_cases(loaded, size, options.truth)) if options.truth else []
    run, info = keras_function(loaded), loaded.method.info
    pairs = [(quantise(picture_of(info, each.image, run(each.inputs))), each.target) for each in truth]
    return _Reference(
        loaded,
        rounding is not None and rounding.model.int8.tail > 0,
        cases(loaded, record.sizes, photos, rounding),
        size,
        truth,
        fmean(psnr(*pair) for pair in pairs) if pairs else 0.0,
        fmean(ssim(*pair) for pair in pairs) if pairs else 0.0,
    )
