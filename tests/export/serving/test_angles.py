"""Angles of a light through the server, with a portrait network as it is exported."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from tests.export.narrow import Exported
from tests.export.serving.conftest import running
from tests.export.serving.test_http import b64
from tests.export.serving.tiny_model import picture, pixels_of

USUAL = {"azimuth": 30.0, "elevation": 20.0, "temperature": 6500.0}
BAD = {
    "azimuth NaN": ({"azimuth": np.nan}, "'azimuth' holds NaN or infinity"),
    "elevation NaN": ({"elevation": np.nan}, "'elevation' holds NaN or infinity"),
    "elevation infinite": ({"elevation": -np.inf}, "'elevation' holds NaN or infinity"),
    "elevation above": ({"elevation": 90.5}, "Elevation 90.5 is outside -90..90 degrees."),
    "elevation below": ({"elevation": -91.0}, "Elevation -91 is outside -90..90 degrees."),
    "temperature": ({"temperature": 500.0}, "Temperature 500 is outside 1000..15000 K."),
}


@pytest.fixture(scope="module")
def portraits(portrait: Exported):
    """A server of the exported network."""
    with running(portrait.folder.parent) as server:
        yield server, portrait.folder.parent.name


def over_http(server: Any, name: str, angles: dict[str, float]) -> tuple[int, dict[str, Any]]:
    body = {"signature_name": "relight_angles", "instances": [{"image_bytes": b64(picture(1)), **angles}]}
    answer = httpx.post(
        f"http://{server.http}/v1/models/{name}:predict",
        content=json.dumps(body),
        headers={"content-type": "application/json"},
        timeout=60,
        trust_env=False,
    )
    return answer.status_code, answer.json()


def over_grpc(server: Any, name: str, angles: dict[str, float]) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    made = predict_pb2.PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = name, "relight_angles"
    made.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([picture(1)]))
    for each, value in angles.items():
        made.inputs[each].CopyFrom(tf.make_tensor_proto(np.float32([value])))
    with grpc.insecure_channel(server.grpc) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(made, timeout=60)
    return pixels_of(tf.make_ndarray(answer.outputs["relit_bytes"])[0])


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD)
def test_angles_out_of_range(portraits, change, words):
    status, body = over_http(*portraits, {**USUAL, **change})
    assert status == 400 and words in body["error"]
    with pytest.raises(grpc.RpcError) as told:
        over_grpc(*portraits, {**USUAL, **change})
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT and words in told.value.details()


def test_any_number_of_turns_is_an_azimuth_as_in_the_toolkit(portraits):
    status, _ = over_http(*portraits, {**USUAL, "azimuth": 9999.0})
    assert status == 200
    usual, turned = (over_grpc(*portraits, {**USUAL, "azimuth": angle}) for angle in (279.0, 9999.0))
    np.testing.assert_array_equal(usual, turned)
