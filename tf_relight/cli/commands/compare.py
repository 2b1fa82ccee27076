"""`relight compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.commands.printing import report_failures
from tf_relight.cli.parser import add_log, add_set
from tf_relight.terminal import console, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare",
        help="train and score several methods under one budget, as one table",
        description="Train, or load, every row of a table under one budget, score all on the same held-out "
        "pictures, and write table.md, table.csv, grid.png and curves.png. Run it again after a stop: "
        "finished rows are kept, others go on where they were.",
        example="relight compare --config drn_ablation\n"
        "  relight compare --config drn_ablation --only DRN --set train.steps=200 -o try",
    )
    parser.set_defaults(command=compare)
    add_log(parser)
    parser.add_argument(
        "--config", required=True, metavar="FILE", help="YAML file, or a name from `relight configs`"
    )
    add_set(parser, "change one value; rows.NAME.train.steps=100 changes one row")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="only this row; repeatable"
    )
    parser.add_argument(
        "--restart", action="append", default=[], metavar="ROW", help="train this row anew; repeatable"
    )
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="folder of the table, default: runs/NAME of the file"
    )


def compare(
    *, config: str, overrides: Sequence[str], only: Sequence[str], restart: Sequence[str], out: str | None
) -> int:
    """Make the table and print it; the exit code is 2 if a row is missing."""

    from tf_relight.comparing.config import load_table
    from tf_relight.config.shipped import find_config

    table = load_table(find_config(config), overrides, out)
    from tf_relight.comparing.compare import compare
    from tf_relight.scoring.score_table import terminal_tables

    made = compare(table, only=only, restart=restart)
    lines = console()
    scored = [result.row for result in made.results]
    lines.print(*terminal_tables(scored, table.config.title, width=lines.width))
    folder = table.config.output
    made_files = [folder / name for name in ("table.md", "table.csv", "grid.png", "curves.png")]
    say(f"Table: {', '.join(str(path) for path in made_files if path.exists())}")
    return report_failures(made.failures)
