"""The engines: LiteRT gives what Keras gives, without TensorFlow, and says when it cannot."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

import tf_relight
from tf_relight import methods
from tf_relight.cli.main import main
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.methods.trained import save_weights
from tf_relight.networks.prepared import PreparedNetwork
from tf_relight.photo.picture import Picture, resize
from tf_relight.relighting import network
from tf_relight.relighting.network import load_network, prepare_weights
from tf_relight.relighting.photos import relight_picture
from tf_relight.relighting.request import RelightOptions
from tf_relight.relighting.squares import as_square
from tf_relight.weights.prepared import LARGEST_DIFFERENCE, beside, find, record_path
from tf_relight.weights.record import path_of

USUAL = "lit-unet-humans-128-v1"
ROOT = Path(tf_relight.__file__).parent.parent
PORTRAIT = ROOT / "examples" / "astronaut.jpg"
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory):
    """A small network with random weights, as a file."""
    method = methods.get("lit_unet")
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    model = method.build_model(method.small_config())
    return save_weights(model, path, method="lit_unet", config=method.small_config(), size=64)


def test_the_prepared_file_that_ships_belongs_to_the_weights_that_ship():
    prepared = find(path_of(USUAL))
    assert prepared.path == beside(path_of(USUAL)) and prepared.record.difference < 1e-5
    assert prepared.record.sizes == (128,) and len(prepared.content) < 4.2e6


def test_both_engines_give_the_same_numbers():
    """The issue of the format is 1e-4; float32 in another order gives about 4e-7."""
    by_litert, by_keras = load_network(USUAL, engine="litert"), load_network(USUAL, engine="keras")
    assert isinstance(by_litert.model, PreparedNetwork)
    for _ in range(3):
        inputs = {
            "image": RNG.random((128, 128, 1), dtype=np.float32),
            "light": RNG.normal(0, 0.4, (9, 1)).astype(np.float32),
        }
        one, other = (each.method.predict(each.model, **inputs) for each in (by_litert, by_keras))
        assert one.keys() == other.keys() == {"relit", "source_light"}
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-5)


@pytest.mark.parametrize("shape", [(512, 512), (300, 420)])
def test_a_relit_portrait_is_the_same_whichever_engine_drew_it(shape):
    picture = Picture(resize(data.astronaut().astype(np.float32) / 255, shape))
    options = RelightOptions(light=Light.from_direction(-60, 20))
    one, other = (
        relight_picture(picture, load_network(USUAL, engine=engine), options).pixels
        for engine in ("litert", "keras")
    )
    assert np.abs(one - picture.pixels).max() > 0.1
    np.testing.assert_allclose(one, other, atol=LARGEST_DIFFERENCE)


WITHOUT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name.split(".")[0] not in ("tensorflow", "keras", "jax", "torch"), name + " was imported"
sys.meta_path.insert(0, Refuse())
from tf_relight.cli.main import main
assert main(sys.argv[1:]) == 0
"""


@pytest.mark.parametrize(
    "words",
    [
        ["image", str(PORTRAIT), "-o", "out.jpg", "--from", "left"],
        ["image", str(PORTRAIT), "-o", "out.jpg"],
        ["image", str(PORTRAIT), "-o", "out.jpg", "--light-from", str(PORTRAIT), "--keep-background"],
        ["page", str(PORTRAIT), "-o", "out.html", "--lights", "left"],
    ],
    ids=["from left", "no words", "light of a photo", "page"],
)
def test_a_portrait_is_relit_without_tensorflow_and_keras(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / words[3]).stat().st_size > 1000


def test_what_the_prepared_file_does_not_do_goes_to_keras_and_the_log_says_so(caplog):
    caplog.set_level(logging.INFO, "tf_relight")
    loaded = load_network(USUAL)
    picture = Picture(data.astronaut()[:200, 150:350].astype(np.float32) / 255)
    options = RelightOptions(light=Light.from_direction(30, 20), size=96)
    relit = relight_picture(picture, loaded, options).pixels
    same = relight_picture(picture, load_network(USUAL, engine="keras"), options).pixels
    np.testing.assert_array_equal(relit, same)
    assert [record.getMessage() for record in caplog.records[:2]] == [
        f"engine: LiteRT, {USUAL}.tflite",
        "engine: Keras, for pictures of 96 x 96",
    ]
    with pytest.raises(RelightError, match="is for squares of 128 pixels, not for pictures of 96 x 96"):
        relight_picture(picture, load_network(USUAL, engine="litert"), options)


