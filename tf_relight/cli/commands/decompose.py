"""`relight decompose`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.commands.printing import report_failures
from tf_relight.terminal import note, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "decompose",
        help="take faces apart: normals, albedo, shading, light",
        description="Write for each face its normals, albedo, shading, what is left over, and its light as a "
        "ball and as a file, with a sheet of all of them.",
        example="relight decompose portrait.jpg -o parts",
    )
    parser.set_defaults(command=decompose)
    parser.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    parser.add_argument("-o", "--out", metavar="DIR", required=True)
    parser.add_argument("--method", help="a name from `relight methods` that takes faces apart")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    parser.add_argument("--size", type=int, help="side at which the network looks at the face")
    parser.add_argument("--recursive", action="store_true", help="go into subfolders and keep their tree")


def decompose(*, paths: Sequence[str], out: str, **options: Any) -> int:
    """Take faces apart; broken photos are listed at the end."""
    from tf_relight.relighting.decompose import decompose_photos

    report = decompose_photos(paths, out, **options)
    for sentence in report.notes:
        note(sentence)
    for path in report.written:
        if path.name == "sheet.png":
            say(path)
    code = report_failures(report.failures)
    note(report.summary)
    return code
