"""`relight export`: the commands of the folder `export/`, which stands above this room.

In a checkout `python -m export` is the same.
"""

from __future__ import annotations

from typing import Any

from tf_relight.carried import import_export


def add(commands: Any) -> None:
    """Add the command, with those of `export/commands` below it."""
    parser = commands.add_parser(
        "export",
        help="write networks for phones and servers, with proof",
        description="Write networks for phones and servers, and prove that they kept their numbers.",
        example="relight export tflite --method dmshn --out phone/",
    )
    added = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in import_export("commands").COMMANDS:
        module.add(added)
