"""The config of a comparison: what rows may say, and every mistake as a sentence."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.comparing.small_table import DATA, SMALL, write_table
from tf_relight.comparing.config import load_table
from tf_relight.errors import RelightError

TABLES = sorted((Path(__file__).parents[2] / "configs" / "tables").glob("*.yaml"))


@pytest.fixture
def write(tmp_path: Path):
    """Return a function that writes a table's config with the given rows and returns its path."""
    return functools.partial(write_table, tmp_path / "table.yaml")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [{"name": "A", "method": "dmshm"}],
            "row 'A': method = 'dmshm': is not a method. Did you mean 'dmshn'?",
        ),
        ([{"name": "A", **SMALL}, {"name": "A", **SMALL}], "Two rows are called 'A': rename one."),
        ([{"name": "A b", **SMALL}, {"name": "a_B", **SMALL}], "Two rows are called 'a_B' (as 'A b')"),
        ([{"name": "A"}], "row 'A' has neither a method to train nor weights to load."),
        ([{"name": "A", "weights": "w", "model": {"width": 2}}], "row 'A' loads weights, so model would"),
        ([{"name": "A/..", **SMALL}], "row 'A/..': name = 'A/..': is no name for a row"),
        ([{"name": "Baselines", **SMALL}], "is the name of the baselines"),
        ([{**SMALL}], "row 1: name is missing"),
        (["DRN"], "row 1 = 'DRN': should be a section of keys and values."),
        ([], "rows = []"),
        ([{"name": "A", **SMALL, "model": {"widht": 2}}], "row 'A': model.widht: unknown key. Did you mean"),
        ([{"name": "A", **SMALL, "recipe": {"loss": "l7"}}], "row 'A': recipe.loss = 'l7'"),
        ([{"name": "A", **SMALL, "train": {"stepz": 2}}], "row 'A': train.stepz: unknown key."),
        (
            [{"name": "A", **SMALL, "train": {"batch_size": 3, "accumulate": 2}}],
            "row 'A': train.batch_size 3",
        ),
        ([{"name": "A", "method": "drn", "train": {"steps": 2}}], "train.steps is 2, but the recipe has 3"),
        ([{"name": "A", **SMALL, "published": {"psnr": 1}}], "row 'A': published.source is missing"),
        ([{"name": "A", **SMALL, "published": {"source": "x"}}], "published_on is missing"),
    ],
)
def test_mistakes_of_rows_are_sentences(write, rows, sentence) -> None:
    with pytest.raises(RelightError) as raised:
        load_table(write(*rows))
    assert sentence in str(raised.value)


def test_all_mistakes_are_reported_at_once_and_once(write) -> None:
    path = write(
        {"name": "A", "method": "dmshn", "model": {"width": -1}},
        {"name": "B", **SMALL},
        titel="x",
        data={**DATA, "size": 3},
        train={"stepz": 3},
        evaluation={"limit": 0, "data": {"name": "scenez"}, "split": "train", "baselines": True},
    )
    with pytest.raises(RelightError) as raised:
        load_table(path, ["rows.C.train.steps=1", "rows.A=1", "nonsense"])
    text = str(raised.value)
    for sentence in (
        "titel: unknown key. Did you mean 'title'?",
        "data.size = 3:",
        "train.steps is missing",
        "train.stepz: unknown key",
        "evaluation.limit = 0",
        "evaluation.data.name = 'scenez'",
        "row 'A': model.width = -1",
        "--set rows.C.train.steps=1: there is no row 'C'.",
        "--set rows.A=1: write it as rows.NAME.key=value",
        "--set nonsense: write it as section.key=value",
    ):
        assert text.count(sentence) == 1, sentence
    assert "row 'B'" not in text, "mistakes of the common parts are not those of a row"


def test_rows_take_the_common_budget_and_their_own_changes(write, tmp_path: Path) -> None:
    path = write({"name": "A b", **SMALL}, {"name": "C", **SMALL, "train": {"batch_size": 6}})
    table = load_table(path, ["rows.A b.train.steps=9", "train.seed=5", "data.scenes=7"], tmp_path / "out")
    first, second = (row.run for row in table.rows)
    assert (first.train.steps, first.train.batch_size, first.train.seed) == (9, 2, 5)
    assert (second.train.steps, second.train.batch_size, second.data.scenes) == (4, 6, 7)
    assert first.output == table.rows[0].folder == tmp_path / "out" / "A_b"
    assert load_table(write({"name": "A", **SMALL})).config.output == Path("runs/table")


def test_the_budget_may_be_missing_only_where_nothing_is_trained(write) -> None:
    loads = {"name": "A", "weights": "dmshn-scenes-256-v2"}
    assert load_table(write(loads, train=None)).rows[0].run is None
    with pytest.raises(RelightError, match="row 'B': train.steps is missing: give all rows a budget"):
        load_table(write(loads, {"name": "B", **SMALL}, train=None))


def test_evaluation_data_are_the_common_data_with_changes(write) -> None:
    table = load_table(write({"name": "A", **SMALL}, evaluation={"data": {"size": 64, "seed": 3}}))
    assert (table.evaluation_data.size, table.evaluation_data.seed) == (64, 3)
    assert table.evaluation_data.scenes == 1 and table.rows[0].run.data.size == 32


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_shipped_tables_are_valid(path: Path) -> None:
    table = load_table(path)
    assert table.config.output == Path("runs") / path.stem
    assert all(row.published is None or "methods.md" not in row.published.source for row in table.rows)


def test_there_are_shipped_tables() -> None:
    assert {path.stem for path in TABLES} >= {"drn_ablation", "drn_ablation_one2one"}


def test_mistakes_are_found_without_tensorflow(write) -> None:
    path = write({"name": "A", "method": "dmshm"})
    code = (
        "import sys; from tf_relight.cli.main import main; "
        f"assert main(['compare', '--config', {str(path)!r}]) == 2; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 mistake:" in done.stderr
