"""The contract every method of the table is held to."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from tests.toys import TOYS
from tf_relight import methods
from tf_relight.contract.card import Port
from tf_relight.contract.stage import FIELDS
from tf_relight.errors import RelightError

CONFIGS = Path(__file__).parents[2] / "configs"

TWINS = ("stacked_dmshn", "dpr1024", "bpae", "shadadv", *(f"sfsnet_residue_{n}" for n in (2, 3, 4, 5, 7)))
"""Methods whose blocks and losses are those of another one that trains in the quick tests."""


LEARNT_LIGHT = ("siamese", "sfsnet", "skipnet")
"""Families whose pictures hang on what was learnt; untrained, a warm light need not make a warm picture."""

PUBLISHED = methods.names()
methods.METHODS.update(TOYS)


REPRESENTATIVES = ("dmshn", "dpr512", *TOYS)
"""For what takes seconds, one method of each kind; the others share its base: make test-all tries them."""


def _each(twins: pytest.MarkDecorator):
    """Every method, those that are no representatives only where tests may take long."""

    def marks(name: str) -> list[pytest.MarkDecorator]:
        return [] if name in REPRESENTATIVES else [twins if name in TWINS else pytest.mark.long]

    return pytest.mark.parametrize(
        "method", [pytest.param(name, marks=marks(name)) for name in methods.names()], indirect=True
    )


EACH = _each(twins=pytest.mark.long)
EACH_KIND = _each(twins=pytest.mark.slow)
"""For what takes longest and depends on blocks, not on losses: twins only where tests may be slow."""


@pytest.fixture(params=methods.names(), scope="module")
def method(request):
    return methods.get(request.param)


def build_narrow(method):
    import keras

    keras.utils.set_random_seed(3)
    return method.build_model(method.small_config())


@pytest.fixture(scope="module")
def narrow(method):
    """A small network that nobody changes; its tests follow each other, so that it is traced once."""
    return build_narrow(method)


@pytest.fixture
def fresh(method):
    """A small network of the test's own."""
    return build_narrow(method)


def recipe(method):
    """A recipe that needs no official weights of other networks."""
    small = {"perceptual": 0.0, "judge_side": 64, "judge_width": 4}
    known = method.recipe_class.model_fields
    return method.recipe({name: value for name, value in small.items() if name in known})


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random(shape, dtype=np.float32)


def lights(count: int, channels: int = 1) -> np.ndarray:
    """As many lights (count, 9, C) near those of training data."""
    directed = np.random.default_rng(6).normal(0, 0.3, (count, 8, channels))
    ambient = np.full((count, 1, channels), 0.8)
    return np.concatenate([ambient, directed], axis=1).astype(np.float32)


def value(port: Port, count: int, height: int, width: int) -> np.ndarray:
    """What goes through a port, with a batch axis."""
    if port.kind == "light":
        return lights(count, port.channels)
    return pictures(count, height, width, port.channels)


def inputs(method, count: int, height: int, width: int) -> dict[str, np.ndarray]:
    """What the networks take, by name."""
    return {port.name: value(port, count, height, width) for port in method.info.inputs}


def run(model, given: dict) -> dict[str, np.ndarray]:
    """What the networks give, by name."""
    return {name: np.array(value) for name, value in model.infer(given, training=False).items()}


def training_batch(method, stages, count: int, size: int) -> dict[str, np.ndarray]:
    """A batch with what the stages need, in the form that the pipeline gives."""
    info = method.info
    light = info.light or info.source_light
    channels = {"picture": info.picture.channels, "mask": 1, "depth": 1}
    made = {}
    for name in method.needs(stages):
        kind = FIELDS.get(name) or FIELDS[name.partition(".")[2]]  # of a second stream
        if kind == "light":
            made[name] = lights(count, 1 if light is None else light.channels)
        elif kind == "normal":
            made[name] = pictures(count, size, size, 3) * 2 - 1
        elif kind == "number":
            made[name] = np.arange(count, dtype=np.int32) % 2
        else:
            made[name] = pictures(count, size, size, channels.get(kind, 3))
    return made


def test_card_is_complete(method):
    info = method.info
    assert info.title and info.venue and info.link.startswith("https://")
    assert 2015 <= info.year <= 2030
    assert info.weights_licence


def test_default_config_has_the_recorded_number_of_parameters(method):
    assert method.build_model().count_params() == method.info.parameters


@pytest.mark.parametrize("height,width", [(64, 64), (70, 58)])
def test_networks_give_what_the_card_says(method, narrow, height, width):
    given = inputs(method, 2, height, width)
    outputs = run(narrow, given)
    for port in method.info.outputs:
        assert outputs[port.name].shape == value(port, 2, height, width).shape, port.name


