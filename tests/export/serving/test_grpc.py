"""The gRPC interface: answers, status codes, shapes that lie."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from export.serving.grpc_server import array_of
from export.serving.hostile import bomb
from export.serving.refusals import Refusal
from tests.export.serving.tiny_model import light_of, picture, pixels_of


@pytest.fixture(scope="module")
def stubs(server):
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    with grpc.insecure_channel(server.grpc) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


def request(inputs, signature="relight_jpeg", model="tiny", version=None, only=()):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    made = predict_pb2.PredictRequest(output_filter=only)
    made.model_spec.name, made.model_spec.signature_name = model, signature
    if version:
        made.model_spec.version.value = version
    for name, values in inputs.items():
        made.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return made


def files(*contents, light=None):
    lights = np.repeat(light_of(2.0), len(contents), axis=0) if light is None else light
    return {"image_bytes": list(contents), "light": lights}


def refused(stubs, *arguments, **options):
    """Return status code and sentence of a prediction that is refused."""
    with pytest.raises(grpc.RpcError) as told:
        stubs[0].Predict(request(*arguments, **options), timeout=20)
    assert "\n" not in told.value.details()
    return told.value.code().name, told.value.details()


def test_predictions(stubs):
    import tensorflow as tf

    answer = stubs[0].Predict(request(files(picture(1), picture(2, kind="WEBP"))), timeout=20)
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("tiny", 1, "relight_jpeg")
    for number, content in enumerate(tf.make_ndarray(answer.outputs["relit_bytes"]), start=1):
        np.testing.assert_array_equal(pixels_of(content), 2 * pixels_of(picture(number)))


def test_only_the_outputs_that_were_asked_for(stubs):
    inputs = {"image": np.full((1, 2, 2, 3), 0.25, np.float32), "light": light_of(2)}
    assert set(stubs[0].Predict(request(inputs, "relight"), timeout=20).outputs) == {"relit", "source_light"}
    answer = stubs[0].Predict(request(inputs, "relight", version=1, only=["relit"]), timeout=20)
    assert set(answer.outputs) == {"relit"}
    code, words = refused(stubs, inputs, "relight", only=["relit", "depth"])
    assert code == "INVALID_ARGUMENT" and "no output 'depth'" in words


def test_state_and_metadata(stubs):
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

    ask = get_model_status_pb2.GetModelStatusRequest()
    ask.model_spec.name = "tiny"
    (status,) = stubs[1].GetModelStatus(ask, timeout=20).model_version_status
    assert (status.version, status.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    ask.model_spec.name = "tinny"
    with pytest.raises(grpc.RpcError, match="Did you mean 'tiny'"):
        stubs[1].GetModelStatus(ask, timeout=20)

    ask = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    ask.model_spec.name = "tiny"
    found = get_model_metadata_pb2.SignatureDefMap()
    stubs[0].GetModelMetadata(ask, timeout=20).metadata["signature_def"].Unpack(found)
    assert {"relight", "relight_jpeg", "serving_default"} <= set(found.signature_def)


@pytest.mark.parametrize(
    ("inputs", "options", "code", "words"),
    [
        (files(picture(1)), {"model": "nope"}, "NOT_FOUND", "no model 'nope'"),
        (files(picture(1)), {"version": 2}, "NOT_FOUND", "version 1, not 2"),
        (files(picture(1)), {"signature": "nope"}, "INVALID_ARGUMENT", "no signature 'nope'"),
        (files(picture(1)[:90]), {}, "INVALID_ARGUMENT", "PNG"),
        (files(b"hello"), {}, "INVALID_ARGUMENT", "not a JPEG, PNG or WebP"),
        (files(bomb()), {}, "INVALID_ARGUMENT", "30000 x 30000"),
        (files(picture(1), light=light_of(np.nan)), {}, "INVALID_ARGUMENT", "NaN"),
        (files(picture(1), light=np.ones((1, 8), np.float32)), {}, "INVALID_ARGUMENT", "shape [1, 8]"),
        (files(picture(1), light=np.ones((1, 9))), {}, "INVALID_ARGUMENT", "type float64, but takes float32"),
        (files(picture(1), light=[["a"] * 9]), {}, "INVALID_ARGUMENT", "takes numbers"),
        ({"light": light_of(1)}, {}, "INVALID_ARGUMENT", "lacks the input 'image_bytes'"),
        (files(*[picture(1)] * 5), {}, "INVALID_ARGUMENT", "Send 1 to 4"),
        (
            {"image_bytes": np.ones(1, np.float32), "light": light_of(1)},
            {},
            "INVALID_ARGUMENT",
            "takes bytes",
        ),
    ],
)
def test_refusals(stubs, inputs, options, code, words):
    told = refused(stubs, inputs, **options)
    assert told[0] == code and words in told[1]


def test_a_message_that_is_too_large(stubs):
    assert refused(stubs, files(b"x" * (3 << 20)))[0] == "RESOURCE_EXHAUSTED"


def test_the_other_calls_are_not_implemented(stubs):
    from tensorflow_serving.apis import classification_pb2

    with pytest.raises(grpc.RpcError) as told:
        stubs[0].Classify(classification_pb2.ClassificationRequest(), timeout=20)
    assert told.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda proto: proto.tensor_shape.dim.add(size=1 << 40), "does not fit what was sent"),
        (lambda proto: proto.tensor_shape.dim.add(size=-1), "unknown sides"),
        (lambda proto: setattr(proto.tensor_shape, "unknown_rank", True), "unknown sides"),
        (lambda proto: setattr(proto, "dtype", 9999), "not known"),
        (lambda proto: setattr(proto, "tensor_content", b"abc"), "not a tensor"),
    ],
)
def test_tensors_that_lie_cost_nothing(change, words):
    import tensorflow as tf

    proto = tf.make_tensor_proto(np.ones((2, 3), np.float32))
    change(proto)
    with pytest.raises(Refusal, match=words):
        array_of("image", proto, max_bytes=1 << 20)


def test_strings_whose_shape_lies():
    import tensorflow as tf

    proto = tf.make_tensor_proto([b"a", b"b"])
    proto.tensor_shape.dim[0].size = 1 << 40
    with pytest.raises(Refusal, match="does not fit what was sent"):
        array_of("image_bytes", proto, max_bytes=1 << 20)


def test_arrays_come_across():
    import tensorflow as tf

    for values in (np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(3), np.int64([1, 2])):
        np.testing.assert_array_equal(array_of("x", tf.make_tensor_proto(values), 1 << 20), values)
    found = array_of("x", tf.make_tensor_proto([b"a\0", b"b"]), 1 << 20)
    assert found.tolist() == [b"a\0", b"b"]


def raw(server, method, content):
    """Send bytes as they are and return the status code and the sentence."""
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary(f"/tensorflow.serving.{method}", lambda each: each, lambda each: each)
        try:
            call(content, timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", ""


METHODS = ("PredictionService/Predict", "PredictionService/GetModelMetadata", "ModelService/GetModelStatus")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "content", [b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x04\x0a\x02\xff\xfe", b"\x07"]
)
def test_damaged_messages_are_the_callers_fault_and_leave_no_trace(server, caplog, capfd, method, content):
    for _ in range(20):
        code, words = raw(server, method, content)
        assert code == "INVALID_ARGUMENT" and "damaged" in words
    assert caplog.text == "" and "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "method", ["PredictionService/Classify", "PredictionService/Nonsense", "Nobody/Predict"]
)
def test_methods_that_nobody_answers(server, method):
    assert raw(server, method, b"")[0] == "UNIMPLEMENTED"


def test_many_failures_are_one_short_line(caplog):
    import logging

    from export.serving.refusals import Seldom

    seldom = Seldom(logging.getLogger("export.serving"), seconds=60)
    for number in range(1000):
        try:
            raise ValueError(f"text of a caller {number}\n\x1b[2J" + "x" * 5000)
        except ValueError as error:
            seldom.tell(error)
    (record,) = caplog.records
    assert len(record.getMessage()) < 400 and record.getMessage().isprintable() and record.exc_info is None
