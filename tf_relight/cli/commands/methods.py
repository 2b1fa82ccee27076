"""`relight methods`."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.printing import print_aligned


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "methods",
        help="list the methods",
        description="List the methods with their task, size and paper.",
        example="relight methods",
    )
    parser.set_defaults(command=list_methods)


def list_methods() -> int:
    """Print the method table."""
    from tf_relight import methods

    cells = [("NAME", "TITLE", "TASK", "PARAMETERS", "PAPER")]
    for name in methods.names():
        info = methods.get(name).info
        cells.append((name, info.title, info.task, f"{info.parameters:,}", info.link))
    print_aligned(cells)
    return 0
