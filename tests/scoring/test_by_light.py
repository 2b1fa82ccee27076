"""Scores by the light of the input: the right field, honest gains, and only where lights are known."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_relight import data
from tf_relight.cli.main import main
from tf_relight.data.options import DataConfig
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS, LIGHT_COUNT, ViditLight
from tf_relight.scoring import by_light, evaluate, metrics
from tf_relight.scoring import simple_predictions as baselines

SCENES = DataConfig(name="scenes", size=32, scenes=1, validation_scenes=1, pairing="any_to_one")


def picture(light: str | None, psnr: float, unchanged: float) -> dict[str, float | None]:
    number = None if light is None else ViditLight.parse(light).index
    return {"psnr": psnr, "input_psnr": unchanged, "light": number}


class DarkSource:
    """A picture per light: the input is the target, darker by as many grey levels as the light's index."""

    fields = ("image", "target", "light")

    def __len__(self) -> int:
        return LIGHT_COUNT

    def key(self, index: int) -> str:
        return ALL_LIGHTS[index].name

    def read(self, index: int) -> dict[str, np.ndarray]:
        target = np.full((16, 16, 3), 200, np.uint8)
        light = np.asarray(index, np.int32)
        return {"image": target - np.uint8(index), "target": target, "light": light}


def test_every_picture_lands_in_the_field_of_its_light(tmp_path: Path) -> None:
    def brighter(image: np.ndarray) -> np.ndarray:
        return image + np.float32(10 / 255)

    scores = evaluate.evaluate_source(brighter, DarkSource(), timed=False, lpips=None, progress=False)
    listed = by_light.write_by_light(scores.pictures, tmp_path, title="darker")
    assert [each.light for each in listed] == list(ALL_LIGHTS)
    for number, each in enumerate(listed):
        error = abs(number - 10)
        assert each.psnr == pytest.approx(20 * math.log10(255 / error) if error else math.inf)
        assert each.pictures == 1
        if number and error:
            assert each.gain == pytest.approx(20 * math.log10(number / error))
    assert listed[0].gain is None and listed[0].input_psnr == math.inf
    with (tmp_path / "by_light.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40 and tuple(rows[0]) == by_light.COLUMNS
    assert rows[0]["gain"] == "n/a" and rows[0]["input_psnr"] == "inf"
    assert (rows[7]["direction"], rows[7]["temperature"]) == ("NE", "4500")
    assert float(rows[7]["psnr"]) == pytest.approx(20 * math.log10(255 / 3), abs=1e-4)


def test_markdown_has_a_line_per_direction_and_the_means() -> None:
    pictures = [picture("N_2500", 10, 8), picture("N_2500", 20, 14), picture("S_6500", 12, 13)]
    text = by_light.markdown(by_light.scores_by_light(pictures), "Title")
    psnr, gain = text.split("Gain over")
    assert "| N | 15.00 | - | - | - | - | 15.00 |" in psnr
    assert "| mean | 15.00 | - | - | - | 12.00 | 13.50 |" in psnr
    assert "| N | +4.00 |" in gain and "| S | - | - | - | - | -1.00 | -1.00 |" in gain
    assert "mean over 1 to 2 pictures" in text


def test_gain_leaves_out_inputs_that_are_their_target() -> None:
    pictures = [picture("E_4500", 30, math.inf), picture("N_4500", 12, 10)]
    assert by_light.gain_of(pictures) == pytest.approx(2)
    assert by_light.unchanged_psnr_of(pictures) == 10
    assert by_light.gain_of(pictures[:1]) is by_light.unchanged_psnr_of(pictures[:1]) is None


def test_heat_map_is_blue_where_it_gains_and_orange_where_it_loses(tmp_path: Path) -> None:
    pictures = [picture("N_2500", 20, 10), picture("N_3500", 10, 20), picture("N_4500", 30, math.inf)]
    path = by_light.heat_map(by_light.scores_by_light(pictures), tmp_path / "map.png", title="A title")
    image = np.asarray(Image.open(path).convert("RGB")).astype(int)
    height, width, _ = image.shape
    right = image[:, width // 2 :]
    first_row = right[by_light._HEAD + 4]
    left = by_light._MARGIN[0] + 8
    colours = [first_row[left + place * by_light._CELL[0]] for place in range(3)]
    assert tuple(colours[0]) == by_light._BLUE and tuple(colours[1]) == by_light._ORANGE
    assert tuple(colours[2]) == by_light.GRID


def test_heat_map_of_one_light_or_of_perfect_scores_is_drawn(tmp_path: Path) -> None:
    for pictures in ([picture("S_5500", 9, 9)], [picture("E_4500", math.inf, math.inf)]):
        by_light.write_by_light(pictures, tmp_path / "maps")
        assert (tmp_path / "maps" / "by_light.png").stat().st_size > 0
    assert "inf" in (tmp_path / "maps" / "by_light.md").read_text()


def test_unknown_lights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RelightError, match="without a VIDIT light"):
        by_light.scores_by_light([picture(None, 1, 1)])
    with pytest.raises(RelightError, match="no scores"):
        by_light.write_by_light([], tmp_path)
    assert by_light.light_number({"light": np.zeros(9, np.float32)}) is None
    assert by_light.light_number({"light": np.asarray(3.0)}) is None
    assert by_light.light_number({}) is None
    assert by_light.light_number({"light": np.asarray(7, np.int32)}) == 7


def test_data_without_lights_or_with_one_light_are_refused_before_scoring() -> None:
    by_light.check_lights(SCENES, "validation")
    with pytest.raises(RelightError, match="'heads' have none: take --data scenes"):
        heads = DataConfig(name="heads", size=32, scenes=1, validation_scenes=1)
        by_light.check_lights(heads, "validation")
    with pytest.raises(RelightError, match=r"all have N_6500: add --set data.pairing=any_to_one"):
        by_light.check_lights(SCENES.model_copy(update={"pairing": "one_to_one"}), "validation")


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory) -> Path:
    from tf_relight import methods
    from tf_relight.methods import trained

    method = methods.get("dmshn")
    config = method.config({"width": 2})
    path = tmp_path_factory.mktemp("tiny") / "weights.safetensors"
    settings = SCENES.model_dump(mode="json", exclude={"root", "cache"})
    return trained.save_weights(
        method.build_model(config), path, method="dmshn", config=config, data=settings
    )


