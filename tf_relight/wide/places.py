"""Folders of photos, be they on a disk or in a bucket: one way to list, read and write them.

A place is a folder, or an address that fsspec knows (s3://, gs://, abfs://, memory://). A file appears under
its final name only when it is whole: on a disk it is renamed, in a bucket one request puts it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tf_relight.errors import RelightError, shortened
from tf_relight.files import atomic_path

_LOCAL = ("file", "local")


@dataclass(frozen=True)
class Place:
    """A folder on a disk or in a bucket. It can be sent to other processes; it holds no connection.

    Attributes:
        address: as the user gave it, without a slash at its end.
    """

    address: str

    @classmethod
    def of(cls, address: str | Path) -> Place:
        """Return the place of an address or a path.

        Raises:
            RelightError: fsspec does not know this kind of address, or its package is missing.
        """
        text = str(address)
        if "://" not in text:
            text = str(Path(text).absolute())
        place = cls(text.rstrip("/") if text.rstrip("/") and not text.endswith("://") else text)
        place._filesystem()
        return place

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return "://" not in self.address or self.address.split("://")[0] in _LOCAL

    def files(self) -> dict[str, int]:
        """Return {name: bytes} of all files below but hidden ones, "/" between folders, sorted.

        Raises:
            RelightError: there is no such folder, or it may not be listed.
        """
        system, root = self._filesystem()
        with self._told("list"):
            if not system.exists(root):
                raise RelightError(f"There is no folder {self.address}. Check the address.")
            found = system.find(root, withdirs=False, detail=True)
        start = root.rstrip("/") + "/"
        names = {name[len(start) :]: int(each.get("size") or 0) for name, each in found.items()}
        return {name: names[name] for name in sorted(names) if name and not _is_hidden(name)}

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a folder of this place; none where there is no folder."""
        system, root = self._filesystem()
        with self._told("list"):
            try:
                found = system.ls(f"{root}/{folder}", detail=False)
            except FileNotFoundError:
                return set()
        return {PurePosixPath(str(name)).name for name in found}

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        system, root = self._filesystem()
        with self._told("list", name):
            return bool(system.exists(f"{root}/{name}"))

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: there is none.
            RelightError: it cannot be read.
        """
        system, root = self._filesystem()
        with self._told("read", name):
            content: bytes = system.cat_file(f"{root}/{name}")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, once, under its final name.

        Raises:
            RelightError: it cannot be written.
        """
        if self.is_local:
            with atomic_path(self.path(name)) as temporary:
                temporary.write_bytes(content)
            return
        system, root = self._filesystem()
        with self._told("write", name):
            system.pipe_file(f"{root}/{name}", content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        system, root = self._filesystem()
        with self._told("write", name), contextlib.suppress(FileNotFoundError):
            system.rm_file(f"{root}/{name}")

    def path(self, name: str) -> Path:
        """Return where a file of a local place lies."""
        _, root = self._filesystem()
        return Path(root) / name

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[Path]:
        """Yield a path of this machine from which a file can be read; a copy, unless the place is local."""
        if self.is_local:
            yield self.path(name)
            return
        with tempfile.TemporaryDirectory(prefix="relight-") as folder:
            copy = Path(folder) / PurePosixPath(name).name
            copy.write_bytes(self.read(name))
            yield copy

    def _filesystem(self) -> tuple[Any, str]:
        fsspec = fsspec_package()
        try:
            system, root = fsspec.core.url_to_fs(self.address)
        except (ValueError, ImportError) as error:
            raise RelightError(
                f"{self.address} is no address that can be used: {shortened(str(error).rstrip('.'))}."
            ) from error
        return system, str(root)

    @contextlib.contextmanager
    def _told(self, what: str, name: str = "") -> Iterator[None]:
        place = f"{self.address}/{name}" if name else self.address
        try:
            yield
        except (RelightError, FileNotFoundError):
            raise
        except PermissionError as error:
            raise RelightError(
                f"Cannot {what} {place}: the rights are missing. Check the credentials."
            ) from error
        except Exception as error:  # each kind of bucket raises its own
            reason = shortened(str(error).split("\n")[0].rstrip(".") or type(error).__name__)
            raise RelightError(f"Cannot {what} {place}: {reason}.") from error


def fsspec_package() -> Any:
    """Return the package fsspec.

    Raises:
        RelightError: it is not installed; names the extra.
    """
    try:
        import fsspec
    except ImportError as error:
        raise RelightError(
            "Bulk work needs the extra `cluster`: pip install 'tf_relight[cluster]'."
        ) from error
    return fsspec


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
