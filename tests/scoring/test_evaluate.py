"""Evaluation: the protocol of the papers, one row per run, and honest treatment of what cannot be scored."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tf_relight import data, methods
from tf_relight.errors import RelightError
from tf_relight.methods import trained
from tf_relight.scoring import evaluate, metrics
from tf_relight.scoring import simple_predictions as baselines
from tf_relight.scoring.score_table import COLUMNS, read_rows

SIZE = 32


class FakeSource:
    """Pairs of random pictures; the targets are an affine colour map of the inputs, up to rounding."""

    fields: tuple[str, ...] = ("image", "target")
    matrix = np.array([[0.5, 0.2, 0.0], [0.0, 0.6, 0.1], [0.1, 0.0, 0.4]])
    offset = np.array([0.1, 0.05, 0.2])

    def __init__(self, count: int = 4, broken: int | None = None) -> None:
        self.count, self.broken = count, broken

    def __len__(self) -> int:
        return self.count

    def key(self, index: int) -> str:
        return f"Image{index:03}"

    def read(self, index: int) -> dict[str, np.ndarray]:
        if index == self.broken:
            raise RelightError(f"{self.key(index)}.png is damaged.")
        image = np.random.default_rng(index).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
        target = image / 255.0 @ self.matrix.T + self.offset
        return {"image": image, "target": metrics.quantise(target)}


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_scores_are_the_mean_of_8_bit_scores_over_pictures() -> None:
    source = FakeSource()

    def darker(image: np.ndarray) -> np.ndarray:
        return image * 0.7 - 0.05

    scores = evaluate.evaluate_source(darker, source, progress=False)
    expected_psnr, expected_ssim = [], []
    for index in range(4):
        sample = source.read(index)
        output = np.rint(np.clip(sample["image"] / np.float32(255) * 0.7 - 0.05, 0, 1) * 255).astype(np.uint8)
        expected_psnr.append(peak_signal_noise_ratio(sample["target"], output))
        expected_ssim.append(structural_similarity(sample["target"], output, channel_axis=2))
    assert scores.mean["psnr"] == pytest.approx(statistics.fmean(expected_psnr), abs=1e-6)
    assert scores.mean["ssim"] == pytest.approx(statistics.fmean(expected_ssim), abs=1e-6)
    assert scores.keys == ("Image000", "Image001", "Image002", "Image003")
    assert scores.size == "32"
    assert scores.mean["runtime"] > 0


def test_limit_and_samples() -> None:
    scores = evaluate.evaluate_source(
        lambda image: 1 - image, FakeSource(), limit=3, keep=2, timed=False, progress=False
    )
    assert len(scores.pictures) == 3 and scores.mean["runtime"] is None
    assert [sample.key for sample in scores.samples] == ["Image000", "Image001"]
    np.testing.assert_array_equal(scores.samples[1].output, 255 - FakeSource().read(1)["image"])


def test_the_warm_up_call_is_not_timed() -> None:
    calls = []
    evaluate.evaluate_source(lambda image: calls.append(1) or image, FakeSource(3), progress=False)
    assert len(calls) == 4
    calls.clear()
    evaluate.evaluate_source(
        lambda image: calls.append(1) or image, FakeSource(3), timed=False, progress=False
    )
    assert len(calls) == 3


def test_lpips_reads_none_without_its_files_and_is_used_with_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path))
    without = evaluate.evaluate_source(baselines.input_unchanged, FakeSource(2), progress=False)
    assert without.mean["lpips_alex_v0.1"] is None and without.mean["mps"] is None
    given = evaluate.evaluate_source(
        baselines.input_unchanged, FakeSource(2), lpips=lambda a, b: 0.25, progress=False
    )
    assert given.mean["lpips_alex_v0.1"] == 0.25
    assert given.mean["mps"] == pytest.approx(0.5 * (given.mean["ssim"] + 0.75))


def test_a_broken_picture_is_listed_and_the_others_are_scored() -> None:
    scores = evaluate.evaluate_source(baselines.input_unchanged, FakeSource(broken=1), progress=False)
    assert scores.keys == ("Image000", "Image002", "Image003")
    assert scores.failures == ("Image001: Image001.png is damaged.",)
    row = scores.row("run", method="baseline", data="fake", split="validation")
    assert row.pictures == 3 and row.failures == scores.failures


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(RelightError, match="Not one of 1 pictures could be scored. The first: Image000"):
        evaluate.evaluate_source(baselines.input_unchanged, FakeSource(1, broken=0), progress=False)
    with pytest.raises(RelightError, match="Not one of 0 pictures"):
        evaluate.evaluate_source(baselines.input_unchanged, FakeSource(0), progress=False)
    with pytest.raises(RelightError, match="NaN"):
        evaluate.evaluate_source(lambda image: image * np.nan, FakeSource(1), progress=False)
    source = FakeSource()
    source.fields = ("image",)
    with pytest.raises(RelightError, match="no target"):
        evaluate.evaluate_source(baselines.input_unchanged, source, progress=False)
    with pytest.raises(RelightError, match="no target"):
        baselines.fit_baselines(source, progress=False)


def test_baselines_find_the_affine_colour_map() -> None:
    fitted = baselines.fit_baselines(FakeSource(), progress=False)
    assert list(fitted) == ["input unchanged", "best affine colour", "mean training image"]
    affine = fitted["best affine colour"]
    # The targets are rounded to 8 bit, which moves the fit by far less than a grey level.
    np.testing.assert_allclose(affine.matrix[:, :3], FakeSource.matrix, atol=1e-3)
    np.testing.assert_allclose(affine.matrix[:, 3], FakeSource.offset, atol=1e-3)
    scores = evaluate.evaluate_source(affine, FakeSource(2), progress=False)
    assert scores.mean["psnr"] > 50
    mean = np.mean([FakeSource().read(i)["target"] / 255 for i in range(4)], axis=0)
    np.testing.assert_allclose(fitted["mean training image"](np.zeros((SIZE, SIZE, 3))), mean, atol=1e-6)
    with pytest.raises(RelightError, match="32x32, but a picture is 8x4"):
        fitted["mean training image"](np.zeros((4, 8, 3)))


def test_affine_baseline_of_grey_pictures_is_finite() -> None:
    class Grey(FakeSource):
        def read(self, index: int) -> dict[str, np.ndarray]:
            grey = np.full((8, 8, 3), 60, np.uint8)
            return {"image": grey, "target": grey * 2}

    affine = baselines.fit_baselines(Grey(2), progress=False)["best affine colour"]
    np.testing.assert_allclose(affine(np.full((8, 8, 3), 60 / 255, np.float32)), 120 / 255, atol=1e-5)
    with pytest.raises(RelightError, match="training data is empty"):
        baselines.fit_baselines(Grey(0), progress=False)


@pytest.fixture
def fake_data(monkeypatch: pytest.MonkeyPatch):
    """Let every dataset be the fake source; returns a config for it."""
    from tf_relight.data.options import DataConfig

    monkeypatch.setattr(
        data, "open_source", lambda config, split, **_: FakeSource(6 if split == "train" else 3)
    )
    return DataConfig(name="folder", size=SIZE)


def test_evaluate_weights_writes_row_and_pictures(fake_data, tmp_path: Path) -> None:
    method = methods.get("dmshn")
    config = method.config({"width": 2})
    model = method.build_model(config)
    path = trained.save_weights(
        model, tmp_path / "tiny" / "weights.safetensors", method="dmshn", config=config
    )
    out = tmp_path / "scores"
    row = evaluate.evaluate_weights(path, data=fake_data, out=out, progress=False)
    assert (row.run, row.method, row.data, row.split, row.size) == (
        "tiny",
        "dmshn",
        "folder",
        "validation",
        "32",
    )
    assert (out / "samples.png").stat().st_size > 0
    assert row.pictures == 3 and row.parameters == model.count_params() and row.scores["runtime"] > 0
    output = method.relight(model, FakeSource().read(0)["image"].astype(np.float32) / 255)
    expected = metrics.psnr(metrics.quantise(output), FakeSource().read(0)["target"])
    with (out / "pictures" / "tiny_dmshn_folder_validation_32.csv").open() as file:
        pictures = list(csv.DictReader(file))
    assert [picture["picture"] for picture in pictures] == ["Image000", "Image001", "Image002"]
    assert float(pictures[0]["psnr"]) == pytest.approx(expected, abs=1e-4)
    evaluate.evaluate_weights(path, data=fake_data, out=out, limit=2, progress=False)
    assert [row.pictures for row in read_rows(out)] == [2]
    with pytest.raises(RelightError, match="not stacked_dmshn"):
        evaluate.evaluate_weights(path, data=fake_data, method="stacked_dmshn", progress=False)


def _tiny_weights(name: str, path: Path, **values: int) -> Path:
    method = methods.get(name)
    config = method.config(values)
    return trained.save_weights(method.build_model(config), path, method=name, config=config)


def test_modes_are_rows_of_their_own(fake_data, tmp_path: Path) -> None:
    path = _tiny_weights("bpae", tmp_path / "tiny.safetensors", width=2, levels=1, blocks=0)
    for mode in (None, "plain", "polyphase4"):
        evaluate.evaluate_weights(path, data=fake_data, out=tmp_path, mode=mode, limit=1, progress=False)
    rows = {row.method: row.scores["psnr"] for row in read_rows(tmp_path)}
    assert list(rows) == ["bpae", "bpae plain", "bpae polyphase4"]
    # 32 pixels are not twice the native size, so the usual way is one pass.
    assert rows["bpae"] == rows["bpae plain"] != rows["bpae polyphase4"]
    assert "| bpae polyphase4 |" in (tmp_path / "metrics.md").read_text()
    assert (tmp_path / "pictures" / "tiny_bpae-polyphase4_folder_validation_32.csv").exists()


def test_wrong_modes_are_refused_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tf_relight.cli.main import main
    from tf_relight.methods.method import Method

    bpae = _tiny_weights("bpae", tmp_path / "bpae.safetensors", width=2, levels=1, blocks=0)
    dmshn = _tiny_weights("dmshn", tmp_path / "dmshn.safetensors", width=2)
    for name in ("build_model", "networks"):
        monkeypatch.setattr(Method, name, property(lambda self: pytest.fail("Keras was asked for")))
    monkeypatch.setattr(data, "open_source", lambda *_, **__: pytest.fail("the data were opened"))
    out = tmp_path / "out"
    asked = ["--data", "scenes", "--mode", "tiled", "-o", str(out)]
    assert main(["evaluate", "--weights", str(bpae), *asked]) == 2
    said = capsys.readouterr().err
    assert "Method 'bpae' knows the modes plain, polyphase4, released, not 'tiled'." in said
    assert main(["evaluate", "--weights", str(dmshn), *asked]) == 2
    assert "Method 'dmshn' has no modes: leave out 'tiled'." in capsys.readouterr().err
    assert main(["evaluate", "--folders", "a", "b", "--mode", "plain"]) == 2
    assert "--mode has no meaning with --folders" in capsys.readouterr().err
    assert not out.exists()


class LitSource(FakeSource):
    """A target is the input times the first coefficient of its light."""

    fields = ("image", "target", "light", "target_light")

    def read(self, index: int) -> dict[str, np.ndarray]:
        sample = super().read(index)
        light = np.array([0.5, 1, 0, 0, 0, 0, 0, 0, 0], np.float32)
        colours = np.array([0.25, 0.5, 0.75], np.float32) / np.float32(
            0.299 * 0.25 + 0.587 * 0.5 + 0.114 * 0.75
        )
        return {
            "image": sample["image"],
            "target": metrics.quantise(sample["image"] / 255.0 * 0.5),
            "light": light,
            "target_light": light[:, None] * colours,
        }


def test_methods_with_light_get_the_target_light_and_are_scored_on_the_source_light() -> None:
    class ReadLight:
        columns = ()

        def scores(self, image: np.ndarray, sample: dict[str, np.ndarray]) -> dict[str, float]:
            read = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0], np.float32)
            return {"light_degrees": metrics.light_angle(read, sample["light"])}

    scores = evaluate.evaluate_source(
        lambda image, light: image * light[0],
        LitSource(2),
        light_channels=1,
        checks=ReadLight(),
        progress=False,
    )
    assert scores.mean["psnr"] == np.inf, "colour lights reach the network as luminance"
    assert scores.mean["light_degrees"] == pytest.approx(45.0, abs=1e-4)
    row = scores.row("run", method="dpr512", data="fake", split="validation")
    assert row.scores["light_degrees"] == scores.mean["light_degrees"]
    with pytest.raises(RelightError, match="no target_light"):
        evaluate.evaluate_source(lambda image, light: image, FakeSource(), light_channels=1, progress=False)


def test_portrait_weights_are_scored_on_heads(tmp_path: Path) -> None:
    from tf_relight.data.options import DataConfig

    method = methods.get("dpr512")
    config = method.config({"width": 2})
    path = trained.save_weights(
        method.build_model(config), tmp_path / "weights.safetensors", method="dpr512", config=config
    )
    heads = DataConfig(name="heads", size=32, scenes=1, validation_scenes=1)
    row = evaluate.evaluate_weights(path, data=heads, out=tmp_path, limit=2, progress=False)
    assert 0 <= row.scores["light_degrees"] <= 180 and row.pictures == 2
    unchanged = evaluate.evaluate_baselines(heads, out=tmp_path, limit=2, progress=False)[0]
    assert unchanged.run == "input unchanged" and unchanged.scores["light_degrees"] is None
    known = {row.run: row.scores["light_degrees"] for row in read_rows(tmp_path)}
    assert known["input unchanged"] is None
    assert known[row.run] == pytest.approx(row.scores["light_degrees"], rel=1e-3)
    table = (tmp_path / "metrics.md").read_text()
    assert "light_degrees" in table and "n/a" in table


def test_tables_from_before_the_light_was_scored_are_read(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    columns = [name for name in COLUMNS if name != "light_degrees"]
    words = {"run": "old", "method": "dmshn", "data": "vidit", "split": "validation", "size": "256"}
    values = {name: words.get(name, "1") for name in columns}
    table.write_text(",".join(columns) + "\n" + ",".join(values.values()) + "\n")
    (row,) = read_rows(tmp_path)
    assert row.run == "old" and row.scores["psnr"] == 1 and row.scores["light_degrees"] is None


def test_baselines_of_endless_sources_are_fitted_to_a_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_SAMPLES", 3)
    seen = []

    class Watched(FakeSource):
        def read(self, index: int) -> dict[str, np.ndarray]:
            seen.append(index)
            return super().read(index)

    fitted = baselines.fit_baselines(Watched(9), progress=False)
    assert seen == [0, 3, 6]
    mean = np.mean([FakeSource().read(i)["target"] / 255 for i in seen], axis=0)
    np.testing.assert_allclose(fitted["mean training image"](np.zeros((SIZE, SIZE, 3))), mean, atol=1e-6)


def test_evaluate_baselines_adds_three_rows(fake_data, tmp_path: Path) -> None:
    rows = evaluate.evaluate_baselines(fake_data, out=tmp_path, progress=False)
    assert [row.run for row in read_rows(tmp_path)] == [row.run for row in rows]
    unchanged, affine, mean = (row.scores["psnr"] for row in rows)
    assert affine > mean > unchanged
    assert all(row.parameters is None and row.scores["runtime"] is None for row in rows)
    assert len(list((tmp_path / "pictures").glob("*.csv"))) == 3


def test_folders_are_matched_by_stem(tmp_path: Path) -> None:
    ours, theirs, out = tmp_path / "ours", tmp_path / "theirs", tmp_path / "out"
    source = FakeSource()
    for index in range(3):
        sample = source.read(index)
        _write(ours / f"{source.key(index)}.png", sample["image"])
        _write(theirs / f"{source.key(index)}.tiff", sample["target"])
    _write(ours / "only_here.png", source.read(0)["image"])
    row = evaluate.evaluate_folders(ours, theirs, out=out, progress=False)
    expected = evaluate.evaluate_source(baselines.input_unchanged, source, limit=3, progress=False)
    assert row.pictures == 3 and row.scores["psnr"] == pytest.approx(expected.mean["psnr"])
    assert row.unmatched == ("only_here.png",) and row.failures == ()
    assert (row.run, row.method, row.data, row.split, row.size) == ("ours", "files", "theirs", "-", "32")
    assert (out / "pictures" / "ours_files_theirs_32.csv").exists()


def test_folders_list_what_could_not_be_scored(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for name in ("good", "small", "broken"):
        _write(ours / f"{name}.png", FakeSource().read(0)["image"])
        _write(theirs / f"{name}.png", FakeSource().read(1)["image"])
    _write(ours / "small.png", np.zeros((16, 20, 3), np.uint8))
    (theirs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    row = evaluate.evaluate_folders(ours, theirs, progress=False)
    assert row.pictures == 1
    assert len(row.failures) == 2 and row.failures[0].startswith("broken: ")
    assert row.failures[1].startswith("small: The two pictures differ in size")


def test_folders_that_cannot_be_compared(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    _write(ours / "a.png", np.zeros((16, 16, 3), np.uint8))
    _write(theirs / "b.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(RelightError, match=r"no picture of equal name, for example a.png and b.png"):
        evaluate.evaluate_folders(ours, theirs, progress=False)
    with pytest.raises(RelightError, match="not a folder"):
        evaluate.evaluate_folders(ours / "a.png", theirs, progress=False)
    _write(ours / "a.bmp", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(RelightError, match="keep one of them"):
        evaluate.evaluate_folders(ours, theirs, progress=False)


def test_equal_folders_score_perfectly(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "x.png", FakeSource().read(0)["image"])
    row = evaluate.evaluate_folders(tmp_path / "a", tmp_path / "a", out=tmp_path, progress=False)
    assert row.scores["psnr"] == np.inf and row.scores["ssim"] == pytest.approx(1)
    assert read_rows(tmp_path)[0].scores["psnr"] == np.inf
