"""Relighting photos of any size: what `relight image` and `tf_relight.relight` do.

Each photo is made as small as the pictures the network was trained on, relit there, and the change of light
is brought back to full size (`transfer.py`). A broken file among many is reported at the end; it does not
stop the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.image import (
    WRITTEN_SUFFIXES,
    Picture,
    check_can_write,
    list_pictures,
    read_picture,
    resize,
    write_picture,
)
from tf_relight.transfer import transfer

if TYPE_CHECKING:
    from tf_relight.weights import LoadedModel

SMALLEST_SIZE = 16


@dataclass
class Report:
    """What a run did.

    Attributes:
        written: the files made, in order.
        failures: one sentence per photo that was left out; it names the file.
        notes: one sentence for each thing that a file or a format could not keep.
        seconds: time for the photos, without loading the network.
    """

    written: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or RelightError's code when a photo failed."""
        return RelightError.exit_code if self.failures else 0


def relight(
    photo: Path | str | np.ndarray,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    strength: float = 1.0,
    size: int | None = None,
) -> np.ndarray:
    """Relight one photo and return its pixels at full size.

    The network is loaded for each call; for many photos use `relight_photos`, or load once with `load_model`
    and call `relight_picture`.

    Args:
        photo: a file, or (H, W, 3) RGB, sRGB-encoded: float 0..1 or uint8.
        method, weights, strength, size: as in `relight_photos`.

    Returns:
        (H, W, 3) float32 sRGB 0..1.

    Raises:
        RelightError: as in `relight_photos`, or an array of another shape or type.
    """
    _check_arguments(strength, size)
    picture = _from_array(photo) if isinstance(photo, np.ndarray) else read_picture(photo)
    return relight_picture(picture, _load(method, weights), strength, size).pixels


def relight_photos(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    strength: float = 1.0,
    size: int | None = None,
    progress: bool = True,
) -> Report:
    """Relight photo files and folders of photos.

    Args:
        paths: files and folders (one level deep).
        out: a file name for one photo, else a folder, made when missing. In a folder the photos keep their
            names; equal names get a number, and formats that cannot be written become PNG.
        method: name from the method table; None takes the method the weights belong to.
        weights: a weights file or name; None takes those that ship with the method.
        strength: 0 (unchanged) to 1.
        size: long side in pixels at which the network works; None takes the size it was trained at. Smaller
            photos are used as they are.
        progress: show a progress bar on stderr.

    Returns:
        the report. With several photos, one that fails is listed there and the run goes on.

    Raises:
        RelightError: a mistake that concerns every photo (arguments, weights, output folder), or the only
            photo failed.
    """
    _check_arguments(strength, size)
    jobs = plan_outputs(paths, out)
    loaded = _load(method, weights)
    report = Report()
    started = time.monotonic()
    for source, target in _track(jobs, progress):
        try:
            report.notes += _relight_file(source, target, loaded, strength, size)
            report.written.append(target)
        except RelightError as error:
            if len(jobs) == 1:
                raise
            sentence = str(error)
            report.failures.append(sentence if str(source) in sentence else f"{source}: {sentence}")
    report.seconds = time.monotonic() - started
    return report


def relight_picture(
    picture: Picture, loaded: LoadedModel, strength: float = 1.0, size: int | None = None
) -> Picture:
    """Return the picture relit by a loaded network, at its own size, with its alpha and bit depth.

    A picture no larger than `size` is relit as it is and is the network's own output; a larger one is relit
    small, and the change of light is transferred.

    Args:
        size: long side in pixels at which the network works; None takes the size of its training.

    Raises:
        RelightError: the network returned values that are not finite, or ran out of memory.
    """
    pixels = picture.pixels
    small = resize(pixels, working_size(picture.size, size or training_size(loaded)))
    try:
        relit = loaded.method.relight(loaded.model, small)
    except Exception as error:
        # TensorFlow's own class for this cannot be named without importing TensorFlow.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        raise RelightError(
            "Not enough memory for the network at this size. Give a smaller --size."
        ) from error
    if not np.isfinite(relit).all():
        raise RelightError("The network's result holds values that are not numbers. Use other weights.")
    if small.shape == pixels.shape:
        return picture.with_pixels(np.clip(pixels + np.float32(strength) * (relit - pixels), 0, 1))
    return picture.with_pixels(transfer(pixels, small, relit, strength))


