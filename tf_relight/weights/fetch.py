"""Where weights lie on this machine, and fetching them whole and checked."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from pathlib import Path

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.progress import Bars
from tf_relight.weights.checksum import sha256_of
from tf_relight.weights.record import WeightsRecord, path_of, record_of

CHUNK = 1 << 20
TIMEOUT_SECONDS = 30.0


def present(name: str) -> bool:
    """Whether the file of `name` is there with the right size; the hash is checked when it is used."""
    path, record = path_of(name), record_of(name)
    return path.is_file() and (record.imported or path.stat().st_size == record.size)


def find(name: str) -> Path:
    """Return the file of `name` after checking its sha256; never downloads.

    Imported weights were checked when they were converted; what they were made from stands in their header.

    Raises:
        RelightError: the file is missing (the sentence says where to get it and where to put it) or damaged.
    """
    record, path = record_of(name), path_of(name)
    if not path.is_file():
        if record.shipped:
            raise RelightError(f"The shipped weights {path} are missing: install tf_relight again.")
        terms = f" (licence: {record.licence})" if record.imported else ""
        raise RelightError(
            f"The weights {name} are not here{terms}: run `relight weights fetch {name}`, "
            f"or {record.by_hand}."
        )
    if record.imported:
        return path
    found = sha256_of(path)
    if found != record.sha256:
        again = f"delete it and run `relight weights fetch {name}`"
        remedy = "install tf_relight again" if record.shipped else again
        raise RelightError(f"{path} is damaged or another file (its sha256 begins {found[:8]}): {remedy}.")
    return path


def fetch(name: str, *, progress: bool = True) -> Path:
    """Return the file of `name`, downloading it when it is not there; only the recorded file is kept.

    Raises:
        RelightError: no connection, another file than recorded, the cache folder cannot be written, or the
            weights have to be imported (`official.fetch_and_import` does both).
    """
    record, path = record_of(name), path_of(name)
    if path.is_file() or record.shipped or record.imported:
        return find(name)
    with atomic_path(path) as temporary:
        download(name, temporary, progress=progress)
    return path


def download(name: str, target: Path, *, progress: bool = True) -> None:
    """Copy what is published as `name` to `target` and check it; `target` is not to be used on failure.

    Raises:
        RelightError: no connection, or another file than recorded.
    """
    record = record_of(name)
    digest = _download(record, target, progress)
    if digest != record.sha256:
        raise RelightError(
            f"{record.url} is not the recorded file (its sha256 begins {digest[:8]}, not "
            f"{record.sha256[:8]}), so it was not kept: try again later or report it."
        )


def _download(record: WeightsRecord, target: Path, progress: bool) -> str:
    """Copy what `record` names to `target`; return its sha256."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    digest, received = hashlib.sha256(), 0
    request = urllib.request.Request(record.url, headers={"User-Agent": "tf_relight"})
    with target.open("wb") as out, Bars(progress, columns=columns) as bar:
        task = bar.add_task(record.file, total=record.size)
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(record, error) from error
        with response:
            while True:
                try:
                    chunk = response.read(CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _unreachable(record, error) from error
                received += len(chunk)
                if not chunk and received < record.size:
                    raise _unreachable(record, f"only {received} of {record.size} bytes arrived")
                # Stop at the first byte too many: a server must not be able to fill the disk.
                if not chunk or received > record.size:
                    return digest.hexdigest()
                out.write(chunk)
                digest.update(chunk)
                bar.advance(task, len(chunk))


def _unreachable(record: WeightsRecord, error: Exception | str) -> RelightError:
    reason = getattr(error, "reason", None) or error
    return RelightError(f"Cannot download {record.name} ({reason}): {record.by_hand}.")
