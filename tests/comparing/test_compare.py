"""`relight compare`: one table from many rows, made in many sittings, of which some may fail."""

from __future__ import annotations

import csv
import functools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.comparing.small_table import DATA, SMALL, TRAIN, write_table
from tf_relight import methods
from tf_relight.cli.main import main
from tf_relight.comparing import compare
from tf_relight.comparing import table as compare_table
from tf_relight.comparing.config import load_table
from tf_relight.config.run import RunConfig, dump_config
from tf_relight.data import open_source
from tf_relight.data.options import DataConfig
from tf_relight.errors import RelightError
from tf_relight.methods.trained import save_weights
from tf_relight.scoring import metrics
from tf_relight.scoring.evaluate import Sample, evaluate_source
from tf_relight.training.loop import TrainingStopped
from tf_relight.weights import file as weights


@pytest.fixture
def write(tmp_path: Path):
    """Return a function that writes a table's config with the given rows and returns its path."""
    return functools.partial(write_table, tmp_path / "table.yaml")


@functools.cache
def tiny_weights(width: int) -> bytes:
    """Return a weights file of DMSHN of this width, untrained."""
    method = methods.get("dmshn")
    config = method.config({"width": width})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        made = {"train": TRAIN, "seconds": 90}
        return save_weights(
            method.build_model(config), path, method="dmshn", config=config, **made
        ).read_bytes()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Let training leave its files without learning anything; returns what was asked for."""
    calls: list[tuple[str, bool]] = []

    def train(config: RunConfig, *, resume: bool = False, progress: bool = True) -> Path:
        calls.append((config.output.name, resume))
        (config.output / "checkpoints").mkdir(parents=True, exist_ok=True)
        (config.output / "config.yaml").write_text(dump_config(config))
        if config.method != "dmshn":
            raise RelightError(f"Method '{config.method}' needs what the data have not.")
        path = config.output / "weights.safetensors"
        path.write_bytes(tiny_weights(config.model["width"]))
        return path

    monkeypatch.setattr("tf_relight.training.run.train", train)
    return calls


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let scoring darken the pictures, each row by another factor; returns the names of the scored rows."""
    calls: list[str] = []

    def score(path, *, data, split, run, limit, keep, **_):
        calls.append(run)
        factor = np.float32(0.9 ** (1 + sum(map(ord, run)) % 7))
        source = open_source(data, split)
        scores = evaluate_source(lambda image: image * factor, source, limit=limit, keep=keep, progress=False)
        return scores.row(run, method="dmshn", data=data.name, split=split), scores

    monkeypatch.setattr(compare, "score_weights", score)
    return calls


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "table.csv").open() as file:
        return {row["row"]: row for row in csv.DictReader(file)}


def picture_psnr(index: int) -> float:
    data = DataConfig.model_validate({**DATA, "pairing": "any_to_one", "validation_scenes": 1})
    sample = open_source(data, "validation").read(index)
    return metrics.psnr(sample["image"], sample["target"])


# -- the run -------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_table_has_every_row_and_the_published_numbers(write, trained, tmp_path: Path) -> None:
    path = write(
        {"name": "First", **SMALL, "published": {"psnr": 16.5, "ssim": 0.5, "source": "a paper"}},
        {"name": "Second", **SMALL, "model": {"width": 4}, "train": {"batch_size": 4}},
        title="Two widths",
        published_on="VIDIT validation",
        data={**DATA, "pairing": "any_to_one", "validation_scenes": 1},
        evaluation={"limit": 3, "samples": 2, "baselines": True, "by_light": True},
    )
    out = tmp_path / "out"
    made = compare.compare(load_table(path, output=out), progress=False)
    assert trained == [("First", False), ("Second", False)] and made.failures == ()
    rows = rows_of(out)
    assert list(rows) == ["First", "Second", "input unchanged", "best affine colour", "mean training image"]
    first = rows["First"]
    assert (first["pictures"], first["steps"], first["train_seconds"]) == ("3", "4", "90")
    assert float(first["psnr"]) == pytest.approx(made.results[0].row.scores["psnr"], rel=1e-5)
    assert (first["published_psnr"], first["published_lpips"]) == ("16.5", "n/a")
    assert first["published_on"] == "VIDIT validation" and rows["Second"]["published_on"] == ""
    assert int(rows["Second"]["parameters"]) > int(first["parameters"])
    ours, theirs = (out / "table.md").read_text().split("## Published, on another dataset: VIDIT validation")
    assert "16.50" not in ours and "| First | 16.50 | 0.500 | - | a paper |" in theirs
    unchanged = np.mean([picture_psnr(index) for index in range(3)])
    assert f"Unchanged, the inputs have {unchanged:.2f} dB" in ours
    assert "Second (batch_size 4)" in ours and "4 steps of 2 pictures" in ours
    assert (out / "metrics.md").read_text().count("\n") == 7
    assert (out / "First" / "by_light.png").exists()
    with Image.open(out / "grid.png") as grid:
        assert grid.size == (4 * 200 + 8, 64 + 2 * (192 + 22) + 8)
    gains = [float(rows[name]["gain"]) for name in ("First", "best affine colour", "input unchanged")]
    assert gains[2] == 0 and gains[1] > 0
    with (out / "First" / "pictures" / "First_dmshn_scenes_validation_32.csv").open() as file:
        mean = np.mean([float(row["psnr"]) for row in csv.DictReader(file)])
    assert float(first["psnr"]) == pytest.approx(mean, abs=1e-4)


