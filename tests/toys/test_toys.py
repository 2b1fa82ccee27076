"""Two methods of other shapes through the whole toolkit, with their folder and one line of the table only."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest

from tests.toys import sfsnet_like, siamese
from tests.toys.runs import config_file, trained
from tf_relight.cli.main import main
from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.stage import Check, LossTerm
from tf_relight.errors import RelightError


@pytest.mark.parametrize(
    "method,columns",
    [
        ("toy_sfsnet", ("psnr", "input_psnr", "normal_degrees", "albedo_l1", "light_degrees")),
        ("toy_siamese", ("rebuilt_psnr",)),
    ],
)
def test_curves_have_the_checks_of_the_stages(runs, method, columns):
    from tf_relight.training.summaries import read_curve

    last = read_curve(runs / method / "curve.csv")[-1]
    assert all(np.isfinite(float(last[f"validation_{column}"])) for column in columns)


def test_weights_do_not_hold_what_only_the_training_needs(runs):
    from tf_relight.weights.file import read_weights

    tensors = read_weights(runs / "toy_sfsnet" / "weights.safetensors").tensors
    assert tensors and not any("judge" in name for name in tensors)


def test_a_run_that_was_cut_off_in_the_second_stage_ends_bit_for_bit_the_same(runs, tmp_path, monkeypatch):
    from tf_relight.training.loop import Trainer

    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = trained(tmp_path / "whole", "toy_sfsnet")
    save = Trainer._save

    def stop(self: Trainer, step: int) -> None:
        save(self, step)
        if step == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", stop)
        path = config_file(tmp_path / "cut", "toy_sfsnet")
        from tf_relight.config.run import load_config
        from tf_relight.training.run import train

        with pytest.raises(KeyboardInterrupt):
            train(load_config(path, ["train.checkpoint_every=10"]), progress=False)
    resumed = trained(tmp_path / "cut", "toy_sfsnet", resume=True)
    for name, tensor in whole.items():
        np.testing.assert_array_equal(tensor, resumed[name], err_msg=name)


def test_scores_are_those_of_all_outputs(runs, tmp_path):
    from tf_relight.config.run import make_data_config
    from tf_relight.scoring.evaluate import evaluate_weights
    from tf_relight.scoring.score_table import read_rows

    data = make_data_config(
        {"name": "heads", "size": 32, "scenes": 1, "validation_scenes": 1, "coloured_light": True}
    )
    weights = runs / "toy_sfsnet" / "weights.safetensors"
    row = evaluate_weights(weights, data=data, out=tmp_path, limit=3, progress=False)
    assert {"psnr", "normal_degrees", "albedo_l1", "light_degrees"} <= {k for k, v in row.scores.items() if v}
    (again,) = read_rows(tmp_path)
    assert again.scores["normal_degrees"] == pytest.approx(row.scores["normal_degrees"], rel=1e-6)
    assert "normal_degrees" in (tmp_path / "metrics.md").read_text()


# -- What was silent --------------------------------------------------------------------------------------


def test_the_angle_of_a_coloured_light_is_that_of_its_grey_light():
    """It was that of three numbers of the flattened array."""
    from tf_relight.light.lamps import light_as
    from tf_relight.scoring.metrics import light_angle

    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 9, 3))
    expected = light_angle(light_as(first, 1), light_as(second, 1)[:, 0])
    assert light_angle(first, second) == pytest.approx(expected)
    flat = [light.reshape(-1)[1:4] for light in (first, second)]
    wrong = np.degrees(np.arccos(flat[0] @ flat[1] / np.prod([np.linalg.norm(each) for each in flat])))
    assert abs(expected - wrong) > 5
    with pytest.raises(RelightError, match=r"not \(3, 9\)"):
        light_angle(first.T, second)


def test_validation_compares_what_the_checks_say_whatever_the_first_loss_is(runs):
    """The first loss of the toy is masked and names a reconstruction, which was compared with the target."""
    from tf_relight.training.summaries import read_curve

    rows = read_curve(runs / "toy_siamese" / "curve.csv")
    assert "validation_rebuilt_psnr" in rows[-1] and "validation_psnr" not in rows[-1]


def test_a_network_that_knows_colour_is_scored_under_the_coloured_light(runs):
    from tf_relight.data import open_source
    from tf_relight.data.options import DataConfig
    from tf_relight.methods.trained import load_model
    from tf_relight.scoring import metrics
    from tf_relight.scoring.evaluate import score_weights

    weights = runs / "toy_sfsnet" / "weights.safetensors"
    data = DataConfig(name="heads", size=32, scenes=1, validation_scenes=1, coloured_light=True)
    _, scores = score_weights(weights, data=data, limit=1, progress=False)
    sample, loaded = open_source(data, "validation").read(0), load_model(weights)
    image = sample["image"].astype(np.float32) / np.float32(255)

    def psnr(light: np.ndarray) -> float:
        relit = loaded.method.relight(loaded.model, image, light)
        return metrics.psnr(metrics.quantise(relit), sample["target"])

    light = sample["target_light"]
    assert light.shape == (9, 3)
    assert scores.mean["psnr"] == pytest.approx(psnr(light), abs=1e-6)
    assert abs(psnr(light) - psnr(light @ np.array([0.299, 0.587, 0.114], np.float32))) > 1e-3


# -- Mistakes are told before the first step --------------------------------------------------------------


def with_stage(monkeypatch, number: int, **changes) -> None:
    """Give the toy other stages."""
    stages = sfsnet_like.stages

    def changed(config, recipe):
        made = stages(config, recipe)
        made[number] = dataclasses.replace(made[number], **changes)
        return made

    monkeypatch.setattr(sfsnet_like, "stages", changed)


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"losses": (LossTerm("l1", 1.0, "albdo", "albedo"),)}, "asks for 'albdo', which is neither a field"),
        ({"losses": (LossTerm("l1", 1.0, "albedo", "albdo"),)}, "asks for 'albdo', which is neither a field"),
        ({"losses": (LossTerm("l7", 1.0, "albedo", "albedo"),)}, "has the unknown loss 'l7'"),
        ({"losses": (LossTerm("l1", 1.0, "albedo", "albedo", "skin"),)}, "asks for 'skin', which is neither"),
        ({"losses": (LossTerm("l1", 1.0, "albedo", "more.albedo"),)}, "has no stream 'more'"),
        ({"losses": (LossTerm("l1", 1.0, "albedo", "light"),)}, "cannot be computed on these data"),
        ({"checks": (Check("psn", "albedo", "albedo"),)}, "no score 'psn'. Did you mean 'psnr'?"),
        ({"checks": (Check("psnr", "albdo", "albedo"),)}, "asks for the output 'albdo'"),
        ({"trains": ("albedo_haed",)}, "no part 'albedo_haed'"),
        ({"inference": ("trnk",)}, "no part 'trnk'"),
    ],
)
def test_a_wrong_name_in_the_second_stage_is_told_before_the_first_step(
    changes, said, tmp_path, monkeypatch, capsys
):
    with_stage(monkeypatch, 1, **changes)
    assert main(["train", str(config_file(tmp_path, "toy_sfsnet"))]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "toy_sfsnet" / "curve.csv").exists()


def test_a_card_that_contradicts_its_networks_is_told(tmp_path, monkeypatch, capsys):
    info: MethodInfo = siamese.VARIANTS["toy_siamese"]
    wrong = (*info.outputs[:1], Port("source_light", "light", 3))
    monkeypatch.setitem(siamese.VARIANTS, "toy_siamese", dataclasses.replace(info, outputs=wrong))
    assert main(["train", str(config_file(tmp_path, "toy_siamese"))]) == 2
    assert (
        "The card of 'toy_siamese' says that 'source_light' is light of shape (9, 3)"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"inputs": (Port("image", "srgb"), Port("image", "mask", 1))}, "two ports called 'image'"),
        ({"inputs": (Port("light", "light", 1),)}, "needs one picture as input, not 0"),
        ({"outputs": (Port("relit", "normal"),)}, "gives 'relit' as normal"),
    ],
)
def test_cards_that_cannot_be_are_refused(changes, said):
    with pytest.raises(RelightError, match=said):
        dataclasses.replace(siamese.VARIANTS["toy_siamese"], **changes)


def test_a_port_knows_how_many_channels_its_kind_has():
    with pytest.raises(RelightError, match="cannot be light with 2 channels"):
        Port("light", "light", 2)


def test_a_stage_whose_target_is_missing_in_the_validation_is_trained_and_said_once(
    tmp_path, monkeypatch, caplog
):
    with_stage(monkeypatch, 0, checks=(Check("psnr", "relit", "shadow_free"),))
    with caplog.at_level(logging.WARNING, "tf_relight.training"):
        trained(tmp_path, "toy_sfsnet")
    said = [record.message for record in caplog.records if "not validated" in record.message]
    assert said == ["The stage 'decomposition' is not validated: the validation data have no shadow_free."]


def test_a_stream_that_is_shorter_than_a_batch_is_refused(tmp_path, capsys):
    path = config_file(tmp_path, "toy_sfsnet")
    short = "streams={more: {name: heads, size: 32, scenes: 1, light_pairs: 1}}"
    assert main(["train", str(path), "--set", short]) == 2
    assert "The stream 'more' has 1 samples, fewer than a batch of 2" in capsys.readouterr().err


# -- On a photo -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["toy_sfsnet", "toy_siamese"])
def test_photos_are_relit_at_full_size(runs, method, tmp_path):
    from tf_relight.photo.picture import Picture
    from tf_relight.photo.reading import read_picture
    from tf_relight.photo.writing import write_picture

    pixels = np.random.default_rng(1).random((90, 120, 3), dtype=np.float32) * 0.5 + 0.25
    write_picture(tmp_path / "photo.png", Picture(pixels))
    weights = str(runs / method / "weights.safetensors")
    out = tmp_path / "relit.png"
    words = ["image", str(tmp_path / "photo.png"), "-o", str(out), "--weights", weights, "--from", "left"]
    assert main(words) == 0
    assert read_picture(out).size == (90, 120)
    warm = tmp_path / "warm.png"
    assert main([*words[:3], str(warm), *words[4:], "--temperature", "2500"]) == 0
    neutral, tinted = read_picture(out).pixels, read_picture(warm).pixels
    red_over_blue = (tinted[..., 0] / (tinted[..., 2] + 0.01)) / (neutral[..., 0] / (neutral[..., 2] + 0.01))
    assert np.median(red_over_blue) > 1.02
