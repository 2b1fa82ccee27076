"""Rows of scores: one per run, in metrics.csv for programs and metrics.md for people."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.guarded.reading import reason_of
from tf_relight.guarded.structured import read_csv
from tf_relight.terminal import console, shown

if TYPE_CHECKING:
    from rich.table import Table

# Score name in `metrics.TABLE`: (column of the table, how people read it).
_SCORES: dict[str, tuple[str, str]] = {
    "psnr": ("psnr", ".2f"),
    "ssim": ("ssim", ".4f"),
    "ssim_gaussian": ("ssim_gaussian", ".4f"),
    "lpips_alex_v0.1": ("lpips_alex_v0.1", ".4f"),
    "mps": ("mps", ".4f"),
    "rmse": ("rmse", ".4f"),
    "rmse_s": ("rmse_s", ".4f"),
    "dssim": ("dssim", ".4f"),
    "light_degrees": ("light_degrees", ".1f"),
    "runtime": ("runtime_s", ".3g"),
}
_IDENTITY = ("run", "method", "data", "split", "size")
COLUMNS = (*_IDENTITY, "pictures", *(column for column, _ in _SCORES.values()), "parameters")
"""Columns of every metrics.csv. psnr in dB, light_degrees in degrees, runtime_s in seconds per picture.
Scores that only some methods have, such as normal_degrees, stand before the last one where a row has them."""

NOT_MEASURED = "n/a"

# Left out of the table on the terminal: psnr and ssim say nearly the same, and lines have 80 characters.
_SECONDARY = ("ssim_gaussian", "rmse", "rmse_s", "dssim")


@dataclass(frozen=True)
class Row:
    """The scores of one run on one set of pictures.

    Attributes:
        run: name of the run, the weights or the baseline.
        method: name in the method table, behind it the mode that was asked for; "baseline" or "files".
        data: dataset or folder. split: "train", "validation" or "-".
        size: "256" for square pictures, "640x480" as width x height, "various", or "-".
        pictures: how many were scored.
        scores: keys as in `metrics.TABLE`; None = not measured.
        parameters: weights of the network, None where there is no network.
        failures: one sentence per picture that could not be scored; not written to the table.
        unmatched: names of files without a partner (folder mode); not written to the table.
    """

    run: str
    method: str
    data: str
    split: str
    size: str
    pictures: int
    scores: Mapping[str, float | None]
    parameters: int | None = None
    failures: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two rows the same run, so that the newer replaces the older."""
        return (self.run, self.method, self.data, self.split, self.size)

    def _repr_html_(self) -> str:
        return ScoreTable([self])._repr_html_()


class ScoreTable(list[Row]):
    """Rows of scores, as in a metrics.csv; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        if not self:
            return "<p>no scores</p>"
        columns = columns_of(self)
        texts = [_readable(row, columns) for row in self]
        shown_columns = [
            (number, name)
            for number, name in enumerate(columns)
            if any(text[number] not in (NOT_MEASURED, "-") for text in texts)
        ]
        head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for _, name in shown_columns)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:{"left" if name in _IDENTITY else "right"}">'
                f"{html.escape(shown(text[number]))}</td>"
                for number, name in shown_columns
            )
            + "</tr>"
            for text in texts
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of a table of these rows: `COLUMNS`, and scores of some methods' own checks."""
    own = dict.fromkeys(name for row in rows for name in row.scores if name not in _SCORES)
    return (*COLUMNS[:-1], *own, COLUMNS[-1])


