"""Training with rounding to 8 bits: the stage that follows the float network, and the trainer around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rounding.small_rounding import float_twin, network, pictures, psnr, uneven_network
from tf_relight import methods
from tf_relight.config.run import load_config
from tf_relight.errors import RelightError

SMOKE = Path(__file__).parent.parent.parent / "configs" / "dmshn_smoke.yaml"

# -- The stage -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rounding_stage_comes_closer_to_the_float_network_and_keeps_the_ranges():
    import keras
    import tensorflow as tf

    from tf_relight.contract.stage import FOLLOWED, Schedule, Stage
    from tf_relight.networks.relight_model import StepOptions
    from tf_relight.rounding.stage import with_rounding

    model = uneven_network(dynamic_tail=20)
    batch = {"image": tf.constant(pictures()), "target": tf.constant(pictures() / 2)}
    (stage,) = with_rounding([Stage("any", 1.0, (), Schedule(1e-3))], 1.0)
    model.attach_networks([stage])
    model.prepare_stage(stage, {"model": keras.optimizers.Adam(3e-4)}, StepOptions(clip_norm=1.0))
    assert model.needs_calibration
    exact = np.asarray(float_twin(model)(batch["image"]))
    model.calibrate([pictures()])
    limits = np.asarray(model.int8.limits)
    np.testing.assert_array_equal(np.asarray(model.attached[FOLLOWED](batch["image"])), exact)
    for bias in (v for v in model.trainable_variables if v.path.endswith("conv_out/bias")):
        bias.assign(bias + 0.03)
    step = tf.function(model.train_step)
    losses = [float(step(batch)["rounded_l2"]) for _ in range(40)]
    assert losses[0] > 1e-4 and np.mean(losses[-5:]) < 0.3 * losses[0]
    np.testing.assert_array_equal(np.asarray(model.int8.limits), limits)
    np.testing.assert_array_equal(np.asarray(model.attached[FOLLOWED](batch["image"])), exact)


@pytest.mark.parametrize("tail", [0, 5])
def test_what_is_followed_can_be_reached(tail):
    from tf_relight.rounding.stage import with_rounding

    model = uneven_network(dynamic_tail=tail)
    image = pictures()
    model.attach_networks(with_rounding(methods.get("dmshn").stages(None, recipe()), 1.0))
    model.calibrate([image])
    outputs = model.compute({"image": image}, training=True)
    followed, reachable = (np.asarray(outputs[name]) for name in ("followed", "reachable"))
    # Evened channels are other weights for the same numbers.
    np.testing.assert_allclose(followed, np.asarray(float_twin(model)(image)), atol=1e-5)
    assert followed.min() < 0
    np.testing.assert_array_equal(reachable, followed if tail else np.clip(followed, 0, 1))
    assert psnr(outputs["unrounded"], followed) > 100 and psnr(outputs["rounded"], reachable) < 70
    assert set(model.compute({"image": image}, training=False)) == {"relit"}


def recipe():
    return methods.get("dmshn").recipe({"perceptual": 0})


# -- The trainer ---------------------------------------------------------------------------------------------


def smoke(folder: Path, *overrides: str):
    short = ["recipe.loss=mse", "data.scenes=2", "data.validation_scenes=1", "train.checkpoint_every=50"]
    return load_config(SMOKE, [f"output={folder}", "model.width=2", *short, *overrides])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from tf_relight.training.run import train

    folder = tmp_path_factory.mktemp("int8")
    steps = ["train.steps=30", "train.log_every=5", "train.validate_every=30", "train.ema=0.5"]
    train(smoke(folder / "run", "train.quantise=0.5", *steps), progress=False)
    return folder / "run"


@pytest.mark.long
def test_a_stage_with_rounding_comes_last(trained):
    from tf_relight.training.curve_file import read_curve

    rows = read_curve(trained / "curve.csv")
    stages = [row["stage"] for row in rows]
    assert stages == ["reconstruction"] * 3 + ["following_int8"] * 3
    # Both losses have a weight of a thousand: 30 dB would be 1.
    assert all(float(row["loss"]) < 1 for row in rows[3:])


@pytest.mark.long
def test_the_float_network_that_was_followed_lies_beside_the_weights(trained):
    from tf_relight.methods.trained import load_model
    from tf_relight.weights.checksum import sha256_of
    from tf_relight.weights.file import FOLLOWED_WEIGHTS

    rounds, exact = (load_model(trained / name) for name in ("weights.safetensors", FOLLOWED_WEIGHTS))
    assert rounds.metadata["follows"] == sha256_of(trained / FOLLOWED_WEIGHTS)
    assert not exact.config.quantised and exact.config.width == rounds.config.width
    image = pictures(2, 32, seed=5)
    assert psnr(rounds.model(image), np.clip(np.asarray(exact.model(image)), 0, 1)) > 45
    with rounds.model.int8.switched(False):
        assert psnr(rounds.model(image), exact.model(image)) > 50


@pytest.mark.long
def test_its_weights_keep_the_ranges_and_lose_little(trained):
    from tf_relight.methods.trained import load_model

    loaded = load_model(trained / "weights.safetensors", method="dmshn")
    assert loaded.config.quantised and loaded.metadata["train"]["quantise"] == 0.5
    assert loaded.model.int8.on and loaded.model.int8.started
    image = pictures(2, 32, seed=5)
    exact = np.clip(np.asarray(float_twin(loaded.model)(image)), 0, 1)
    assert psnr(loaded.model(image), exact) > 45


@pytest.mark.long
def test_a_finished_run_resumes_to_itself(trained):
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    before = read_weights(trained / "weights.safetensors").tensors
    train(load_config(trained / "config.yaml"), resume=True, progress=False)
    after = read_weights(trained / "weights.safetensors").tensors
    assert set(before) == set(after) and "ranges" in before
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_float_weights_can_start_a_run_that_only_rounds(tmp_path):
    from tf_relight.methods.trained import load_model
    from tf_relight.training.curve_file import read_curve
    from tf_relight.training.run import train

    start = float_weights(tmp_path)
    steps = ["train.steps=2", "train.log_every=1", "train.ema=0.5"]
    config = smoke(tmp_path / "run", f"train.init_from={start}", "train.quantise=1", *steps)
    path = train(config, progress=False)
    assert {row["stage"] for row in read_curve(tmp_path / "run/curve.csv")} == {"following_int8"}
    assert load_model(path).model.int8.started


def float_weights(folder: Path) -> Path:
    """Weights of a network that never rounded."""
    from tf_relight.methods.trained import save_weights

    config = methods.get("dmshn").config({"width": 2})
    return save_weights(network(), folder / "start.safetensors", method="dmshn", config=config)


@pytest.mark.slow
def test_a_resumed_run_keeps_the_ranges_it_began_with(tmp_path, monkeypatch):
    from tf_relight.methods.dmshn.networks import DMSHN
    from tf_relight.training.loop import Trainer, TrainingStopped
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    begun: list[np.ndarray] = []
    calibrate = DMSHN.calibrate

    def counted(model, shown):
        assert not begun or not model.int8.started
        calibrate(model, shown)
        begun.append(np.asarray(model.int8.limits))

    monkeypatch.setattr(DMSHN, "calibrate", counted)
    start = float_weights(tmp_path)
    words = [f"train.init_from={start}", "train.quantise=1", "train.steps=4", "train.log_every=2"]

    def run(folder: Path, **options) -> dict[str, np.ndarray]:
        path = train(
            smoke(folder, "train.ema=0.5", "train.validate_every=9", *words), progress=False, **options
        )
        return read_weights(path).tensors

    whole = run(tmp_path / "whole")
    log = Trainer._log

    def stop_after_two(self, step, *rest):
        log(self, step, *rest)
        self._stop_signal = 2 if step == 2 else None

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_log", stop_after_two)
        with pytest.raises(TrainingStopped):
            run(tmp_path / "cut")
    resumed = run(tmp_path / "cut", resume=True)
    assert len(begun) == 2
    for tensors in (whole, resumed):
        np.testing.assert_array_equal(tensors["ranges"], begun[0])
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("share,kept", [("1", True), ("0.5", False)])
def test_ranges_of_weights_that_round_serve_only_until_they_are_trained_without(share, kept, tmp_path):
    from tf_relight.methods.trained import save_weights
    from tf_relight.training.run import Run, _initialise

    model = network(quantised=True)
    model.calibrate([pictures()])
    settings = {"width": 2, "quantised": True}
    start = save_weights(
        model, tmp_path / "a.safetensors", method="dmshn", config=methods.get("dmshn").config(settings)
    )
    config = smoke(tmp_path, f"train.init_from={start}", f"train.quantise={share}")
    config = config.model_copy(update={"model": settings})
    other = network(quantised=True)
    _initialise(other, Run.of(config), start)
    assert other.int8.started == kept
    if kept:
        np.testing.assert_array_equal(np.asarray(other.int8.limits), np.asarray(model.int8.limits))


@pytest.mark.slow
def test_two_devices_train_as_one(tmp_path):
    import subprocess
    import sys

    script = """
