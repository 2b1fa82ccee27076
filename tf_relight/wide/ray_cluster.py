"""Joining a Ray cluster, or starting a small one on this machine, and what can go wrong with it."""

from __future__ import annotations

import contextlib
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tf_relight.errors import RelightError, shortened
from tf_relight.files import write_text
from tf_relight.litert import cores

CONNECT_SECONDS, ANSWER_SECONDS = 20.0, 600.0
OBJECT_STORE = 256 << 20
"""Bytes of memory that a cluster on one machine shares: names and entries pass through it, no photos."""


def ray_package() -> Any:
    """Return the package ray.

    Raises:
        RelightError: it is not installed; names the extra.
    """
    # Ray asks the internet for news, reports its use there, and draws bars of its own.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # Its workers are to work, not to wait for whatever else the machine does.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # On a busy machine its processes take longer to start than its usual 30 seconds.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "240")
    os.environ.setdefault("RAY_agent_register_timeout_ms", "240000")
    os.environ.setdefault("RAY_worker_register_timeout_seconds", "240")
    try:
        import ray
    except ImportError as error:
        raise RelightError(
            "Work on a cluster needs the extra `cluster`: pip install 'tf_relight[cluster]'."
        ) from error
    return ray


@contextlib.contextmanager
def joined(address: str | None, workers: int | None = None) -> Iterator[Any]:
    """Yield ray, joined to a cluster; None starts one on this machine, which ends with the work.

    Args:
        address: such as "10.0.0.5:6379", or "auto" for the cluster that this machine belongs to.
        workers: cores of the cluster on this machine; None takes all.

    Raises:
        RelightError: no cluster answers there, or it runs other versions than this process.
    """
    ray = ray_package()
    usual: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    if address is None:
        _start(ray, workers or cores(), usual)
    else:
        _join(ray, address, usual)
    try:
        _check_versions(ray)
        yield ray
    finally:
        ray.shutdown()


def nodes(ray: Any) -> list[dict[str, Any]]:
    """Return the nodes of the cluster that are alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def _start(ray: Any, workers: int, usual: dict[str, Any]) -> None:
    """Start a cluster on this machine alone; nobody else can reach it."""
    try:
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            **usual,
        )
    except Exception as error:  # Ray raises plain ones here
        reason = shortened(str(error).split("\n")[0].rstrip("."))
        raise RelightError(
            f"Ray cannot be started on this machine ({reason}): try again when it is less busy, or "
            "give --workers 1."
        ) from error


def _join(ray: Any, address: str, usual: dict[str, Any]) -> None:
    if address != "auto" and "://" not in address:
        _check_answers(address)
    try:
        ray.init(address=address, **usual)
    except RuntimeError as error:
        if "Version mismatch" in str(error):
            raise RelightError(
                f"The Ray cluster at {address} runs another version of Ray or Python than this machine "
                f"({ray.__version__}): install the same on all."
            ) from error
        raise RelightError(_not_joined(address, error)) from error
    except (ConnectionError, ValueError, OSError, TimeoutError, ray.exceptions.RayError) as error:
        raise RelightError(_not_joined(address, error)) from error


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes for a cluster that is not there."""
    import socket

    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise RelightError(_absent(address, error)) from error


def _absent(address: str, error: Exception) -> str:
    reason = shortened(str(error).split("\n")[0].rstrip("."))
    return f"No Ray cluster answers at {address} ({reason}): check the address, or run `ray start` there."


def _not_joined(address: str, error: Exception) -> str:
    """Say what may be wrong at an address that answers; Ray does not tell a wrong token from other things."""
    reason = shortened(str(error).split("\n")[0].rstrip("."))
    return (
        f"The Ray cluster at {address} cannot be joined ({reason}): check that this is the address of its "
        "head and, if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN as on its machines."
    )


def check_seen(ray: Any, folders: Sequence[Path | str]) -> None:
    """Check that every node has these folders, and that the first is the one of this machine.

    Args:
        folders: absolute paths; a file is put into the first for a moment.

    Raises:
        RelightError: a node does not see one.
    """
    first, *others = map(Path, folders)
    probe = first / f".relight-probe-{uuid.uuid4().hex}"
    write_text(probe, "")
    try:
        for place, missing in _asked(ray, _missing, [str(probe), *map(str, others)]):
            if missing:
                folder = str(first) if missing[0] == str(probe) else missing[0]
                raise RelightError(
                    f"The node {place} does not see {folder}: name a folder on a disk that all machines of "
                    "the cluster share, under the same path."
                )
    finally:
        probe.unlink(missing_ok=True)


def _missing(paths: list[str]) -> list[str]:
    return [path for path in paths if not Path(path).exists()]


def _check_versions(ray: Any) -> None:
    """Ask one worker of each node which tf_relight it has."""
    for place, found in _asked(ray, _version):
        if found != _version():
            raise RelightError(
                f"The node {place} has tf_relight {found}, this machine {_version()}: install the same."
            )


def _asked(ray: Any, function: Callable[..., Any], *arguments: Any) -> Iterator[tuple[str, Any]]:
    """Yield the address of each node and what a function says there."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = [
        (
            node["NodeManagerAddress"],
            ray.remote(function)
            .options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            )
            .remote(*arguments),
        )
        for node in nodes(ray)
    ]
    for place, reference in asked:
        try:
            found = ray.get(reference, timeout=ANSWER_SECONDS)
        except Exception as error:  # a package that is missing there comes as one of Ray's many errors
            raise RelightError(
                f"The node {place} cannot run tf_relight ({shortened(str(error).strip().splitlines()[-1])}): "
                "install tf_relight[cluster] on every node."
            ) from error
        yield place, found


def _version() -> str:
    return version("tf-relight")
