"""Bytes and text of files: a limit on what is read, and regular files only."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tf_relight.errors import RelightError, shortened

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class NoSuchFile(RelightError):
    """There is nothing under the name."""


@contextlib.contextmanager
def foreign(sentence: str) -> Iterator[None]:
    """Turn whatever a reader of another library raises into one sentence.

    Damaged files trip parsers in many ways (TokenError, SyntaxError, OverflowError, MemoryError, ...), and
    none of them is worth a traceback. Sentences of our own, and signals, pass.

    Args:
        sentence: the message; `{reason}` in it stands for the first line of what the reader said.

    Raises:
        RelightError: whatever was raised inside.
    """
    try:
        yield
    except RelightError:
        raise
    except Exception as error:
        raise RelightError(sentence.replace("{reason}", reason_of(error))) from error


def reason_of(error: BaseException) -> str:
    """Return the first line of what an exception says, cut to a length that fits into a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # some cannot even say what they are
        lines = []
    return shortened(lines[0].rstrip(".")) if lines else type(error).__name__


@contextlib.contextmanager
def open_file(path: Path | str, *, what: str, advice: str) -> Iterator[BinaryIO]:
    """Open a regular file for reading bytes; never waits, as opening a pipe would.

    Args:
        what: what the file should be, such as "the config", for messages.
        advice: what to do instead, such as "name the .yaml file of a run".

    Raises:
        NoSuchFile: there is none.
        RelightError: it cannot be read, or is no regular file.
    """

    def opened(name: str, flags: int) -> int:
        number = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        kind = _KINDS.get(stat.S_IFMT(os.fstat(number).st_mode))
        if kind is not None:
            os.close(number)
            raise RelightError(f"{path} is {kind}, not a file: {advice}.")
        return number

    try:
        file = open(path, "rb", opener=opened)  # noqa: SIM115 -- closed below
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoSuchFile(f"Cannot read {what} {path}: {error.strerror}: {advice}.") from error
    except OSError as error:
        # Sockets cannot be opened at all.
        socket = error.errno == errno.ENXIO
        told = f"{path} is a socket, not a file" if socket else f"Cannot read {what} {path}: {error.strerror}"
        raise RelightError(f"{told}: {advice}.") from error
    except ValueError as error:  # a null byte, or a character that no file system has
        raise RelightError(
            f"{shortened(repr(os.fspath(path)))} cannot be a file's name: {advice}."
        ) from error
    with file:
        try:
            yield file
        except OSError as error:
            raise RelightError(f"Cannot read {what} {path}: {error.strerror or error}: {advice}.") from error


def read_bytes(path: Path | str, limit: int, *, what: str, advice: str) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    The limit is on what is read: what the file system says of a size may be wrong.

    Raises:
        NoSuchFile, RelightError: as `open_file`, or it is larger.
    """
    with open_file(path, what=what, advice=advice) as file:
        parts, total = [], 0
        while part := file.read(min(1 << 20, limit + 1 - total)):
            parts.append(part)
            total += len(part)
            if total > limit:
                raise RelightError(f"{path} is too large for {what}: {advice}.")
    return b"".join(parts)


def read_text(path: Path | str, limit: int, *, what: str, advice: str) -> str:
    """Return the text of a regular UTF-8 file of at most `limit` bytes; a byte order mark is dropped.

    Raises:
        NoSuchFile, RelightError: as `read_bytes`, or it is not text.
    """
    content = read_bytes(path, limit, what=what, advice=advice)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RelightError(f"{path} is not text: {advice}.") from error


def read_gzip_text(path: Path | str, limit: int, *, what: str, advice: str) -> str:
    """Return the text of a regular gzip file whose content has at most `limit` bytes; odd bytes are marked.

    Raises:
        NoSuchFile, RelightError: as `read_text`, or it is no gzip file.
    """
    with (
        open_file(path, what=what, advice=advice) as file,
        foreign(f"{path} is damaged or no gzip file ({{reason}}); {advice}."),
        gzip.GzipFile(fileobj=file) as unpacked,
    ):
        content = unpacked.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"it unfolds to more than {limit:,} bytes")
        return content.decode("utf-8", "replace")


def is_file(path: Path | str) -> bool:
    """Whether a word names a file; a word that cannot be a name, such as one of 5,000 letters, names none."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False


def first_bytes(path: Path | str, count: int, *, what: str, advice: str) -> bytes:
    """Return the first bytes of a regular file, fewer if it is shorter; raises as `open_file`."""
    with open_file(path, what=what, advice=advice) as file:
        return file.read(count)
