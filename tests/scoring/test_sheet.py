"""The contact sheet, the learning curve and the score table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from tf_relight.errors import RelightError
from tf_relight.scoring import metrics, score_table
from tf_relight.scoring import sheet as report
from tf_relight.scoring.score_table import COLUMNS, Row, append_row, read_rows
from tf_relight.training import curve_plot


def _sample(key: str, height: int = 30, width: int = 40) -> SimpleNamespace:
    rng = np.random.default_rng(len(key))
    image, target = rng.integers(0, 200, (2, height, width, 3)).astype(np.uint8)
    return SimpleNamespace(key=key, image=image, output=target + np.uint8(10), target=target)


def test_sheet_shows_the_four_pictures_of_each_sample(tmp_path: Path) -> None:
    rows = [_sample("Image001"), _sample("Image0002")]
    path = report.samples_sheet(rows, tmp_path / "samples.png", tile=40, error_gain=4)
    sheet = np.asarray(Image.open(path))
    # Four tiles of 40 with five gaps of 8; a header of 34, rows of 30 with captions of 24, a gap below.
    assert sheet.shape == (34 + 2 * (30 + 24) + 8, 4 * 40 + 5 * 8, 3)
    for row, top in zip(rows, (34, 34 + 54), strict=True):
        for column, pixels in enumerate((row.image, row.output, row.target)):
            left = 8 + 48 * column
            np.testing.assert_array_equal(sheet[top : top + 30, left : left + 40], pixels)
        np.testing.assert_array_equal(sheet[top : top + 30, 152:192], 40)  # |error| of 10, times 4


def test_sheet_scales_large_and_oblong_pictures(tmp_path: Path) -> None:
    path = report.samples_sheet([_sample("wide", 100, 400)], tmp_path / "s.jpg", tile=128, title="run")
    assert Image.open(path).size == (4 * 128 + 5 * 8, 64 + 32 + 24 + 8)


def _records(count: int) -> list[dict[str, str]]:
    """Rows as they come from curve.csv: strings, empty where nothing was measured."""
    records = []
    for step in range(10, 10 * count + 1, 10):
        row = {"step": str(step), "stage": "L2" if step <= 6 * count else "L_CL", "loss": str(1 / step)}
        measured = step % 50 == 0
        row["validation_psnr"] = str(15 + step / 100) if measured else ""
        row["validation_input_psnr"] = "12.5" if measured else ""
        records.append(row)
    return records


def _has_colour(path: Path, colour: tuple[int, int, int]) -> bool:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return bool((np.abs(pixels - colour).max(axis=2) < 12).any())


def test_curve_draws_score_and_loss(tmp_path: Path) -> None:
    path = curve_plot.curve_plot(_records(40), tmp_path / "curve.png", title="run")
    assert Image.open(path).size == (960, 620)
    assert _has_colour(path, curve_plot._BLUE) and _has_colour(path, curve_plot._ORANGE)


def test_curve_without_validation_draws_only_the_loss(tmp_path: Path) -> None:
    path = curve_plot.curve_plot(_records(4), tmp_path / "curve.png")
    assert _has_colour(path, curve_plot._ORANGE) and not _has_colour(path, curve_plot._BLUE)


def test_a_notebook_shows_a_curve_as_its_plot_and_nothing_for_an_empty_one(tmp_path: Path) -> None:
    import io

    from tf_relight.training.curve_file import CurveRows, read_curve

    shown = CurveRows(_records(40))._repr_png_()
    assert shown is not None
    plot = curve_plot.curve_plot(_records(40), tmp_path / "curve.png")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(shown))), np.asarray(Image.open(plot)))
    assert read_curve(tmp_path / "none.csv")._repr_png_() is None


@pytest.mark.parametrize(
    "records",
    [
        [{"step": 20, "loss": 0.5}],
        [{"step": 0, "loss": 0.0}, {"step": 5, "loss": -1.0}],
        [{"step": 1, "loss": "nan"}, {"step": 2, "loss": "inf"}, {"step": 3, "loss": None}],
        [{"step": 10**6 * i, "loss": 10.0**-i, "validation_psnr": 20} for i in range(1, 9)],
    ],
)
def test_curve_takes_odd_values(tmp_path: Path, records: list[dict[str, float]]) -> None:
    assert curve_plot.curve_plot(records, tmp_path / "curve.png").stat().st_size > 0


def test_reports_refuse_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(RelightError, match="no samples"):
        report.samples_sheet([], tmp_path / "s.png")
    with pytest.raises(RelightError, match="curve is empty"):
        curve_plot.curve_plot([], tmp_path / "c.png")
    with pytest.raises(RelightError, match="change the ending"):
        curve_plot.curve_plot(_records(3), tmp_path / "c.txt")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=5),
    st.booleans(),
)
@example([63087.0, 3.5e-304], True)
def test_axis_holds_all_values_between_its_ticks(values: list[float], logarithmic: bool) -> None:
    axis = curve_plot._Axis.around(values, logarithmic)
    assert axis.high > axis.low
    for value in values:
        assert -1e-9 <= axis.share(value) <= 1 + 1e-9
    assert all(-1e-9 <= axis.share(tick) <= 1 + 1e-9 for tick in axis.ticks)
    assert list(axis.ticks) == sorted(set(axis.ticks)) and len(axis.ticks) <= 25


def _row(run: str, psnr: float = 20.0, **changes) -> Row:
    scores = dict.fromkeys(metrics.TABLE, 0.25) | {"psnr": psnr, "lpips_alex_v0.1": None, "mps": None}
    values = {"method": "dmshn", "data": "vidit", "split": "validation", "size": "256", "pictures": 45}
    return Row(run, **(values | {"scores": scores, "parameters": 5_424_393} | changes))


def test_every_metric_has_a_column() -> None:
    cells = set(COLUMNS) - {"runtime_s"} | {"runtime"}
    assert set(metrics.TABLE) <= cells


def test_rows_survive_the_file_and_a_run_replaces_its_own_row(tmp_path: Path) -> None:
    append_row(_row("a"), tmp_path)
    append_row(_row("b, with | and ü", psnr=np.inf, method="baseline", parameters=None), tmp_path)
    rows = append_row(_row("a", psnr=21.5), tmp_path)
    assert [row.run for row in rows] == ["a", "b, with | and ü"]
    assert read_rows(tmp_path) == rows
    assert rows[0].scores["psnr"] == 21.5 and rows[0].scores["mps"] is None
    lines = (tmp_path / "metrics.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4 and lines[2].startswith("| a | dmshn | vidit |")
    assert "| 5,424,393 |" in lines[2] and "n/a" in lines[2] and "with \\| and" in lines[3]
    header = (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(COLUMNS)
    append_row(_row("a", split="train"), tmp_path)
    assert len(read_rows(tmp_path)) == 3


@pytest.mark.parametrize("content", ["", "some,thing\n1,2\n", ",".join(COLUMNS) + "\na,b\n", "\0\1"])
def test_a_foreign_table_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(content)
    with pytest.raises(RelightError, match="move it away"):
        append_row(_row("a"), tmp_path)
    assert path.read_text() == content


def test_tables_for_reading(tmp_path: Path) -> None:
    text = score_table.score_table([_row("a")])
    assert text.splitlines()[0] == "| " + " | ".join(COLUMNS) + " |"
    console = Console(width=250, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*score_table.terminal_tables([_row("[b]a[/b]", split="-")], "Scores", width=250))
    shown = console.export_text()
    assert "[b]a[/b]" in shown and "20.00" in shown and "n/a" in shown and "split" not in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_number_is_cut_off_on_a_narrow_terminal(width: int) -> None:
    own = {f"score_of_some_method_{number}": 10.0 + number for number in range(14)}
    rows = [
        dataclasses.replace(_row(name), scores={**_row(name).scores, **own}, method="sfsnet_residue_3")
        for name in ("sfsnet-humans-64-v3", "another")
    ]
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*score_table.terminal_tables(rows, "Scores", width=width))
    shown = console.export_text()
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert all(len(line.rstrip()) <= width for line in shown.splitlines())
    numbers = score_table._readable(rows[0], score_table.columns_of(rows))[5:]
    assert all(number in shown for number in numbers if number != "n/a")
    assert "10.00" in shown  # 10.0 has as many digits as the scores beside it


def test_a_notebook_shows_rows_of_scores_as_a_table(tmp_path: Path) -> None:
    append_row(_row("a"), tmp_path)
    page = append_row(_row("<b>"), tmp_path)._repr_html_()
    assert page.count("<tr>") == 3 and "&lt;b&gt;" in page and "<b>" not in page
    assert page == read_rows(tmp_path)._repr_html_()
    assert "<th>rmse s</th>" in page and "<th>mps</th>" not in page  # measured by every row, and by none
    assert "<td" in _row("a")._repr_html_() and "no scores" in read_rows(tmp_path / "none")._repr_html_()
