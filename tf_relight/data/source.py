"""What a dataset looks like to the rest of the toolkit: numbered samples of named arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from tf_relight.errors import RelightError

Split = Literal["train", "validation"]


class Source(Protocol):
    """Samples by number.

    Pictures are uint8 (H,W,3) sRGB, depth is float32 (H,W,1), lights are int32 scalars (`ViditLight.index`).
    All samples of a source have the same fields and the same shapes.
    """

    fields: tuple[str, ...]

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def key(self, index: int) -> str:
        """A short name of the sample for messages and file names, such as "Image012"."""
        ...

    def read(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one sample by field name.

        Raises:
            RelightError: a file is missing, truncated or holds NaN; the message names it.
        """
        ...


@dataclass(frozen=True)
class Part:
    """One field of a sample as a place in a pool of arrays, possibly flipped left to right."""

    pool: str
    number: int
    mirror: bool = False


@runtime_checkable
class PooledSource(Source, Protocol):
    """A source whose samples share arrays, so that a cache keeps each array once.

    Any-to-any relighting makes 1600 samples of the 40 pictures of a scene: the pool holds 40. A source may
    also have `origin(pool, number) -> str`, the file of an array, for messages.
    """

    pools: Mapping[str, int]
    """Number of arrays per pool name; all arrays of a pool have one shape and dtype."""

    def load(self, pool: str, number: int) -> np.ndarray:
        """Decode one array of a pool."""
        ...

    def parts(self, index: int) -> dict[str, Part | np.ndarray]:
        """Where each field of a sample lies; scalars such as a light number are given themselves."""
        ...

    def fingerprint(self) -> str:
        """Changes when a file or a setting that decides the arrays changes."""
        ...


@runtime_checkable
class FormedSource(Source, Protocol):
    """A source that forms its pictures when they are read, from data it prepares once."""

    on_the_fly: bool
    """Whether forming pictures needs less memory than keeping them all; then `prepare` and do not cache."""

    def prepare(self, *, progress: bool = True) -> None:
        """Do the slow work for all samples, with a progress bar."""
        ...


def assemble(
    parts: Mapping[str, Part | np.ndarray], load: Callable[[str, int], np.ndarray]
) -> dict[str, np.ndarray]:
    """Load the parts of a sample, `load(pool, number)` each, and flip the mirrored ones."""
    sample: dict[str, np.ndarray] = {}
    for field, part in parts.items():
        if isinstance(part, Part):
            array = load(part.pool, part.number)
            sample[field] = array[:, ::-1] if part.mirror else array
        else:
            sample[field] = part
    return sample


def files_fingerprint(root: Path, paths: Iterable[Path], settings: str) -> str:
    """Hash of the names, sizes and times of some files, and of the settings they are decoded with.

    Raises:
        RelightError: a file is gone.
    """
    digest = hashlib.sha256(settings.encode())
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise RelightError(f"Cannot read {path}: {error.strerror or error}.") from error
        digest.update(f"\n{path.relative_to(root)}/{status.st_size}/{status.st_mtime_ns}".encode())
    return digest.hexdigest()
