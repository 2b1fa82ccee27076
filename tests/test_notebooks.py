"""The notebooks of the examples: small, without outputs, and every cell runs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))


def test_there_are_three():
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_holds_no_outputs(path):
    assert path.stat().st_size < 10_000
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_shows_something(path, tmp_path):
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", ())]
    assert any("image/png" in data or "text/html" in data for data in shown)


def outputs_of(tmp_path, *sources):
    """The outputs of cells that a kernel ran, cell by cell."""
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return [cell.outputs for cell in book.cells]


def test_a_kernel_draws_one_bar_that_ends_whole_and_a_ball_that_is_a_picture_elsewhere(tmp_path):
    bars, ball = outputs_of(
        tmp_path,
        "import time\nfrom tf_relight.progress import track\n"
        "for _ in track(range(6), 'Relighting <b>', total=6): time.sleep(0.1)",
        "from tf_relight.showing.light_ball import LightBall\nLightBall(azimuth=-60)",
    )
    (bar,) = bars
    assert bar.output_type == "display_data"
    page = bar.data["text/html"]
    assert "6/6" in page and "Relighting &lt;b&gt;" in page and "\u2501" in page
    (shown,) = ball
    assert shown.data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert shown.data["image/png"]
