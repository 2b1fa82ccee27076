"""`tf_relight.train`: from a config file to released weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tf_relight.config.run import load_config
from tf_relight.errors import RelightError

CONFIGS = Path(__file__).parents[2] / "configs"
SHORT = ["recipe.loss=mse", "train.steps=4", "train.log_every=2", "train.checkpoint_every=2", "data.scenes=2"]


def smoke(folder: Path, *overrides: str):
    return load_config(CONFIGS / "dmshn_smoke.yaml", [f"output={folder}", *SHORT, *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    from tf_relight.training.run import train

    folder = tmp_path_factory.mktemp("run") / "run"
    train(smoke(folder), progress=False)
    return folder


def test_run_leaves_config_curve_checkpoints_board_and_weights(finished):
    from tf_relight.methods.trained import load_model

    assert load_config(finished / "config.yaml").train.steps == 4
    assert (finished / "curve.csv").exists()
    assert list((finished / "checkpoints").glob("ckpt-4.index"))
    assert list((finished / "tensorboard").glob("events*"))
    loaded = load_model(finished / "weights.safetensors", method="dmshn")
    assert loaded.metadata["size"] == 32
    assert loaded.metadata["train"]["seed"] == 0
    assert loaded.metadata["scores"]["step"] == 4


def test_pictures_and_scalars_are_on_the_board(finished):
    import tensorflow as tf

    tags = set()
    for path in (finished / "tensorboard").glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"train/l2", "loss", "learning_rate", "validation_psnr"} <= tags
    assert "validation: input, output, target" in tags


def test_second_run_into_the_same_folder_is_refused(finished):
    from tf_relight.training.run import train

    with pytest.raises(RelightError, match="--resume"):
        train(smoke(finished), progress=False)


def test_finished_run_resumes_to_itself(finished):
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    before = read_weights(finished / "weights.safetensors").tensors
    train(smoke(finished), resume=True, progress=False)
    after = read_weights(finished / "weights.safetensors").tensors
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.long
def test_init_from_starts_at_those_weights(finished, tmp_path):
    from tf_relight.training.run import train
    from tf_relight.training.summaries import read_curve

    start = f"train.init_from={finished / 'weights.safetensors'}"
    train(smoke(tmp_path / "run", start, "recipe.learning_rate=1e-9"), progress=False)
    old, new = read_curve(finished / "curve.csv"), read_curve(tmp_path / "run/curve.csv")
    assert float(new[-1]["validation_psnr"]) == pytest.approx(float(old[-1]["validation_psnr"]), abs=0.05)


def test_init_from_another_width_is_refused(finished, tmp_path):
    from tf_relight.training.run import train

    overrides = [f"train.init_from={finished / 'weights.safetensors'}", "model.width=8"]
    with pytest.raises(RelightError, match="width"):
        train(smoke(tmp_path / "run", *overrides), progress=False)


def test_tf_config_that_is_not_json_is_one_sentence(tmp_path, monkeypatch):
    from tf_relight.training.run import train

    monkeypatch.setenv("TF_CONFIG", "{worker:")
    with pytest.raises(RelightError, match="TF_CONFIG is not JSON"):
        train(smoke(tmp_path / "run"), progress=False)


def test_missing_vgg_weights_are_named_before_training(tmp_path, monkeypatch):
    from tf_relight.training.run import train

    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(RelightError, match="vgg16-torchvision"):
        train(smoke(tmp_path / "run", "recipe.loss=cl", "recipe.perceptual=0.006"), progress=False)


@pytest.mark.parametrize(
    "text,message",
    [
        ('{"cluster": {}}', "name this process"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}', "name this process"),
        ("[1]", "name this process"),
    ],
)
def test_incomplete_tf_config_is_one_sentence(monkeypatch, text, message):
    from tf_relight.training.strategy import read_cluster

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(RelightError, match=message):
        read_cluster()


def test_cluster_of_chief_and_workers(monkeypatch):
    from tf_relight.training.strategy import Cluster, read_cluster

    cluster = '"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}'
    monkeypatch.setenv("TF_CONFIG", "{" + cluster + ', "task": {"type": "worker", "index": 0}}')
    assert read_cluster() == Cluster(workers=3, index=1, chief=False)
    monkeypatch.setenv("TF_CONFIG", "{" + cluster + ', "task": {"type": "chief", "index": 0}}')
    assert read_cluster() == Cluster(workers=3, index=0, chief=True)


def test_unknown_device_is_named():
    from tf_relight.training.strategy import Cluster, make_strategy

    with pytest.raises(RelightError, match="TPU:9"):
        make_strategy("one_device", ["TPU:9"], Cluster())


def test_multi_worker_needs_tf_config(monkeypatch):
    from tf_relight.training.strategy import Cluster, make_strategy

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(RelightError, match="TF_CONFIG"):
        make_strategy("multi_worker", None, Cluster())


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_valid_and_short(path):
    load_config(path)
    lines = path.read_text().splitlines()
    assert len(lines) <= 60
    assert lines[0].startswith("# ") and any("python -m" in line or "make" in line for line in lines[:5])


@pytest.mark.long
def test_any_to_any_trains_on_pictures_formed_on_the_fly(tmp_path):
    from tf_relight.training.run import train

    weights = train(smoke(tmp_path / "run", "data.pairing=any_to_any"), progress=False)
    assert weights.exists()


@pytest.mark.long
def test_bfloat16_computes_in_bfloat16_and_keeps_float32_weights(tmp_path):
    import keras

    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    weights = train(smoke(tmp_path / "run", "train.precision=mixed_bfloat16"), progress=False)
    assert all(tensor.dtype == np.float32 for tensor in read_weights(weights).tensors.values())
    assert keras.config.dtype_policy().name == "float32"


def test_weights_tell_no_folder_of_the_machine_that_trained_them(tmp_path):
    """The parts of a mixture kept theirs."""
    from tf_relight.data.options import DataConfig
    from tf_relight.training.run import _told

    parts = [{"name": "sfsnet", "root": str(tmp_path / "labels")}, {"name": "heads", "scenes": 2}]
    values = {"name": "mixture", "root": str(tmp_path), "cache": str(tmp_path / "cache"), "parts": parts}
    told = _told(DataConfig.model_validate(values))
    assert str(tmp_path) not in str(told)
    assert [part["name"] for part in told["parts"]] == ["sfsnet", "heads"]
