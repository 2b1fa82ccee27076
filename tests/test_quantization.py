"""Rounding to 8 bits while training: ranges, gradients, the trainer's stage; it is off by default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.config import load_config
from tf_relight.errors import RelightError

SMOKE = Path(__file__).parent.parent / "configs" / "dmshn_smoke.yaml"


def network(**config):
    import keras

    keras.utils.set_random_seed(0)
    method = methods.get("dmshn")
    return method.build_model(method.config({"width": 2, **config}))


def pictures(count: int = 2, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, size, size, 3), dtype=np.float32)


def float_twin(model):
    """The network of the same weights that knows nothing of rounding."""
    from tf_relight.weights import tensor_variables

    twin = network()
    own = tensor_variables(model)
    for name, variable in tensor_variables(twin).items():
        variable.assign(own[name])
    return twin


def psnr(first, second) -> float:
    return -10 * np.log10(np.mean((np.asarray(first, np.float64) - np.asarray(second)) ** 2))


# -- Scales and ranges ---------------------------------------------------------------------------------------


def test_short_scales_have_sixteen_bits_and_lose_nothing_of_the_range():
    from tf_relight.quantization import short_scale

    scales = np.exp(np.random.default_rng(0).uniform(-12, 3, 1000)).astype(np.float32)
    short = np.asarray(short_scale(scales))
    assert (short >= scales).all() and (short <= scales * (1 + 2.0**-15)).all()
    assert not (short.view(np.int32) & 0xFF).any()
    for steps in (127, 255):
        bounds = short * np.float32(steps)
        assert (bounds.astype(np.float64) == short.astype(np.float64) * steps).all()


def ranges_of_one_layer():
    import keras

    from tf_relight.quantization import Int8, Sum

    int8 = Int8(on=True)
    layer = Sum()
    learned = layer.make_int8(int8.unit_range(), int8.unit_range())
    int8.build(keras.layers.Layer())
    return int8, layer, learned


def test_zero_is_a_step_of_every_range():
    int8, _, learned = ranges_of_one_layer()
    for low, high in ((-0.3, 1.1), (0.0, 5.0), (-2.0, 0.0), (-1e-3, 7.0)):
        int8.limits.assign([[low, high]])
        with int8.running():
            steps = learned.steps
            first, last, scale = float(steps.first), float(steps.last), float(steps.scale)
            values = np.asarray(learned.enter(np.float32([0.0, -100.0, 100.0])))
        assert first == round(first) and last - first == 255 and first <= 0 <= last
        assert values[0] == 0.0
        assert values[1] == pytest.approx(low, abs=scale) and values[2] == pytest.approx(high, abs=scale)


def test_a_range_grows_at_once_and_shrinks_slowly():
    int8, layer, _ = ranges_of_one_layer()

    def run(value: float) -> float:
        with int8.running(training=True):
            layer(np.full((1, 2, 2, 1), value, np.float32), np.zeros((1, 2, 2, 1), np.float32))
        return float(np.asarray(int8.limits)[0, 1])

    assert not int8.started
    assert run(0.2) == pytest.approx(0.2, abs=1e-3)
    assert int8.started
    assert run(1.0) == pytest.approx(1.0, abs=1e-3)
    assert run(0.2) == pytest.approx(0.2 + 0.98 * 0.8, abs=1e-3)


def test_gradients_pass_the_rounding_and_stop_at_the_ends_of_the_range():
    import tensorflow as tf

    int8, _, _ = ranges_of_one_layer()
    unit = int8.unit_range()
    values = tf.Variable([-0.5, 0.3, 0.301, 1.5])
    with tf.GradientTape() as tape, int8.running(training=True):
        int8.see(0, 0.0, 1.0)
        rounded = unit.enter(values)
    np.testing.assert_allclose(rounded * 255, [0, 76, 77, 255], atol=1e-4)
    np.testing.assert_allclose(tape.gradient(rounded, values), [0, 1, 1, 0], atol=1e-6)


# -- The network ---------------------------------------------------------------------------------------------


def test_off_by_default_and_then_nothing_changes():
    from tf_relight.weights import tensor_variables

    plain, able = network(), network(quantised=True)
    extra = set(tensor_variables(able)) - set(tensor_variables(plain))
    assert extra == {"ranges"} and set(tensor_variables(plain)) < set(tensor_variables(able))
    assert plain.count_params() == network(quantised=False).count_params()
    able.set_switches(quantise=False)
    image = pictures()
    np.testing.assert_array_equal(np.asarray(able(image)), np.asarray(float_twin(able)(image)))
    with pytest.raises(TypeError, match="quantised"):
        plain.set_switches(quantise=True)


@pytest.mark.parametrize("stacks", [1, 2])
def test_the_rounded_network_is_close_to_the_float_one_and_gives_whole_steps(stacks):
    model = network(quantised=True, stacks=stacks)
    image = pictures()
    for bias in (v for v in model.trainable_variables if v.name == "bias"):
        bias.assign(np.random.default_rng(1).normal(scale=0.05, size=bias.shape))
    first = np.asarray(model(image, training=True))
    model.set_switches(quantise=False)
    exact = np.clip(np.asarray(model(image)), 0, 1)
    model.set_switches(quantise=True)
    rounded = np.asarray(model(image))
    # The first run of a training sets the ranges and rounds nothing but the weights and the pictures.
    assert psnr(first, exact) > 45 and psnr(rounded, exact) > 38
    assert exact.std() > 0.01 and rounded.max() <= 1 and rounded.min() >= 0
    np.testing.assert_allclose(rounded * 255, np.rint(rounded * 255), atol=1e-4)


@pytest.mark.parametrize("stacks", [1, 2])
def test_evener_channels_compute_the_same(stacks):
    from tf_relight.equalisation import equalise

    model = network(quantised=True, stacks=stacks)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        # Uneven on purpose: channels of the last axis differ by up to e to the 4.
        uneven = np.exp(generator.uniform(-2, 2, variable.shape[-1]))
        noise = generator.normal(scale=0.05, size=variable.shape) if variable.name == "bias" else 0
        variable.assign((np.asarray(variable) + noise) * uneven / 2)
    image = pictures()
    model.set_switches(quantise=False)
    before = np.asarray(model(image))
    kernels = [np.asarray(each) for each in model.trainable_variables]
    equalise(model, [image[:1], image[1:]])
    assert not model.int8.on and not model.int8.started
    after = np.asarray(model(image))
    np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max())
    changed = [not np.allclose(a, b) for a, b in zip(kernels, model.trainable_variables, strict=True)]
    assert sum(changed) > len(changed) // 2


def test_odd_sizes_go_through_the_rounded_network():
    model = network(quantised=True)
    model(pictures(), training=True)
    odd = pictures(1, 32)[:, :20, :27]
    assert np.asarray(model(odd)).shape == (1, 20, 27, 3)


# -- The trainer ---------------------------------------------------------------------------------------------


def smoke(folder: Path, *overrides: str):
    short = ["recipe.loss=mse", "data.scenes=2", "data.validation_scenes=1", "train.checkpoint_every=50"]
    return load_config(SMOKE, [f"output={folder}", "model.width=2", *short, *overrides])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from tf_relight.train import train

    folder = tmp_path_factory.mktemp("int8")
    steps = ["train.steps=30", "train.log_every=5", "train.validate_every=30", "recipe.first_stage=0.5"]
    train(smoke(folder / "run", "train.quantise=0.5", *steps), progress=False)
    return folder / "run"


def test_a_stage_with_rounding_follows_and_lowers_the_loss(trained):
    from tf_relight.training.summaries import read_curve

    rows = read_curve(trained / "curve.csv")
    stages = [row["stage"] for row in rows]
    assert stages == ["reconstruction"] * 3 + ["reconstruction_int8"] * 3
    losses = [float(row["loss"]) for row in rows]
    assert losses[5] < losses[3] < losses[0]


def test_its_weights_keep_the_ranges_and_lose_little(trained):
    from tf_relight.weights import load_model

    loaded = load_model(trained / "weights.safetensors", method="dmshn")
    assert loaded.config.quantised and loaded.metadata["train"]["quantise"] == 0.5
    assert loaded.model.int8.on and loaded.model.int8.started
    image = pictures(2, 32, seed=5)
    exact = np.clip(np.asarray(float_twin(loaded.model)(image)), 0, 1)
    assert psnr(loaded.model(image), exact) > 45


def test_a_finished_run_resumes_to_itself(trained):
    from tf_relight.train import train
    from tf_relight.weights import read_weights

    before = read_weights(trained / "weights.safetensors").tensors
    train(load_config(trained / "config.yaml"), resume=True, progress=False)
    after = read_weights(trained / "weights.safetensors").tensors
    assert set(before) == set(after) and "ranges" in before
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_float_weights_can_start_a_run_that_only_rounds(tmp_path):
    from tf_relight.train import train
    from tf_relight.training.summaries import read_curve
    from tf_relight.weights import load_model, save_weights

    method = methods.get("dmshn")
    start = save_weights(
        network(), tmp_path / "start.safetensors", method="dmshn", config=method.config({"width": 2})
    )
    steps = ["train.steps=2", "train.log_every=1", "train.ema=0.5"]
    config = smoke(tmp_path / "run", f"train.init_from={start}", "train.quantise=1", *steps)
    path = train(config, progress=False)
    assert {row["stage"] for row in read_curve(tmp_path / "run/curve.csv")} == {"reconstruction_int8"}
    assert load_model(path).model.int8.started


@pytest.mark.slow
def test_two_devices_learn_the_ranges_together(tmp_path):
    import subprocess
    import sys

    script = """