def test_weights_of_ones_own_are_prepared_once_and_then_found(small_weights, caplog):
    caplog.set_level(logging.INFO, "tf_relight")
    assert not isinstance(load_network(small_weights).model, PreparedNetwork)
    assert caplog.records[0].getMessage() == "engine: Keras, as these weights are not prepared for LiteRT"
    with pytest.raises(RelightError, match=r"are not prepared for LiteRT: run `relight weights prepare "):
        load_network(small_weights, engine="litert")
    prepared = prepare_weights(small_weights, (64, 96))
    assert prepared.record.difference <= LARGEST_DIFFERENCE and "cache" in str(prepared.path)
    loaded = load_network(small_weights)
    assert isinstance(loaded.model, PreparedNetwork) and loaded.metadata["size"] == 64
    keras = load_network(small_weights, engine="keras")
    for side in (64, 96):
        inputs = {
            "image": RNG.random((side, side, 1), dtype=np.float32),
            "light": np.ones((9, 1), np.float32),
        }
        relit = loaded.method.predict(loaded.model, **inputs)["relit"]
        np.testing.assert_allclose(relit, keras.method.predict(keras.model, **inputs)["relit"], atol=1e-5)


def test_a_prepared_file_of_other_weights_is_refused(tmp_path, small_weights):
    weights = tmp_path / "mine.safetensors"
    shutil.copy(small_weights, weights)
    shipped = beside(path_of(USUAL))
    shutil.copy(shipped, beside(weights))
    shutil.copy(record_path(shipped), record_path(beside(weights)))
    for engine in ("auto", "litert"):
        with pytest.raises(RelightError, match=r"was made of other weights \(sha256 a219c1e3\) than"):
            load_network(weights, engine=engine)
    assert load_network(weights, engine="keras").method.name == "lit_unet"


@pytest.mark.parametrize("damage", ["content", "record", "difference", "version"])
def test_a_damaged_prepared_file_is_refused_with_one_sentence(tmp_path, damage, monkeypatch):
    weights = tmp_path / "copy.safetensors"
    shutil.copy(path_of(USUAL), weights)
    shutil.copy(beside(path_of(USUAL)), beside(weights))
    record = json.loads(record_path(beside(path_of(USUAL))).read_text())
    if damage == "content":
        with beside(weights).open("r+b") as file:
            file.seek(100_000)
            file.write(b"\0\1\2\3")
    elif damage == "record":
        record["tflite"] = "nonsense"
    elif damage == "difference":
        record["difference"] = 0.01
    else:
        record["format"] = "tf_relight prepared weights 9"
    record_path(beside(weights)).write_text(json.dumps(record))
    with pytest.raises(
        RelightError, match=r"run `relight weights prepare .*` again, or give --engine keras\.$"
    ):
        load_network(weights)


def test_a_network_that_differs_from_keras_is_not_prepared(small_weights, monkeypatch):
    from tf_relight.networks import prepare

    monkeypatch.setattr(prepare, "LARGEST_DIFFERENCE", 0.0)
    with pytest.raises(RelightError, match="these weights stay with Keras"):
        prepare_weights(small_weights)
    assert find(small_weights) is None


@pytest.mark.parametrize("size", [8, 100, 8192])
def test_a_size_that_cannot_be_prepared(small_weights, size):
    with pytest.raises(RelightError, match=f"Size {size} cannot be prepared: give a multiple of 16"):
        prepare_weights(small_weights, (size,))


def test_with_a_gpu_or_without_litert_auto_takes_keras(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "tf_relight")
    monkeypatch.setattr(network, "has_gpu", lambda: True)
    assert not isinstance(load_network(USUAL).model, PreparedNetwork)
    monkeypatch.setattr(network, "has_gpu", lambda: False)
    monkeypatch.setattr(network.litert, "is_here", lambda: False)
    assert not isinstance(load_network(USUAL).model, PreparedNetwork)
    reasons = [record.getMessage() for record in caplog.records]
    assert reasons == ["engine: Keras, as there is a GPU", "engine: Keras, as LiteRT is not installed"]


def test_an_unknown_engine_is_refused():
    with pytest.raises(RelightError, match=r"There is no engine 'onnx'. Give one of auto, litert, keras\."):
        load_network(USUAL, engine="onnx")


def test_the_command_says_which_engine_it_took_when_asked(tmp_path, capsys):
    words = ["image", str(PORTRAIT), "--from", "left", "-o"]
    assert main([*words, str(tmp_path / "a.png"), "-v"]) == 0
    assert f"relight: engine: LiteRT, {USUAL}.tflite" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "b.png")]) == 0
    assert "engine" not in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(4, 4), (3, 8), (9, 2), (1, 5), (1, 64, 3)])
def test_a_picture_lies_in_its_square_and_is_reflected_around(shape):
    picture = RNG.random(shape)
    square, (rows, columns) = as_square(picture)
    side = max(shape[:2])
    assert square.shape == (side, side, *shape[2:])
    np.testing.assert_array_equal(square[rows, columns], picture)
    if rows.start > 0:
        np.testing.assert_array_equal(square[rows.start - 1, columns], picture[0])
    if columns.start > 0:
        np.testing.assert_array_equal(square[rows, columns.start - 1], picture[:, 0])
