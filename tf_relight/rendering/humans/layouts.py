"""The files that a rendered head becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tf_relight.rendering.humans.gbuffers import GBuffers


class Layout(Protocol):
    """How one head is laid out in files."""

    def paths(self, out: Path, number: int) -> list[Path]:
        """Return all files of a head."""
        ...

    def write(self, out: Path, number: int, buffers: GBuffers) -> None:
        """Write them, each under its name only when it is whole.

        Raises:
            RelightError: a file cannot be written.
        """
        ...


class GBufferLayout:
    """One .npz file a head, see `GBuffers`."""

    def paths(self, out: Path, number: int) -> list[Path]:
        """Return the file of a head, such as 00012.npz."""
        return [out / f"{number:05d}.npz"]

    def write(self, out: Path, number: int, buffers: GBuffers) -> None:
        """Write the head."""
        buffers.save(self.paths(out, number)[0])


LAYOUTS: dict[str, Layout] = {"gbuffers": GBufferLayout()}
"""Name of a layout to what writes it."""
