"""`relight doctor`."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.printing import print_json
from tf_relight.terminal import say_lines


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine has, and what stands in the way",
        description="Print versions, processor, accelerators, extras, caches, weights and rights, and "
        "relight one small picture as a test. The exit code is 1 when something stands in the way.",
        example="relight doctor --json",
    )
    parser.set_defaults(command=doctor)
    parser.add_argument("--json", action="store_true", help="as one object, to go with a report of a fault")
    parser.add_argument("--no-test", action="store_true", help="do not load TensorFlow")


def doctor(*, json: bool, no_test: bool) -> int:
    """Print the report; 1 when something stands in the way."""
    from tf_relight.helping.doctor import examine, lines

    report = examine(test=not no_test)
    if json:
        print_json(report)
    else:
        say_lines(lines(report))
    return 1 if report["problems"] else 0
