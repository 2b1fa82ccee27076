"""`relight examples`: the photos and notebooks that come with tf_relight."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import say, say_lines


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "examples",
        help="list or copy the photos and notebooks that come with tf_relight",
        description="List the examples, or copy all of them to a folder.",
        example="relight examples -o examples/",
    )
    parser.set_defaults(command=examples)
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="new folder to copy them to; without it: list them"
    )


def examples(*, out: str | None) -> int:
    """List or copy the examples.

    Raises:
        RelightError: the folder is there already, or cannot be written.
    """
    import shutil
    from pathlib import Path

    from tf_relight.carried import EXAMPLES, carried_folder
    from tf_relight.errors import RelightError
    from tf_relight.files import cannot_write

    root = carried_folder(EXAMPLES)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    if out is None:
        say_lines(path.relative_to(root).as_posix() for path in files)
        return 0
    target = Path(out)
    if target.exists():
        raise RelightError(f"{target} is there already: give a folder that is not.")
    try:
        for path in files:
            place = target / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    except OSError as error:
        raise cannot_write(target, error) from error
    say(f"{target}: {len(files)} files")
    return 0