@pytest.mark.long
def test_finished_rows_are_neither_trained_nor_scored_again(
    write, trained, scored, tmp_path, monkeypatch
) -> None:
    path, out = write({"name": "A", **SMALL}, {"name": "B", **SMALL, "model": {"width": 4}}), tmp_path / "out"
    before = compare.compare(load_table(path, output=out), only=["B"], progress=False)
    assert [result.row.run for result in before.results] == ["B"] and trained == [("B", False)]
    assert "A: not trained and scored yet." in (out / "table.md").read_text()
    after = compare.compare(load_table(path, output=out), progress=False)
    assert trained[1:] == [("A", False)] and scored == ["B", "A"]
    assert after.results[1].row.scores == before.results[0].row.scores
    np.testing.assert_array_equal(after.results[1].samples[0].output, before.results[0].samples[0].output)
    assert list(rows_of(out)) == ["A", "B"]
    # Other pictures, other scores: the old ones do not get into the table.
    compare.compare(load_table(path, ["evaluation.limit=2"], out), progress=False)
    assert trained[2:] == [] and scored[2:] == ["A", "B"]
    assert [row["pictures"] for row in rows_of(out).values()] == ["2", "2"]


def test_a_damaged_result_is_made_again(write, trained, scored, tmp_path: Path) -> None:
    table = load_table(write({"name": "A", **SMALL}), output=tmp_path / "out")
    first = compare.compare(table, progress=False)
    for name in ("result.json", "samples.npz"):
        path = tmp_path / "out" / "A" / name
        path.write_bytes(path.read_bytes()[:40])
        again = compare.compare(table, progress=False)
        assert again.results[0].row.scores["psnr"] == first.results[0].row.scores["psnr"]
    assert len(trained) == 1