import sys, pathlib
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from tf_relight.training.run import train
from tests.training.test_rounding import smoke
words = ["train.quantise=0.5", "train.steps=4", "train.log_every=2", *sys.argv[2:]]
train(smoke(pathlib.Path(sys.argv[1]), *words), progress=False)
"""
    from tf_relight.methods.trained import load_model
    from tf_relight.weights.file import read_weights

    both = ["train.strategy=mirrored", "train.devices=[CPU:0,CPU:1]"]
    runs = {"one": ["train.devices=[CPU:0]"], "two": both, "xla": [*both, "train.xla=true"]}
    found = {}
    for name, words in runs.items():
        call = [sys.executable, "-c", script, str(tmp_path / name), *words]
        done = subprocess.run(call, cwd=SMOKE.parent.parent, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        assert load_model(tmp_path / name / "weights.safetensors").model.int8.started
        found[name] = read_weights(tmp_path / name / "weights.safetensors").tensors
    for other in ("two", "xla"):
        for name, tensor in found["one"].items():
            # A sum in another order may push a number to its other step.
            np.testing.assert_allclose(found[other][name], tensor, atol=1e-3, err_msg=f"{other} {name}")


def test_the_stage_follows_the_network_as_it_was():
    from tf_relight.rounding.stage import with_rounding

    method = methods.get("dmshn")
    before = method.stages(method.config(), method.recipe({"perceptual": 0}))
    first, second, third = with_rounding(before, 0.25)
    assert [first.share, second.share, third.share] == pytest.approx([0.45, 0.3, 0.25])
    assert {(each.prediction, each.target) for each in third.losses} == {
        ("rounded", "reachable"),
        ("unrounded", "followed"),
    }
    assert third.switches == {"quantise": True} and third.checks == second.checks
    assert second.learning_rate.final > third.learning_rate.initial > third.learning_rate.final
    assert [stage.name for stage in with_rounding(before, 1.0)] == ["following_int8"]


@pytest.mark.parametrize(
    "words,message",
    [
        (["train.quantise=0.3", "train.precision=mixed_bfloat16"], "float32"),
        (["train.quantise=1"], "init_from"),
        (["train.quantise=1.5"], "less than or equal to 1"),
        (["method=dpr512", "model={}", "recipe={}", "train.quantise=0.3"], "'dpr512' cannot; dmshn"),
        (["model.quantised=true"], "train.quantise"),
        (["model.dynamic_tail=3"], "model.dynamic_tail needs train.quantise"),
        (["model.dynamic_tail=90", "train.quantise=0.3"], "below 90"),
        (["model.quantised=true", "train.quantise=0.3", "model.finest_level=level_2"], "finest_level own"),
    ],
)
def test_settings_that_do_not_fit_are_named(words, message, tmp_path):
    with pytest.raises(RelightError, match=message):
        load_config(SMOKE, [f"output={tmp_path}", *words])
