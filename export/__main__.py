"""`python -m export`: networks for phones and servers, with proof that they kept their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from export.commands import COMMANDS
from tf_relight import __version__
from tf_relight.cli import main as cli
from tf_relight.cli.parser import Parser


def make_parser() -> Parser:
    """Return the parser with every command."""
    parser = Parser(
        prog="python -m export",
        description="Write networks for phones and servers, and prove that they kept their numbers.",
        example="python -m export tflite --method dmshn --out phone/",
    )
    parser.add_argument("--version", action="version", version=f"export {__version__}")
    added = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in COMMANDS:
        module.add(added)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors and exit codes are those of `relight`."""
    return cli.run(make_parser(), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
