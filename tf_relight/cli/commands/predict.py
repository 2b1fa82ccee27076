"""`relight predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.commands.printing import report_failures
from tf_relight.cli.parser import add_log
from tf_relight.terminal import note, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "predict",
        help="write what a network sees in photos: normals, albedo, light",
        description="Write named outputs of a method for photos. With --layout sfsnet they are labels that "
        "data.name=sfsnet reads, so that one network can teach another.",
        example="relight predict faces/ -o labels/ --weights skipnet.safetensors --layout sfsnet",
    )
    parser.set_defaults(command=predict)
    add_log(parser)
    parser.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    parser.add_argument("-o", "--out", metavar="DIR", required=True)
    parser.add_argument("--method", help="a name from `relight methods`; its own weights are used")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    parser.add_argument("--outputs", metavar="A,B", help="such as normal,albedo,light")
    parser.add_argument("--layout", choices=("plain", "sfsnet"), default="plain")
    parser.add_argument("--size", type=int, help="side at which the network looks at the photo")
    parser.add_argument("--recursive", action="store_true", help="go into subfolders and keep their tree")


def predict(*, paths: Sequence[str], out: str, outputs: str | None, **options: Any) -> int:
    """Write outputs for photos; broken ones are listed at the end."""
    from tf_relight.relighting.predict import predict_photos

    names = [name.strip() for name in (outputs or "").split(",") if name.strip()]
    report = predict_photos(paths, out, outputs=names, **options)
    for sentence in report.notes:
        note(sentence)
    for path in report.written:
        say(path)
    code = report_failures(report.failures)
    note(report.summary)
    return code
