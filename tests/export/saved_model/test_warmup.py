"""Warm-up requests: written for TensorFlow Serving, read back and replayed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tensorflow as tf

from export.saved_model import warmup
from export.saved_model.signatures import Signature
from tf_relight.errors import RelightError

pytest.importorskip("tensorflow_serving", reason="needs the extra `serve`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A SavedModel with one signature of every kind of input, and its warm-up requests."""
    floats = tf.TensorSpec((None, None, None, 3), tf.float32, name="image")
    files = tf.TensorSpec((None,), tf.string, name="image_bytes")
    light = tf.TensorSpec((None, 9), tf.float32, name="light")
    signatures = [
        Signature("relight", (floats, light), lambda image, light: {"relit": image * light[0, 0]}, {}),
        Signature(
            "relight_jpeg", (files,), lambda image_bytes: {"length": tf.strings.length(image_bytes)}, {}
        ),
    ]
    module = tf.Module()
    functions = {}
    for each in signatures:
        functions[each.name] = tf.function(each.function, input_signature=list(each.inputs))
        setattr(module, each.name, functions[each.name])
    path = tmp_path_factory.mktemp("model")
    tf.saved_model.save(module, str(path), signatures=functions)
    warmup.write_warmup(path, "tests", warmup.requests_for(signatures, side=48, max_pixels=10**6))
    return path


def test_is_where_the_server_looks_for_it(folder):
    assert (folder / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_holds_what_the_server_reads(folder):
    from tensorflow_serving.apis import prediction_log_pb2

    records = list(tf.data.TFRecordDataset(str(folder / warmup.FILE)).as_numpy_iterator())
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    assert [log.WhichOneof("log_type") for log in logs] == ["predict_log"] * 2
    spec = logs[0].predict_log.request.model_spec
    assert (spec.name, spec.signature_name) == ("tests", "relight")


def test_read_back_and_replayed(folder):
    requests = warmup.read_warmup(folder)
    assert [each.signature for each in requests] == ["relight", "relight_jpeg"]
    assert requests[0].inputs["image"].shape == (1, 48, 48, 3)
    answers = warmup.replay(tf.saved_model.load(str(folder)), requests)
    first = requests[0].inputs
    np.testing.assert_allclose(answers[0]["relit"], first["image"] * first["light"][0, 0], rtol=1e-6)
    content = requests[1].inputs["image_bytes"][0]
    assert answers[1]["length"] == [len(content)]
    assert tf.io.decode_jpeg(content).shape == (480, 640, 3)


@pytest.mark.parametrize("max_pixels", [1, 900, 10_000])
def test_pictures_keep_to_the_limit(max_pixels):
    files = tf.TensorSpec((None,), tf.string, name="image_bytes")
    request = warmup.requests_for([Signature("x", (files,), lambda image_bytes: {}, {})], 48, max_pixels)[0]
    height, width, _ = tf.io.decode_jpeg(request.inputs["image_bytes"][0]).shape
    assert max_pixels / 2 < height * width <= max_pixels


def test_unknown_signature(folder):
    request = warmup.WarmupRequest("relight_gif", {})
    with pytest.raises(RelightError, match="no signature 'relight_gif'. It has relight"):
        warmup.replay(tf.saved_model.load(str(folder)), [request])


def test_missing_file(tmp_path):
    with pytest.raises(RelightError, match="holds no warm-up requests"):
        warmup.read_warmup(tmp_path)


@pytest.mark.parametrize("cut", [5, 40])
def test_damaged_file(folder, cut, tmp_path):
    (tmp_path / warmup.FILE).parent.mkdir()
    (tmp_path / warmup.FILE).write_bytes((folder / warmup.FILE).read_bytes()[:-cut])
    with pytest.raises(RelightError, match="is damaged"):
        warmup.read_warmup(tmp_path)


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis.prediction_log_pb2", None)
    with pytest.raises(RelightError, match="Install the extra `serve`, or give --no-warmup"):
        warmup.require_serving_api()