@pytest.mark.long
def test_changed_config_of_a_finished_row_is_refused_until_restarted(
    write, trained, scored, tmp_path, capsys
) -> None:
    path, out = write({"name": "A b", **SMALL}, {"name": "C", **SMALL}), tmp_path / "out"
    compare.compare(load_table(path, output=out), progress=False)
    (out / "A_b" / "notes.txt").write_text("mine")
    command = ["compare", "--config", str(path), "-o", str(out), "--set", "rows.A b.recipe.learning_rate=0.5"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--restart 'A b'" in error
    assert "was trained with recipe.learning_rate 0.002, and the table now asks for 0.5" in error
    assert len(trained) == 2
    old = (out / "A_b" / "weights.safetensors").stat().st_mtime_ns
    assert main([*command, "--restart", "A b"]) == 0
    assert trained[2:] == [("A_b", False)]
    assert (out / "A_b" / "weights.safetensors").stat().st_mtime_ns != old
    assert (out / "A_b" / "notes.txt").read_text() == "mine", "only what a run leaves is removed"
    assert main(command) == 0 and len(trained) == 3


def test_places_may_change_without_training_again(write, trained, scored, tmp_path: Path) -> None:
    path = write({"name": "A", **SMALL})
    compare.compare(load_table(path, output=tmp_path / "old"), progress=False)
    (tmp_path / "old").rename(tmp_path / "new")
    compare.compare(load_table(path, [f"data.cache={tmp_path / 'cache'}"], tmp_path / "new"), progress=False)
    assert len(trained) == 1


def test_unreadable_config_of_an_interrupted_row_is_refused(write, trained, scored, tmp_path: Path) -> None:
    table = load_table(write({"name": "A", **SMALL}), output=tmp_path / "out")
    (tmp_path / "out" / "A" / "checkpoints").mkdir(parents=True)
    with pytest.raises(RelightError, match=r"config.yaml is missing or of another version, so train it anew"):
        compare.compare(table, progress=False)
    compare.compare(table, restart=["A"], progress=False)
    assert trained == [("A", False)]


@pytest.mark.long
def test_a_failing_row_does_not_stop_the_others(write, trained, scored, tmp_path: Path, capsys) -> None:
    path, out = write({"name": "Bad", "method": "bpae"}, {"name": "Good", **SMALL}), tmp_path / "out"
    assert main(["compare", "--config", str(path), "-o", str(out)]) == 2
    error = capsys.readouterr().err
    sentence = "Bad: Method 'bpae' needs what the data have not."
    assert error.splitlines()[-1] == f"relight: error: {sentence}"
    assert list(rows_of(out)) == ["Good"]
    assert f"- {sentence}" in (out / "table.md").read_text()
    assert main(["compare", "--config", str(path), "-o", str(out), "--only", "Good"]) == 0
    with pytest.raises(RelightError, match="Not one row of the table could be made:\n  Bad: Method"):
        compare.compare(load_table(path, output=tmp_path / "other"), only=["Bad"], progress=False)


def test_unexpected_errors_of_a_row_are_kept_in_a_file(write, trained, scored, tmp_path, monkeypatch) -> None:
    score = compare.score_weights

    def broken(*arguments, **options):
        if options["run"] == "A":
            raise ZeroDivisionError("a mistake of ours\nwith details")
        return score(*arguments, **options)

    monkeypatch.setattr(compare, "score_weights", broken)
    table = load_table(write({"name": "A", **SMALL}, {"name": "B", **SMALL}), output=tmp_path / "out")
    made = compare.compare(table, progress=False)
    assert made.failures[0].startswith("A: ZeroDivisionError: a mistake of ours (all of it is in ")
    record = tmp_path / "out" / "A" / "failure.txt"
    assert "with details" in record.read_text()
    monkeypatch.setattr(compare, "score_weights", score)
    assert compare.compare(table, progress=False).failures == () and not record.exists()


def test_a_signal_ends_the_whole_comparison(write, trained, scored, tmp_path, monkeypatch) -> None:
    def stopped(config, **_):
        trained.append((config.output.name, False))
        raise TrainingStopped("Stopped after step 2; continue with --resume.", 2)

    monkeypatch.setattr("tf_relight.training.run.train", stopped)
    table = load_table(write({"name": "A", **SMALL}, {"name": "B", **SMALL}), output=tmp_path / "out")
    with pytest.raises(RelightError, match="Stopped in row 'A'; the same command goes on") as raised:
        compare.compare(table, progress=False)
    assert raised.value.exit_code == 130
    assert trained == [("A", False)]


def test_weights_are_scored_in_place_of_training(write, trained, tmp_path: Path, capsys) -> None:
    method = methods.get("dmshn")
    config = method.config({"width": 2})
    path = save_weights(
        method.build_model(config), tmp_path / "mine.safetensors", method="dmshn", config=config
    )
    row = {"name": "Loaded", "weights": str(path)}
    made = compare.compare(load_table(write(row), output=tmp_path / "out"), progress=False)
    assert trained == [] and made.results[0].row.method == "dmshn" and made.results[0].steps is None
    other = write({**row, "method": "stacked_dmshn"}, {"name": "Gone", "weights": "nowhere.safetensors"})
    with pytest.raises(RelightError) as raised:
        compare.compare(load_table(other, output=tmp_path / "out"), progress=False)
    assert "Row 'Loaded': " in str(raised.value) and "holds dmshn weights, not stacked_dmshn" in str(
        raised.value
    )
    assert "Row 'Gone': There is no file" in str(raised.value)
    with pytest.raises(RelightError, match="loads weights, so there is no training to restart"):
        compare.compare(load_table(write(row)), restart=["Loaded"], progress=False)


def test_obstacles_are_found_before_training(write, trained, scored, tmp_path, monkeypatch) -> None:
    heads = {"name": "heads", "validation_scenes": 1, "scenes": 1}
    table = load_table(write({"name": "A", **SMALL}, evaluation={"by_light": True, "data": heads}))
    with pytest.raises(RelightError, match="'heads' have none"):
        compare.compare(table, progress=False)
    table = load_table(
        write({"name": "A", **SMALL}, evaluation={"data": {"name": "vidit", "root": "nowhere"}})
    )
    with pytest.raises(RelightError, match="nowhere"):
        compare.compare(table, progress=False)
    table = load_table(write({"name": "DRN", **SMALL}, {"name": "B", **SMALL}))
    with pytest.raises(RelightError, match=r"no row 'DRNN'. Did you mean 'DRN'\? It has DRN, B"):
        compare.compare(table, only=["DRNN"], progress=False)
    with pytest.raises(RelightError, match="--restart B is not among the rows of --only"):
        compare.compare(table, only=["DRN"], restart=["B"], progress=False)
    job = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(job))
    with pytest.raises(RelightError, match="one machine"):
        compare.compare(table, progress=False)
    assert trained == []


