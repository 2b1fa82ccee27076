"""`relight image`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from tf_relight.commands.printing import report_failures


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "image",
        help="relight photos",
        description="Relight photos or folders of photos, at their full size.",
        example="relight image photo.jpg holiday/ -o relit/ --method dmshn --strength 0.7",
    )
    parser.set_defaults(command=image)
    parser.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help="folder, or file for one photo")
    parser.add_argument("--method", help="a name from `relight methods`; its own weights are used")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 = unchanged, 1 = full")
    parser.add_argument("--size", type=int, help="side at which the network looks at the photo")


def image(
    *,
    paths: Sequence[str],
    out: str,
    method: str | None,
    weights: str | None,
    strength: float,
    size: int | None,
) -> int:
    """Relight photos and folders; broken ones are listed at the end."""
    from tf_relight.photos import relight_photos

    report = relight_photos(paths, out, method=method, weights=weights, strength=strength, size=size)
    for note in report.notes:
        print(f"relight: {note}", file=sys.stderr)
    for path in report.written:
        print(path)
    return report_failures(report.failures)
