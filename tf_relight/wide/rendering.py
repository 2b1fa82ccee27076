"""`relight data render ... --ray`: rendered data, on all machines of a cluster that share a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tf_relight.rendering.parallel import Runner
from tf_relight.wide.ray_cluster import check_seen, joined
from tf_relight.wide.ray_data import spread


def on_ray(
    address: str | None, workers: int | None, *, out: Path | str, folders: Sequence[Path | str] = ()
) -> Runner:
    """Return what runs rendering jobs on a Ray cluster; nothing is lost when a worker or a node is.

    Args:
        address: of the cluster; None starts one on this machine.
        workers: processes at most; None takes a core each.
        out: the folder that is rendered into, on a disk that all machines share.
        folders: others that the jobs read.

    Its iterator raises RelightError for no cluster, another version of the package there, a node that does
    not see the folders, and what jobs raise.
    """

    def run(function: Callable[[Any], Any], jobs: Sequence[Any], _: int) -> Iterator[Any]:
        if not jobs:
            return
        with joined(address, workers) as ray:
            check_seen(ray, [out, *folders])
            yield from spread(ray, function, jobs, workers=workers)

    return run