import sys, pathlib
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from tf_relight.train import train
from tests.test_quantization import smoke
words = ["train.quantise=0.5", "train.steps=4", "train.log_every=2", "train.strategy=mirrored"]
words += ["train.devices=[CPU:0,CPU:1]", "train.xla=" + sys.argv[2]]
train(smoke(pathlib.Path(sys.argv[1]), *words), progress=False)
"""
    from tf_relight.weights import load_model

    for xla in ("false", "true"):
        out = tmp_path / xla
        call = [sys.executable, "-c", script, str(out), xla]
        done = subprocess.run(call, cwd=SMOKE.parent.parent, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        assert load_model(out / "weights.safetensors").model.int8.started


def test_the_stage_repeats_the_last_one():
    from tf_relight.train import with_rounding

    method = methods.get("dmshn")
    before = method.stages(method.config(), method.recipe({"perceptual": 0}))
    first, second, third = with_rounding(before, 0.25)
    assert [first.share, second.share, third.share] == pytest.approx([0.45, 0.3, 0.25])
    assert third.losses == second.losses and third.switches == {"quantise": True}
    assert third.learning_rate.initial == second.learning_rate.final > third.learning_rate.final
    assert [stage.name for stage in with_rounding(before, 1.0)] == ["combined_int8"]


@pytest.mark.parametrize(
    "words,message",
    [
        (["train.quantise=0.3", "train.precision=mixed_bfloat16"], "float32"),
        (["train.quantise=1"], "init_from"),
        (["train.quantise=1.5"], "less than or equal to 1"),
        (["method=dpr512", "model={}", "recipe={}", "train.quantise=0.3"], "'dpr512' cannot; dmshn"),
        (["model.quantised=true"], "train.quantise"),
        (["model.quantised=true", "train.quantise=0.3", "model.finest_level=level_2"], "finest_level own"),
    ],
)
def test_settings_that_do_not_fit_are_named(words, message, tmp_path):
    with pytest.raises(RelightError, match=message):
        load_config(SMOKE, [f"output={tmp_path}", *words])
