"""The `relight` command: it parses, makes one call into `commands` and turns errors into exit codes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence

from tf_relight import __version__
from tf_relight.cli.commands import COMMANDS
from tf_relight.cli.parser import Parser
from tf_relight.errors import RelightError
from tf_relight.progress import logged
from tf_relight.quiet import quiet_tensorflow
from tf_relight.terminal import LineFormatter, complain, note, steady_streams

STOPPED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as in a shell."""
READER_GONE = 141
"""Exit code when the reader of a pipe has left, for example `relight methods | head`: 128 + SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `relight` command and return its exit code; `arguments` default to those of the process."""
    return run(make_parser(), arguments)


def run(parser: Parser, arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name and return its exit code; `parser` has all commands."""
    quiet_tensorflow()
    steady_streams()
    _show_warnings()
    name = parser.prog
    options, extra = parser.parse_known_args(arguments)
    values = vars(options)
    chosen: Parser = values.pop("parser")
    command: Callable[..., int] | None = values.pop("command", None)
    logging.getLogger("tf_relight").setLevel(
        logging.INFO if values.pop("verbose", False) else logging.WARNING
    )
    if extra:
        chosen.refuse_extra(extra)
    if command is None:
        chosen.print_help()
        return 0
    try:
        with logged(values.pop("log_json", None)):
            code: int = command(**values)
        sys.stdout.flush()
        return code
    except RelightError as error:
        complain(error, program=name)
        return error.exit_code
    except KeyboardInterrupt:
        note("stopped.", program=name)
        return STOPPED
    except BrokenPipeError:
        _silence_stdout()
        return READER_GONE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        complain(f"{place}{error.strerror or error}.", program=name)
        _silence_stdout()
        return RelightError.exit_code


def _silence_stdout() -> None:
    """Give what is left in the buffer another target: Python would complain when it flushes on exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _ToStderr(logging.Handler):
    """Writes to what is stderr then, not to what it was when the first command ran in this process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        stream = sys.stderr
        stream.write(f"{self.format(record)}\n")
        stream.flush()


def _show_warnings() -> None:
    """Print the package's warnings as one line each."""
    logger = logging.getLogger("tf_relight")
    if not logger.handlers:
        handler = _ToStderr()
        handler.setFormatter(LineFormatter())
        logger.addHandler(handler)
        logger.propagate = False


def make_parser() -> Parser:
    """Return the parser with every command."""
    parser = Parser(
        prog="relight",
        description="Train, evaluate and use image relighting networks.",
        example="relight image photo.jpg -o relit/ --method dmshn",
    )
    parser.add_argument("--version", action="version", version=f"relight {__version__}")
    added = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in COMMANDS:
        module.add(added)
    # Completion is made of the whole parser, which stands above the commands.
    added.choices["completion"].set_defaults(root=parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
