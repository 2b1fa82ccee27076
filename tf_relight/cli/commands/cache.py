"""`relight cache`: what is kept on this machine between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.commands.printing import print_aligned
from tf_relight.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    cache = commands.add_parser(
        "cache",
        help="list and clear what is kept between runs",
        description="Without a task: list the files that are kept between runs, such as fetched weights.",
        example="relight cache clear vgg16-torchvision",
    )
    cache.set_defaults(command=list_cache)
    tasks = cache.add_subparsers(title="tasks", metavar="TASK")
    listed = tasks.add_parser(
        "list", help="list them", description="List the kept files.", example="relight cache list"
    )
    listed.set_defaults(command=list_cache)
    cleared = tasks.add_parser(
        "clear",
        help="remove some, or all",
        description="Remove kept files; what was fetched can be fetched again.",
        example="relight cache clear vgg16-torchvision",
    )
    cleared.set_defaults(command=clear_cache)
    cleared.add_argument("names", nargs="*", metavar="NAME", help="files or weights; default: all")


def list_cache() -> int:
    """Print the folder and its files."""
    from tf_relight.helping.caches import kept_files
    from tf_relight.weights.record import cache_folder

    files = kept_files()
    say(f"{cache_folder()}: {len(files)} files, {sum(each.bytes for each in files) / 1e6:.1f} MB")
    if files:
        print_aligned([("NAME", "MB", "WHAT"), *((e.name, f"{e.bytes / 1e6:.2f}", e.what) for e in files)])
    return 0


def clear_cache(*, names: Sequence[str]) -> int:
    """Remove files and say how much they were."""
    from tf_relight.helping.caches import clear

    removed = clear(names)
    say(f"removed {len(removed)} files, {sum(each.bytes for each in removed) / 1e6:.1f} MB")
    return 0