def test_command_writes_the_three_files(tiny_weights: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "scores"
    command = ["evaluate", "--weights", str(tiny_weights), "--by-light", "-o", str(out)]
    assert main(command) == 0
    assert "by_light.png" in capsys.readouterr().out
    with (out / "by_light.csv").open() as file:
        rows = {(row["direction"], row["temperature"]): row for row in csv.DictReader(file)}
    assert len(rows) == 40 and rows["E", "4500"]["gain"] == "n/a"
    source = data.open_source(SCENES, "validation")
    index = ViditLight.parse("SW_5500").index
    sample = source.read(index)
    unchanged = metrics.psnr(sample["image"], sample["target"])
    assert float(rows["SW", "5500"]["input_psnr"]) == pytest.approx(unchanged, abs=1e-4)
    assert (out / "by_light.png").exists() and (out / "by_light.md").exists()


def test_command_refuses_what_has_no_lights(tiny_weights: Path, tmp_path: Path, capsys) -> None:
    start = ["evaluate", "--weights", str(tiny_weights), "--by-light", "-o", str(tmp_path)]
    assert main([*start, "--set", "data.pairing=one_to_one"]) == 2
    assert "any_to_one" in capsys.readouterr().err
    assert main([*start, "--data", "heads"]) == 2
    assert "Scores by light need pictures under the lights of VIDIT" in capsys.readouterr().err
    assert main(["evaluate", "--folders", str(tmp_path), str(tmp_path), "--by-light"]) == 2
    assert "--by-light has no meaning with --folders" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_samples_may_be_chosen_by_number() -> None:
    scores = evaluate.evaluate_source(
        baselines.input_unchanged, DarkSource(), timed=False, lpips=None, keep=[3, 17], progress=False
    )
    assert [sample.key for sample in scores.samples] == [ALL_LIGHTS[3].name, ALL_LIGHTS[17].name]