@EACH_KIND
def test_predict_is_the_network_for_one_picture(method, narrow):
    given = inputs(method, 1, 40, 48)
    found = method.predict(narrow, **{name: array[0] for name, array in given.items()})
    expected = run(narrow, given)
    for port in method.info.outputs:
        bound = (expected[port.name].min() - 1e-4, expected[port.name].max() + 1e-4)
        # The averaged views of DRN are clipped; compiled, float32 sums in another order.
        np.testing.assert_allclose(found[port.name], np.clip(expected[port.name][0], *bound), atol=1e-4)


def test_predict_refuses_what_the_card_does_not_have(method, narrow):
    given = {name: array[0] for name, array in inputs(method, 1, 40, 48).items()}
    with pytest.raises(RelightError, match="takes image.*not"):
        method.predict(narrow, **given, nonsense=np.zeros(3))
    with pytest.raises(RelightError, match="takes 'image' as .* of shape"):
        method.predict(narrow, **{**given, "image": given["image"][..., 0]})
    if method.info.light is not None:
        with pytest.raises(RelightError, match="takes 'light' as light of shape"):
            method.predict(narrow, **{**given, "light": np.zeros((3, 9), np.float32)})


def one_light(method) -> np.ndarray | None:
    return None if method.info.light is None else lights(1, method.info.light.channels)[0]


def test_relit_pictures_of_several_sizes_lie_in_range(method, narrow):
    # From the second size on a network is traced for sizes that are known at run time only.
    for height, width in ((70, 58), (64, 80)):
        output = method.relight(narrow, 4.0 * pictures(height, width, 3) - 1.5, one_light(method))
        assert output.shape == (height, width, 3)
        assert output.dtype == np.float32
        assert output.min() >= 0.0 and output.max() <= 1.0


def test_another_light_gives_another_picture(method, narrow):
    if not method.info.takes_light:
        with pytest.raises(RelightError, match="takes no light"):
            method.relight(narrow, pictures(32, 32, 3), np.zeros(9))
        return
    with pytest.raises(RelightError, match="needs a light"):
        method.relight(narrow, pictures(32, 32, 3))
    with pytest.raises(RelightError, match="light of shape"):
        method.relight(narrow, pictures(32, 32, 3), np.zeros((3, 9)))
    both = lights(2, method.info.light.channels)
    first, second = (method.relight(narrow, pictures(64, 48, 3), light) for light in both)
    assert np.abs(first - second).max() > 1e-3


def test_colour_of_a_light_reaches_networks_that_know_colour(method, narrow):
    if method.info.light is None:
        return
    warm = lights(1, 1)[0] * np.float32([1.2, 1.0, 0.6])
    if method.info.light.channels == 1:
        with pytest.raises(RelightError, match="light of shape"):
            method.relight(narrow, pictures(32, 32, 3), warm)
        return
    grey = method.relight(narrow, pictures(32, 32, 3), warm.mean(axis=1))
    tinted = method.relight(narrow, pictures(32, 32, 3), warm)
    if method.name.startswith(LEARNT_LIGHT):
        assert np.abs(tinted - grey).max() > 1e-4
        return
    assert (tinted - grey)[..., 0].mean() > 0 > (tinted - grey)[..., 2].mean()


def test_light_is_estimated_or_refused(method, narrow):
    port = method.info.source_light
    if port is None:
        with pytest.raises(RelightError, match="does not estimate light"):
            method.estimate_light(narrow, pictures(32, 32, 3))
        return
    image = pictures(70, 58, 3)
    light = method.estimate_light(narrow, image)
    assert light.shape == (9, port.channels) and light.dtype == np.float32 and np.isfinite(light).all()
    assert np.abs(light - method.estimate_light(narrow, 0.5 * image)).max() > 1e-4


@EACH
def test_gradient_reaches_every_weight_of_each_stage_and_no_other(method, fresh):
    from tf_relight.networks.relight_model import StepOptions
    from tf_relight.training.optimizers import make_optimizers

    stages = method.stages(method.small_config(), recipe(method))
    batch = training_batch(method, stages, 2, 64)
    fresh.attach_networks(stages)
    for stage in stages:
        fresh.prepare_stage(stage, make_optimizers(stage, 10), StepOptions())
        trained = {id(variable) for variable in fresh.stage_variables(stage)}
        gradients, _ = fresh.model_gradients(batch, 1.0)
        assert len(gradients) == len(trained)
        assert all(float(np.abs(gradient).max()) > 0 for gradient in gradients)
        frozen = {v.path for name in stage.inference for v in fresh.find_part(name).variables}
        before = {v.path: v.numpy() for v in fresh.variables}
        fresh.train_step(batch)
        # Running statistics move whatever a stage trains, but in parts that run as after training.
        for variable in fresh.variables:
            if variable.path in frozen:
                np.testing.assert_array_equal(before[variable.path], variable.numpy(), variable.path)
        for variable in fresh.trainable_variables:
            moved = not np.array_equal(before[variable.path], variable.numpy())
            assert moved == (id(variable) in trained), variable.path