def test_an_interrupted_row_goes_on_to_the_same_weights(write, tmp_path: Path) -> None:
    from tf_relight.training.curve_file import read_curve

    tiny = {"method": "unet", "model": {"width": 2, "levels": 1, "normalise": False}}
    table = load_table(write({"name": "A", **tiny}), output=tmp_path / "out")
    row = tmp_path / "out" / "A"
    whole = compare.compare(table, progress=False)
    with Image.open(tmp_path / "out" / "curves.png") as curves:
        assert curves.size == (960, 480)
    before = weights.read_weights(row / "weights.safetensors").tensors
    (row / "weights.safetensors").unlink()
    for path in (row / "checkpoints").glob("ckpt-4*"):
        path.unlink()
    again = compare.compare(table, progress=False)
    after = weights.read_weights(row / "weights.safetensors").tensors
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert [int(line["step"]) for line in read_curve(row / "curve.csv")] == [2, 4]
    assert again.results[0].row.scores["psnr"] == whole.results[0].row.scores["psnr"]


# -- pictures ------------------------------------------------------------------------------------------------


def _samples(*keys: str, value: int = 0) -> list[Sample]:
    target = np.full((8, 16, 3), 100, np.uint8)
    return [Sample(key, target + np.uint8(50), target + np.uint8(value), target) for key in keys]


def test_grid_shows_input_outputs_and_target_in_order(tmp_path: Path) -> None:
    columns = [("one", _samples("a", "b", value=20)), ("two", _samples("a", "b", value=80))]
    path = compare_table.grid(columns, tmp_path / "grid.png", tile=64)
    image = np.asarray(Image.open(path))
    assert image.shape[1] == 4 * 72 + 8
    middle = [tuple(image[32 + 16, 8 + place * 72 + 32]) for place in range(4)]
    assert middle == [(150,) * 3, (120,) * 3, (180,) * 3, (100,) * 3]
    with pytest.raises(RelightError, match="different pictures"):
        compare_table.grid([("one", _samples("a")), ("two", _samples("b"))], tmp_path / "no.png")
    with pytest.raises(RelightError, match="no samples"):
        compare_table.grid([], tmp_path / "no.png")


def test_order_of_published_and_own_scores_is_told(write, trained, scored, tmp_path: Path) -> None:
    rows = [{"name": name, **SMALL, "train": {"seed": seed}} for seed, name in enumerate("AB")]
    for row, psnr in zip(rows, (10, 20), strict=True):
        row["published"] = {"psnr": psnr, "source": "a paper"}
    table = load_table(write(*rows, published_on="VIDIT"), output=tmp_path / "out")
    first, second = compare.compare(table, progress=False).results
    order = "A > B" if first.row.scores["psnr"] >= second.row.scores["psnr"] else "B > A"
    text = (tmp_path / "out" / "table.md").read_text()
    assert f"By PSNR, published: B > A. Here: {order}." in text


@pytest.mark.parametrize(("count", "chosen"), [(240, 6), (60, 4), (1800, 8), (5, 9), (41, 40), (1, 1)])
def test_spread_gives_different_numbers_over_all_scenes_and_lights(count: int, chosen: int) -> None:
    numbers = compare.spread(count, chosen)
    assert len(set(numbers)) == len(numbers) == min(count, chosen)
    assert numbers == sorted(numbers) and 0 <= numbers[0] and numbers[-1] < count
    if count >= 240:
        assert len({number % 40 for number in numbers}) == chosen
        assert max(np.diff([*numbers, count])) < 3 * count / chosen
