"""`python -m export savedmodel`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "savedmodel",
        help="write a model for TensorFlow Serving",
        description="Write DIR/<method>/<version>/, a SavedModel that takes and gives whole picture files.",
        example="relight export savedmodel --method dmshn --out models/",
    )
    parser.set_defaults(command=write_savedmodel)
    parser.add_argument("--method", required=True, help="a name from `relight methods`")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of models, made when missing")
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="long side at which the network works on picture files; that of its training by default",
    )
    parser.add_argument("--version", type=int, default=1, metavar="N", help="servers load the highest")
    parser.add_argument(
        "--max-pixels", type=int, default=None, metavar="N", help="larger picture files are refused"
    )
    parser.add_argument(
        "--no-warmup", action="store_true", help="leave out the requests for a server's start"
    )


def write_savedmodel(
    *,
    method: str,
    weights: str | None,
    out: str,
    size: int | None,
    version: int,
    max_pixels: int | None,
    no_warmup: bool,
) -> int:
    """Export a method and say what was written.

    Raises:
        RelightError: as in `savedmodel.export_savedmodel`, weights that are missing or of another method, or
            a limit that is not above 0.
    """
    from tf_relight.errors import RelightError
    from tf_relight.relighting.photos import load_for

    if max_pixels is not None and max_pixels < 1:
        raise RelightError(f"--max-pixels {max_pixels} is not a number from 1 on.")
    loaded = load_for(method, weights)

    from export.saved_model.signatures import PictureLimits
    from export.saved_model.write import export_savedmodel, origin_of, read_record

    folder = export_savedmodel(
        loaded,
        out,
        origin=origin_of(weights, loaded),
        side=size,
        version=version,
        limits=PictureLimits() if max_pixels is None else PictureLimits(max_pixels=max_pixels),
        warmup=not no_warmup,
    )
    record = read_record(folder)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    say(f"{folder}: {megabytes:.1f} MB")
    say(f"signatures: {', '.join(record['signatures'])}; default {record['serving_default']}")
    say(f"weights: {record['weights']['name']}, {record['weights']['licence']}")
    return 0
