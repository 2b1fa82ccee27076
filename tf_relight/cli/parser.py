"""The argument parser of the `relight` command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from tf_relight.errors import suggest


class Parser(argparse.ArgumentParser):
    """An ArgumentParser with examples kept as written and a hint for mistyped words."""

    def __init__(self, *, example: str = "", **options: Any) -> None:
        epilog = f"example:\n  {example}" if example else None
        super().__init__(
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )
        self.set_defaults(parser=self)
        self._given: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and remember the words for a hint if something is missing among them."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Refuse an empty word: as a path it would mean the current folder."""
        if not arg_string.strip():
            raise argparse.ArgumentError(action, "is empty: give a value")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message with a hint, and exit with code 2."""
        wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if wrong:
            message += "." + suggest(wrong[1], re.findall(r"[\w.-]+", wrong[2]))
        elif "required" in message:
            message += "." + next(filter(None, map(self._hint, self._given)), "")
        super().error(message)

    def refuse_extra(self, extra: Sequence[str]) -> NoReturn:
        """End because of arguments nobody asked for."""
        self.error(f"unrecognized arguments: {' '.join(extra)}.{self._hint(extra[0])}")

    def _hint(self, word: str) -> str:
        option, known = word.partition("=")[0], self._option_string_actions
        return suggest(option, known) if option.startswith("--") and option not in known else ""


def add_log(parser: argparse.ArgumentParser) -> None:
    """Add `--log-json FILE`, to a command that may take long."""
    parser.add_argument(
        "--log-json", metavar="FILE", help="add to a file how far the work is, a JSON object every 30 s"
    )


def add_set(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--set SECTION.KEY=VALUE`, which may be repeated."""
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE", help=text
    )