def working_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Return (height, width) of the same shape with at most the given long side."""
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def training_size(loaded: LoadedModel) -> int:
    """Return the long side, in pixels, of the pictures the weights were trained on."""
    return int(loaded.metadata.get("size") or loaded.method.info.native_size)


def plan_outputs(paths: Iterable[Path | str], out: Path | str) -> list[tuple[Path, Path]]:
    """Return (photo, file to write) for every photo that `paths` name, and make the output folder.

    Raises:
        RelightError: no photos, an output that does not fit them or cannot be written, or one that would
            overwrite a photo.
    """
    given, out = [Path(path) for path in paths], Path(out)
    sources = list_pictures(given)
    if not sources:
        raise RelightError("No photos were given. Name picture files or folders.")
    to_file = len(given) == 1 and not given[0].is_dir() and out.suffix != "" and not out.is_dir()
    if to_file:
        check_can_write(out)
        targets = [out]
    elif out.suffix.lower() in WRITTEN_SUFFIXES and not out.is_dir():
        raise RelightError(f"Several photos or a folder need a folder as output, not the file name {out}.")
    else:
        targets = _names_in(out, sources)
    _check_folder(out.parent if to_file else out)
    originals = {_identity(source) for source in sources}
    for target in targets:
        if target.is_dir():
            raise RelightError(f"The output {target} is a folder already. Choose another name.")
        if target.exists() and _identity(target) in originals:
            raise RelightError(f"The output {target} would overwrite a photo. Choose another name or folder.")
    return list(zip(sources, targets, strict=True))


def _from_array(pixels: np.ndarray) -> Picture:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise RelightError(f"A photo must have the shape (H, W, 3), not {pixels.shape}.")
    if pixels.dtype == np.uint8:
        return Picture(pixels.astype(np.float32) / 255)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise RelightError(f"A photo must be uint8 or floating point 0..1, not {pixels.dtype}.")
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise RelightError("A floating point photo must lie within 0..1. Divide 8-bit values by 255.")
    return Picture(pixels.astype(np.float32), bits=16)


def _check_arguments(strength: float, size: int | None) -> None:
    if not 0 <= strength <= 1:
        raise RelightError(f"Strength {strength} is outside 0..1.")
    if size is not None and size < SMALLEST_SIZE:
        raise RelightError(f"Size {size} is too small for a network. Give at least {SMALLEST_SIZE}.")


def _names_in(folder: Path, sources: Iterable[Path]) -> list[Path]:
    """Return a distinct name in `folder` for each photo; case is ignored, as some disks do."""
    taken: set[str] = set()
    targets = []
    for source in sources:
        suffix = source.suffix if source.suffix.lower() in WRITTEN_SUFFIXES else ".png"
        name, number = source.stem + suffix, 1
        while name.casefold() in taken:
            number += 1
            name = f"{source.stem}-{number}{suffix}"
        taken.add(name.casefold())
        targets.append(folder / name)
    return targets


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RelightError(f"Cannot make the folder {folder}: {error.strerror}. Choose another.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RelightError(f"The folder {folder} may not be written. Choose another.")


def _load(method: str | None, weights: Path | str | None) -> LoadedModel:
    if weights is None:
        shipped = [name for name in methods.names() if methods.get(name).info.default_weights]
        hint = f" Methods with weights: {', '.join(shipped)}." if shipped else ""
        if method is None:
            raise RelightError(f"Give a method or a weights file (--method, --weights).{hint}")
        weights = methods.get(method).info.default_weights
        if weights is None:
            raise RelightError(f"No weights ship with method '{method}'. Give a file with --weights.{hint}")
    elif method is not None:
        methods.get(method)
    # Imported here: it brings Keras in, which takes seconds, and the checks above need none of it.
    from tf_relight.weights import load_model

    return load_model(weights, method=method)


def _relight_file(
    source: Path, target: Path, loaded: LoadedModel, strength: float, size: int | None
) -> tuple[str, ...]:
    try:
        picture = read_picture(source)
        relit = relight_picture(picture, loaded, strength, size)
        return picture.notes + write_picture(target, relit)
    except MemoryError as error:
        raise RelightError(f"Not enough memory for {source}. Make it smaller first.") from error


def _track(jobs: list[tuple[Path, Path]], show: bool) -> Iterable[tuple[Path, Path]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # On stderr and without catching prints, so that stdout holds results only.
    bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False, disable=not show)
    with bar:
        task = bar.add_task("", total=len(jobs))
        for job in jobs:
            bar.update(task, description=f"Relighting {job[0].name}")
            yield job
            bar.advance(task)
