"""`relight bulk`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf_relight.cli.commands.light_options import add_light, chosen_light
from tf_relight.cli.commands.printing import report_failures
from tf_relight.cli.commands.relight_options import add_change, add_engine, add_network, options_of
from tf_relight.cli.parser import add_log
from tf_relight.terminal import say

if TYPE_CHECKING:
    from tf_relight.relighting.network import Engine


def add(commands: Any) -> None:
    """Add the command to the parser."""
    bulk = commands.add_parser(
        "bulk",
        help="relight very many photos, on one machine or a cluster",
        description="Relight all photos of a folder or a bucket into another. The same command goes on "
        "where a killed one was. Needs the extra `cluster`.",
        example="relight bulk s3://photos/in s3://photos/out --from left --ray 10.0.0.5:6379",
    )
    bulk.set_defaults(command=relight_bulk)
    bulk.add_argument("source", metavar="IN", help="folder, or address such as s3://bucket/photos")
    bulk.add_argument("out", metavar="OUT", help="the same for the results; empty, or of the same job")
    bulk.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster, host:port or auto; else this machine")
    bulk.add_argument("--workers", type=int, metavar="N", help="processes at most; a core each unless given")
    bulk.add_argument("--gpus", type=float, default=0, metavar="G", help="GPUs of each worker, also 0.25")
    bulk.add_argument("--strip", action="store_true", help="write pixels only, without EXIF and the like")
    add_network(bulk)
    add_engine(bulk)
    add_log(bulk)
    add_change(bulk)
    add_light(bulk)


def relight_bulk(
    *,
    source: str,
    out: str,
    ray: str | None,
    workers: int | None,
    gpus: float,
    strip: bool,
    method: str | None,
    weights: str | None,
    engine: Engine,
    strength: float,
    size: int | None,
    temperature: float | None,
    keep_background: bool,
    light_from: str | None,
    **light: Any,
) -> int:
    """Relight a folder or a bucket and say what became of it.

    Args:
        light: the other options of `add_light`.
    """
    import dataclasses

    from tf_relight.errors import RelightError
    from tf_relight.wide.bulk import relight_bulk

    if workers is not None and workers < 1:
        raise RelightError(f"{workers} workers cannot be: give at least 1.")
    if gpus < 0:
        raise RelightError(f"{gpus:g} GPUs cannot be: give 0 or more.")
    options = options_of(
        strength=strength,
        size=size,
        temperature=temperature,
        keep_background=keep_background,
        light=chosen_light(light_from=light_from, **light),
    )
    report = relight_bulk(
        source,
        out,
        dataclasses.replace(options, strip=strip),
        method=method,
        weights=weights,
        light_from=light_from,
        engine=engine,
        ray=ray,
        workers=workers,
        gpus=gpus,
    )
    code = report_failures(report.failures)
    say(report.summary)
    return code
