"""`relight configs`: list, show and copy the configs that come with tf_relight."""

from __future__ import annotations

from typing import Any

from tf_relight.cli.commands.printing import print_aligned
from tf_relight.terminal import say, say_lines


def add(commands: Any) -> None:
    """Add the command to the parser."""
    configs = commands.add_parser(
        "configs",
        help="list, show and copy the configs that come with tf_relight",
        description="Without a task: list the configs. `relight train NAME` and `relight compare --config "
        "NAME` take them by name; a copy is yours to change.",
        example="relight configs copy dmshn_scenes_128 -o mine.yaml",
    )
    configs.set_defaults(command=list_configs)
    tasks = configs.add_subparsers(title="tasks", metavar="TASK")
    listed = tasks.add_parser(
        "list",
        help="list them with what each is for",
        description="List the configs with what each is for.",
        example="relight configs list",
    )
    listed.set_defaults(command=list_configs)
    show = tasks.add_parser(
        "show",
        help="print one",
        description="Print one config as it stands.",
        example="relight configs show dmshn_smoke",
    )
    show.set_defaults(command=show_config)
    show.add_argument("name", metavar="NAME", help="from `relight configs`")
    copy = tasks.add_parser(
        "copy",
        help="write one to a file of yours",
        description="Write one config to a file, to be changed there.",
        example="relight configs copy dmshn_scenes_128 -o mine.yaml",
    )
    copy.set_defaults(command=copy_config)
    copy.add_argument("name", metavar="NAME", help="from `relight configs`")
    copy.add_argument("-o", "--out", metavar="FILE", help="default: NAME.yaml in this folder")
    copy.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def list_configs() -> int:
    """Print the names with the first line of each."""
    from tf_relight.config.shipped import about, shipped_configs

    print_aligned([("NAME", "FOR"), *((name, about(path)) for name, path in shipped_configs().items())])
    return 0


def show_config(*, name: str) -> int:
    """Print one config."""
    from tf_relight.config.shipped import shipped_config

    say_lines(shipped_config(name).read_text(encoding="utf-8"))
    return 0


def copy_config(*, name: str, out: str | None, overwrite: bool) -> int:
    """Write one config to a file.

    Raises:
        RelightError: an unknown name, or a file that is there already.
    """
    from pathlib import Path

    from tf_relight.config.shipped import shipped_config
    from tf_relight.errors import RelightError
    from tf_relight.files import write_text

    source = shipped_config(name)
    target = Path(source.name if out is None else out)
    if target.exists() and not overwrite:
        raise RelightError(f"{target} is there already: choose another name with -o, or say --overwrite.")
    write_text(target, source.read_text(encoding="utf-8"))
    say(target)
    return 0