def test_checkpoint_holds_every_variable(method, fresh, tmp_path):
    """Layers kept in lists were not in the checkpoint, so a resumed run went on from new weights."""
    import tensorflow as tf

    from tf_relight.training.checkpoint import RunCheckpoints
    from tf_relight.training.strategy import Cluster

    pending = tf.Variable(tf.zeros(2))
    checkpoints = RunCheckpoints(tmp_path, fresh, None, keep=1, cluster=Cluster())
    checkpoints.save(3, {}, pending)
    before = [variable.numpy() for variable in fresh.variables]
    for variable in fresh.variables:
        variable.assign(variable + 1.0)
    checkpoints.restore(3, {}, pending)
    for variable, value in zip(fresh.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def test_saved_weights_load_to_the_same_network(method, narrow, tmp_path):
    from tf_relight.methods.trained import load_model, save_weights

    path = save_weights(narrow, tmp_path / "w.safetensors", method=method.name, config=method.small_config())
    loaded = load_model(path, method=method.name)
    given = inputs(method, 1, 32, 48)
    same(run(narrow, given), run(loaded.model, given))


@EACH_KIND
def test_keras_file_loads_to_the_same_network(method, narrow, tmp_path):
    import keras

    narrow.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    given = inputs(method, 1, 32, 48)
    same(run(narrow, given), run(loaded, given))


@EACH_KIND
def test_exported_files_keep_the_numbers(method, fresh, tmp_path):
    """As SavedModel and as .tflite file, by the signatures that follow from the card."""
    import keras
    import tensorflow as tf

    from export.network import relight_function
    from tf_relight.methods.trained import LoadedModel

    loaded = LoadedModel(fresh, method, method.small_config(), {})
    size = 2 * max(method.info.size_multiple, 24 // method.info.size_multiple * method.info.size_multiple)
    function, taken, given = relight_function(loaded, size)
    values = {spec.name: pictures(*spec.shape) for spec in taken}
    expected = {name: np.asarray(value) for name, value in function(**values).items()}
    assert {spec.name: spec.shape for spec in given} == {name: e.shape for name, e in expected.items()}

    archive = keras.export.ExportArchive()
    archive.track(fresh)
    signature = [{spec.name: tf.TensorSpec(spec.shape, tf.float32, name=spec.name) for spec in taken}]
    archive.add_endpoint("relight", lambda tensors: function(**tensors), signature)
    archive.write_out(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["relight"]
    found = served(**{name: tf.constant(value) for name, value in values.items()})
    for name, array in expected.items():
        assert np.abs(found[name].numpy() - array).max() <= 1e-5, name

    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"), signature_keys=["relight"])
    content = converter.convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    # float32 sums in another order: some 1e-6 for these depths; 1e-4 is the bound of the export.
    found = interpreter.get_signature_runner("relight")(**values)
    for name, array in expected.items():
        assert np.abs(found[name] - array).max() <= 1e-4, name

    if method.name == "siamese" or (method.info.task == "decomposition" and method.name in PUBLISHED):
        from export.litert.inspection import delegations, graphs

        (tmp_path / "model.tflite").write_bytes(content)
        assert not graphs(tmp_path / "model.tflite")["relight"].forbidden
        assert delegations(tmp_path / "model.tflite")["relight"].complete


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    """A function that trains a method's smoke config, once, and gives its weights."""
    from tf_relight.config.run import load_config
    from tf_relight.training.run import train

    @functools.cache
    def run(name):
        method = methods.get(name)
        given = [f"output={tmp_path_factory.mktemp(name)}"]
        config = load_config(CONFIGS / f"{name}_smoke.yaml", given)
        stages = method.stages(method.config(config.model), method.recipe(config.recipe))
        if stages[0].builds_on:
            given.append(f"train.init_from={run(method.info.starts_from[0])}")
            config = load_config(CONFIGS / f"{name}_smoke.yaml", given)
        return train(config, progress=False)

    return run


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow if name in TWINS else pytest.mark.long])
        for name in PUBLISHED
    ],
)
def test_smoke_config_lowers_the_loss(name, smoke_run):
    from tf_relight.training.summaries import read_curve

    weights = smoke_run(name)
    rows = read_curve(weights.parent / "curve.csv")
    first_stage = [float(row["loss"]) for row in rows if row["stage"] == rows[0]["stage"]]
    assert first_stage[-1] < 0.9 * first_stage[0]
    assert weights.exists()
