"""The contract every method of the table is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.errors import RelightError

CONFIGS = Path(__file__).parents[2] / "configs"

NARROW = {
    "dmshn": {"width": 4},
    "stacked_dmshn": {"width": 4},
    "dpr512": {"width": 4},
    "dpr1024": {"width": 4, "size": 1024},
    "drn": {"width": 4, "levels": 2, "blocks": 1},
    "bpae": {"width": 4, "levels": 2, "blocks": 1, "network": "bpae"},
    "pix2pix": {"width": 4, "levels": 2, "blocks": 1},
    "shadadv": {"width": 4, "levels": 2, "blocks": 1, "variant": "shadadv"},
    "unet": {"width": 4, "levels": 2},
    "retinexnet": {"width": 8, "layers": 1},
    "srn": {"width": 4, "blocks": 1, "scales": 2},
    "dense_gridnet": {"width": 4, "rows": 2, "columns": 4, "dense_layers": 1, "growth": 4},
}
"""Config values that make a method small enough for a quick test."""

RECIPES = {
    "dmshn": {"perceptual": 0.0},
    "stacked_dmshn": {"perceptual": 0.0},
    "drn": {"perceptual": 0.0},
    "dense_gridnet": {"perceptual": 0.0},
}
"""Recipe values for training without official weights of other networks."""

TWINS = ("stacked_dmshn", "dpr1024", "bpae", "shadadv")
"""Methods whose blocks and losses are those of another one that trains in the quick tests."""


@pytest.fixture(params=methods.names())
def method(request):
    return methods.get(request.param)


@pytest.fixture
def narrow(method):
    import keras

    keras.utils.set_random_seed(3)
    return method.build_model(method.config(NARROW[method.name]))


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random(shape, dtype=np.float32)


def lights(count: int, method) -> np.ndarray | None:
    """As many lights near those of training data, or None for a method whose light is fixed."""
    if method.info.light == "none":
        return None
    directed = np.random.default_rng(6).normal(0, 0.3, (count, 8))
    return np.concatenate([np.full((count, 1), 0.8), directed], axis=1).astype(np.float32)


def inputs(method, count: int, height: int, width: int) -> dict[str, np.ndarray]:
    """What the network takes, by name."""
    if method.info.light == "none":
        return {"image": pictures(count, height, width, 3)}
    return {"luminance": pictures(count, height, width, 1), "light": lights(count, method)}


def run(model, given: dict) -> Any:
    """Call a network: those with one input take it bare."""
    return model(next(iter(given.values())) if len(given) == 1 else given, training=False)


def training_batch(method, count: int, size: int) -> dict[str, np.ndarray]:
    channels = 1 if method.info.channels == "luminance" else 3
    return {
        name: lights(count, method) if "light" in name else pictures(count, size, size, channels)
        for name in method.info.batch_fields
    }


def test_every_method_has_a_narrow_config_here():
    assert set(NARROW) == set(methods.names())


def test_card_is_complete(method):
    info = method.info
    assert info.title and info.venue and info.link.startswith("https://")
    assert 2015 <= info.year <= 2030
    assert info.weights_licence


def test_default_config_has_the_recorded_number_of_parameters(method):
    assert method.build_model().count_params() == method.info.parameters


@pytest.mark.parametrize("height,width", [(64, 64), (70, 58)])
def test_output_has_the_shape_of_the_input(method, narrow, height, width):
    given = inputs(method, 2, height, width)
    assert run(narrow, given).shape == next(iter(given.values())).shape


def one_light(method) -> np.ndarray | None:
    found = lights(1, method)
    return None if found is None else found[0]


def test_relit_picture_lies_in_range(method, narrow):
    output = method.relight(narrow, 4.0 * pictures(70, 58, 3) - 1.5, one_light(method))
    assert output.shape == (70, 58, 3)
    assert output.dtype == np.float32
    assert output.min() >= 0.0 and output.max() <= 1.0


def test_another_light_gives_another_picture(method, narrow):
    if method.info.light == "none":
        with pytest.raises(RelightError, match="takes no light"):
            method.relight(narrow, pictures(32, 32, 3), np.zeros(9))
        return
    with pytest.raises(RelightError, match="needs a light"):
        method.relight(narrow, pictures(32, 32, 3))
    first, second = (method.relight(narrow, pictures(64, 48, 3), light) for light in lights(2, method))
    assert np.abs(first - second).max() > 1e-3


def test_light_is_estimated_or_refused(method, narrow):
    if method.info.light == "none":
        with pytest.raises(RelightError, match="does not estimate light"):
            method.estimate_light(narrow, pictures(32, 32, 3))
        return
    image = pictures(70, 58, 3)
    light = method.estimate_light(narrow, image)
    assert light.shape == (9,) and light.dtype == np.float32 and np.isfinite(light).all()
    assert np.abs(light - method.estimate_light(narrow, 0.5 * image)).max() > 1e-4


def test_gradient_reaches_every_weight_of_each_stage_and_no_other(method, narrow):
    from tf_relight.networks.relight_model import StepOptions
    from tf_relight.training.optimizers import make_optimizers

    batch = training_batch(method, 2, 64)
    recipe = method.recipe(RECIPES.get(method.name))
    stages = method.stages(method.config(NARROW[method.name]), recipe)
    narrow.attach_networks(stages)
    for stage in stages:
        narrow.prepare_stage(stage, make_optimizers(stage, 10), StepOptions())
        trained = {id(variable) for variable in narrow.stage_variables(stage)}
        gradients, _ = narrow.model_gradients(batch, 1.0)
        assert len(gradients) == len(trained)
        assert all(float(np.abs(gradient).max()) > 0 for gradient in gradients)
        before = {v.path: v.numpy() for v in narrow.variables}
        narrow.train_step(batch)
        # The running statistics of batch normalisation move whatever a stage trains.
        for variable in narrow.trainable_variables:
            moved = not np.array_equal(before[variable.path], variable.numpy())
            assert moved == (id(variable) in trained), variable.path


def test_checkpoint_holds_every_variable(method, narrow, tmp_path):
    """Layers kept in lists were not in the checkpoint, so a resumed run went on from new weights."""
    import tensorflow as tf

    from tf_relight.training.checkpoint import RunCheckpoints
    from tf_relight.training.strategy import Cluster

    pending = tf.Variable(tf.zeros(2))
    checkpoints = RunCheckpoints(tmp_path, narrow, None, keep=1, cluster=Cluster())
    checkpoints.save(3, {}, pending)
    before = [variable.numpy() for variable in narrow.variables]
    for variable in narrow.variables:
        variable.assign(variable + 1.0)
    checkpoints.restore(3, {}, pending)
    for variable, value in zip(narrow.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)


def test_saved_weights_load_to_the_same_network(method, narrow, tmp_path):
    from tf_relight.methods.trained import load_model, save_weights

    path = save_weights(
        narrow, tmp_path / "w.safetensors", method=method.name, config=method.config(NARROW[method.name])
    )
    loaded = load_model(path, method=method.name)
    given = inputs(method, 1, 32, 48)
    np.testing.assert_array_equal(np.array(run(narrow, given)), np.array(run(loaded.model, given)))


def test_keras_file_loads_to_the_same_network(method, narrow, tmp_path):
    import keras

    narrow.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    given = inputs(method, 1, 32, 48)
    np.testing.assert_array_equal(np.array(run(narrow, given)), np.array(run(loaded, given)))


def test_saved_model_and_tflite_keep_the_numbers(method, narrow, tmp_path):
    import keras
    import tensorflow as tf

    given = inputs(method, 1, 32, 48)
    expected = np.array(run(narrow, given))
    archive = keras.export.ExportArchive()
    archive.track(narrow)
    signature = [{name: tf.TensorSpec(value.shape, tf.float32, name=name) for name, value in given.items()}]
    archive.add_endpoint("relight", lambda given: {"relit": run(narrow, given)}, signature)
    archive.write_out(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["relight"]
    relit = served(**{name: tf.constant(value) for name, value in given.items()})["relit"]
    assert np.abs(relit.numpy() - expected).max() <= 1e-5

    content = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path / "saved"), signature_keys=["relight"]
    ).convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    # float32 sums in another order: some 1e-6 for these depths; 1e-4 is the bound of the export.
    relit = interpreter.get_signature_runner("relight")(**given)["relit"]
    assert np.abs(relit - expected).max() <= 1e-4


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in TWINS else []) for name in methods.names()],
)
def test_smoke_config_lowers_the_loss(name, tmp_path):
    from tf_relight.config.run import load_config
    from tf_relight.training.run import train
    from tf_relight.training.summaries import read_curve

    config = load_config(CONFIGS / f"{name}_smoke.yaml", [f"output={tmp_path / 'run'}"])
    weights = train(config, progress=False)
    rows = read_curve(tmp_path / "run" / "curve.csv")
    first_stage = [float(row["loss"]) for row in rows if row["stage"] == rows[0]["stage"]]
    assert first_stage[-1] < 0.9 * first_stage[0]
    assert weights.exists()