def score_table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, ending with a line break."""
    columns = columns_of(rows)
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(_rule(column) for column in columns) + "|"]
    for row in rows:
        cells = [shown(text).replace("|", "\\|") for text in _readable(row, columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def terminal_tables(rows: Sequence[Row], title: str = "", *, width: int = 80) -> list[Table]:
    """Return the rows as rich tables, one below the other; metrics.csv has every column.

    What all rows share (data, size, number of pictures) stands in the title instead of a column. Columns in
    which nothing was measured are left out, except LPIPS: missing it would look forgotten, n/a does not.

    Args:
        width: characters of a line. Scores that do not fit beside the others go into the next table: a number
            that is cut off is a wrong number.
    """
    from rich.markup import escape

    columns = columns_of(rows)
    texts = [dict(zip(columns, _readable(row, columns), strict=True)) for row in rows]
    shared = [name for name in (*_IDENTITY[2:], "pictures") if len({text[name] for text in texts}) == 1]
    facts = [f"{name} {texts[0][name]}" for name in shared if texts[0][name] != "-"]
    heading = escape(shown(", ".join([title] * bool(title) + facts)))
    listed = []
    for name in columns:
        measured = any(text[name] not in (NOT_MEASURED, "-") for text in texts)
        if name not in shared and name not in _SECONDARY and (measured or name == "lpips_alex_v0.1"):
            listed.append(name)
    of_the_row = [name for name in listed if name in _IDENTITY]
    scores = [name for name in listed if name not in _IDENTITY]
    measured_by = console(width=width)
    tables: list[Table] = []
    while scores or not tables:
        taken = 1
        while taken < len(scores):
            wider = _terminal_table(texts, [*of_the_row, *scores[: taken + 1]])
            freely = measured_by.options.update(width=10 * width)
            if measured_by.measure(wider, options=freely).minimum > width:
                break
            taken += 1
        tables.append(_terminal_table(texts, [*of_the_row, *scores[:taken]], "" if tables else heading))
        scores = scores[taken:]
    return tables


def _terminal_table(texts: Sequence[Mapping[str, str]], columns: Sequence[str], title: str = "") -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in columns:
        if name in _IDENTITY:
            table.add_column(name, overflow="fold", no_wrap=name != "run")
        else:
            # Only the header may take more lines.
            table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for text in texts:
        table.add_row(*(escape(shown(text[name])) for name in columns))
    return table


def read_rows(out: Path | str) -> ScoreTable:
    """Return the rows of `out`/metrics.csv; none when there is no such file.

    Raises:
        RelightError: the file is not a table of ours.
    """
    path = Path(out) / "metrics.csv"
    if not path.exists():
        return ScoreTable()
    try:
        names, cells = read_csv(path, what="the table", advice="move it away, then run again")
        if {"light_degrees", *names} >= set(COLUMNS):
            return ScoreTable(_from_cells(row) for row in cells)
    except (ValueError, TypeError) as error:
        reason = reason_of(error)
        raise RelightError(f"Cannot read {path} ({reason}): move it away, then run again.") from error
    raise RelightError(f"{path} has other columns than this version writes: move it away, then run again.")


def append_row(row: Row, out: Path | str) -> ScoreTable:
    """Add `row` to `out`/metrics.csv and metrics.md, in place of an older row of the same run.

    Returns:
        All rows of the table.

    Raises:
        RelightError: the table cannot be read or written.
    """
    folder = Path(out)
    rows = read_rows(folder)
    places = [i for i, old in enumerate(rows) if old.identity == row.identity]
    if places:
        rows[places[0]] = row
    else:
        rows.append(row)
    columns = columns_of(rows)
    table = [dict(zip(columns, _cells(each, columns), strict=True)) for each in rows]
    write_csv(folder / "metrics.csv", columns, table)
    write_text(folder / "metrics.md", score_table(rows))
    return rows


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write a csv file with a header line, whole or not at all.

    Raises:
        RelightError: it cannot be written.
    """
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, file.getvalue())


def exact(value: float | None) -> str:
    """Return a score as written in a csv file: seven significant digits, or n/a."""
    return NOT_MEASURED if value is None else f"{value:.7g}"


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    scores = [exact(row.scores.get(key)) for key in _keys(columns)]
    return [*row.identity, str(row.pictures), *scores, _count(row.parameters)]


def _keys(columns: Sequence[str]) -> list[str]:
    """The keys of the scores in the order of a table's columns."""
    return [*_SCORES, *columns[len(COLUMNS) - 1 : -1]]


def _from_cells(cells: Mapping[str, str]) -> Row:
    # Tables of version 0.1 have no column of angles.
    scores = {key: _number(cells.get(column, NOT_MEASURED)) for key, (column, _) in _SCORES.items()}
    scores |= {name: _number(text) for name, text in cells.items() if name not in COLUMNS}
    parameters = _number(cells["parameters"])
    return Row(
        run=cells["run"],
        method=cells["method"],
        data=cells["data"],
        split=cells["split"],
        size=cells["size"],
        pictures=int(cells["pictures"]),
        scores=scores,
        parameters=None if parameters is None else int(parameters),
    )


def _readable(row: Row, columns: Sequence[str]) -> list[str]:
    scores = []
    for key in _keys(columns):
        value, (_, form) = row.scores.get(key), _SCORES.get(key, ("", "#.4g"))
        scores.append(NOT_MEASURED if value is None else format(value, form))
    parameters = "-" if row.parameters is None else f"{row.parameters:,}"
    return [*row.identity, str(row.pictures), *scores, parameters]


def _count(value: int | None) -> str:
    return NOT_MEASURED if value is None else str(value)


def _number(text: str) -> float | None:
    if text == NOT_MEASURED:
        return None
    value = float(text)
    if math.isnan(value):
        raise ValueError("a score is NaN")
    return value


def _rule(column: str) -> str:
    return "---" if column in _IDENTITY else "---:"
