"""The contract every method of the table is held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tf_relight import methods

CONFIGS = Path(__file__).parent.parent / "configs"

NARROW = {
    "dmshn": {"width": 4},
    "stacked_dmshn": {"width": 4},
}
"""Config values that make a method small enough for a quick test."""


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
def test_output_has_the_shape_of_the_input(narrow, height, width):
    assert narrow(pictures(2, height, width, 3)).shape == (2, height, width, 3)


def test_relit_picture_lies_in_range(method, narrow):
    output = method.relight(narrow, 4.0 * pictures(70, 58, 3) - 1.5)
    assert output.shape == (70, 58, 3)
    assert output.dtype == np.float32
    assert output.min() >= 0.0 and output.max() <= 1.0


def test_gradient_reaches_every_weight_of_each_stage_and_no_other(method, narrow):
    from tf_relight.methods.relight_model import StepOptions
    from tf_relight.training.optimizers import make_optimizers

    batch = {name: pictures(2, 32, 32, 3) for name in method.info.batch_fields}
    recipe = method.recipe({"perceptual": 0.0})
    for stage in method.stages(method.config(NARROW[method.name]), recipe):
        narrow.prepare_stage(stage, make_optimizers(stage, 10), StepOptions())
        trained = {id(variable) for variable in narrow.stage_variables(stage)}
        gradients, _ = narrow.model_gradients(batch, 1.0)
        assert len(gradients) == len(trained)
        assert all(float(np.abs(gradient).max()) > 0 for gradient in gradients)
        before = {v.path: v.numpy() for v in narrow.variables}
        narrow.train_step(batch)
        for variable in narrow.variables:
            moved = not np.array_equal(before[variable.path], variable.numpy())
            assert moved == (id(variable) in trained), variable.path


def test_saved_weights_load_to_the_same_network(method, narrow, tmp_path):
    from tf_relight.weights import load_model, save_weights

    path = save_weights(
        narrow, tmp_path / "w.safetensors", method=method.name, config=method.config(NARROW[method.name])
    )
    loaded = load_model(path, method=method.name)
    image = pictures(1, 32, 48, 3)
    np.testing.assert_array_equal(np.array(narrow(image)), np.array(loaded.model(image)))


def test_keras_file_loads_to_the_same_network(narrow, tmp_path):
    import keras

    narrow.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    image = pictures(1, 32, 48, 3)
    np.testing.assert_array_equal(np.array(narrow(image)), np.array(loaded(image)))


def test_saved_model_and_tflite_keep_the_numbers(narrow, tmp_path):
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(narrow)
    signature = [tf.TensorSpec((1, 32, 48, 3), tf.float32, name="image")]
    archive.add_endpoint("relight", lambda image: {"relit": narrow(image, training=False)}, signature)
    archive.write_out(tmp_path / "saved", verbose=False)
    image = pictures(1, 32, 48, 3)
    expected = np.array(narrow(image))
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["relight"](tf.constant(image))["relit"]
    assert np.abs(served.numpy() - expected).max() <= 1e-5

    content = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path / "saved"), signature_keys=["relight"]
    ).convert()
    run = tf.lite.Interpreter(model_content=content).get_signature_runner("relight")
    # float32 sums in another order: some 1e-6 for these depths; 1e-4 is the bound of the export.
    assert np.abs(run(image=image)["relit"] - expected).max() <= 1e-4


@pytest.mark.parametrize("name", methods.names())
def test_smoke_config_lowers_the_loss(name, tmp_path):
    from tf_relight.config import load_config
    from tf_relight.train import train
    from tf_relight.training.summaries import read_curve

    config = load_config(CONFIGS / f"{name}_smoke.yaml", [f"output={tmp_path / 'run'}"])
    weights = train(config, progress=False)
    rows = read_curve(tmp_path / "run" / "curve.csv")
    first_stage = [float(row["loss"]) for row in rows if row["stage"] == rows[0]["stage"]]
    assert first_stage[-1] < 0.9 * first_stage[0]
    assert weights.exists()
