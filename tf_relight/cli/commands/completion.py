"""`relight completion`: a script that lets a shell complete commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

from tf_relight.cli.parser import Parser
from tf_relight.terminal import say_lines

FILES = {"FILE", "PHOTO", "CONFIG", "FILM", "W", "PATH", "TARGET"}
FOLDERS = {"DIR", "FOLDER"}
"""What arguments that take files and folders are called in the help."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description='Print a script for a shell. bash: eval "$(relight completion bash)" in ~/.bashrc. zsh: '
        "relight completion zsh > a folder of $fpath/_relight.",
        example="relight completion bash",
    )
    parser.set_defaults(command=completion)
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def completion(*, shell: str, root: Parser) -> int:
    """Print the script for `root`, the parser of all commands.

    Raises:
        RelightError: the package shtab is missing.
    """
    from tf_relight.errors import RelightError

    try:
        import shtab
    except ImportError as error:
        raise RelightError("Completion needs the package shtab: pip install shtab.") from error
    _mark_files(root, shtab.FILE, shtab.DIRECTORY)
    say_lines(shtab.complete(root, shell=shell))
    return 0


def _mark_files(parser: argparse.ArgumentParser, file: Any, folder: Any) -> None:
    """Tell the arguments that take files and folders."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                if isinstance(inner, Parser):
                    _mark_files(inner, file, folder)
        words = action.metavar if isinstance(action.metavar, tuple) else (action.metavar,)
        if FOLDERS & set(words):
            action.complete = folder  # type: ignore[attr-defined]
        elif FILES & set(words):
            action.complete = file  # type: ignore[attr-defined]
