"""A client for HTTP and gRPC that works with TensorFlow Serving and with the server of this package alike.

    with Client("http://127.0.0.1:8501", "dpr512") as client:
        relit = client.relight(Path("photo.jpg").read_bytes(), light=coefficients)

`grpc://127.0.0.1:8500` asks over gRPC, which sends a quarter less and needs TensorFlow beside the client.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import numpy as np

from tf_relight.errors import RelightError

Inputs = Mapping[str, Any]
_TEMPORARY = ("408", "429", "503", "504", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED")
_DEFAULT = "serving_default"
_TYPES = {
    "DT_STRING": object,
    "DT_FLOAT": np.float32,
    "DT_HALF": np.float16,
    "DT_DOUBLE": np.float64,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_BOOL": np.bool_,
}


class Refused(RelightError):
    """A server's answer that it will not, or no answer at all.

    Attributes:
        code: the status as sent, such as "400" or "INVALID_ARGUMENT"; empty where nothing came back.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}" if code else sentence)
        self.code = code

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code in _TEMPORARY


class _Way(Protocol):
    """HTTP or gRPC."""

    def types(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return, per signature, "inputs" and "outputs" as name to type, such as "DT_FLOAT"."""

    def predict(self, signature: str, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return the outputs."""

    def state(self) -> str:
        """Return the state of the model, "AVAILABLE" if it answers."""

    def close(self) -> None:
        """Free the connections."""


class Client:
    """Asks one model of a server; threads may share it.

    Args:
        address: http://host:port, https://host:port or grpc://host:port.
        model: its name on the server.
        version: None takes the one that the server prefers.
        timeout: seconds for one request.

    Raises:
        RelightError: an address of another kind, or a package of the extra `serve` is missing.
    """

    def __init__(self, address: str, model: str, *, version: int | None = None, timeout: float = 60) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https", "grpc") or not parts.netloc:
            raise RelightError(
                f"'{address}' is not an address. Give http://host:port, https://host:port or grpc://host:port."
            )
        if parts.scheme == "grpc":
            self._way: _Way = _Grpc(parts.netloc, model, version, timeout)
        else:
            self._way = _Http(address.rstrip("/"), model, version, timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the connections."""
        self._way.close()

    def ready(self) -> bool:
        """Return whether the model is there and answers."""
        try:
            return self._way.state() == "AVAILABLE"
        except Refused:
            return False

    def signatures(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return, per signature, "inputs" and "outputs" as name to type, such as "DT_FLOAT".

        Raises:
            Refused: the server knows no such model.
        """
        return self._way.types()

    def predict(self, inputs: Inputs, signature: str = _DEFAULT) -> dict[str, np.ndarray]:
        """Return the outputs of a signature.

        Args:
            inputs: name to an array or lists; pictures as a list of bytes. The first axis is the batch.

        Raises:
            Refused: the server could not be reached or did not take the request.
        """
        return self._way.predict(signature, inputs)

    def relight(self, picture: bytes, *, light: Any = None, signature: str = "relight_jpeg") -> bytes:
        """Return the file of the relit picture.

        Args:
            picture: the bytes of a JPEG, PNG or WebP file.
            light: nine coefficients, frame dpr, for methods that take a light.
            signature: relight_png asks for a PNG.

        Raises:
            Refused: as in `predict`.
        """
        inputs: dict[str, Any] = {"image_bytes": [picture]}
        if light is not None:
            inputs["light"] = np.asarray(light, np.float32).reshape(1, 9)
        content: bytes = self.predict(inputs, signature)["relit_bytes"][0]
        return content


class _Http:
    """TensorFlow Serving's REST interface."""

    def __init__(self, address: str, model: str, version: int | None, timeout: float) -> None:
        try:
            import httpx
        except ImportError as error:
            raise RelightError("The client needs httpx. Install the extra `serve`.") from error
        place = f"/v1/models/{quote(model, safe='')}" + (f"/versions/{version}" if version else "")
        self._base = address + place
        # Proxies of the environment are for other machines than this server's.
        self._http = httpx.Client(timeout=timeout, trust_env=False)
        self._failures = httpx.HTTPError
        self._types: dict[str, Any] | None = None

    def close(self) -> None:
        self._http.close()

    def state(self) -> str:
        return str(self._ask("GET", "")["model_version_status"][0]["state"])

    def types(self) -> dict[str, dict[str, dict[str, str]]]:
        if self._types is None:
            found = self._ask("GET", "/metadata")["metadata"]["signature_def"]["signature_def"]
            self._types = {
                name: {
                    side: {key: each["dtype"] for key, each in definition.get(side, {}).items()}
                    for side in ("inputs", "outputs")
                }
                for name, definition in found.items()
            }
        return self._types

    def predict(self, signature: str, inputs: Inputs) -> dict[str, np.ndarray]:
        types = self.types().get(signature)
        if types is None:
            known = ", ".join(sorted(name for name in self.types() if not name.startswith("__")))
            raise Refused("400", f"There is no signature '{signature}'. There is {known}.")
        body = {
            "signature_name": signature,
            "inputs": {name: _to_json(values) for name, values in inputs.items()},
        }
        outputs = self._ask("POST", ":predict", body)["outputs"]
        if len(types["outputs"]) == 1:  # the name is left out then
            outputs = {next(iter(types["outputs"])): outputs}
        return {name: _from_json(values, types["outputs"][name]) for name, values in outputs.items()}

    def _ask(self, verb: str, place: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = self._http.request(
                verb, self._base + place, content=content, headers={"content-type": "application/json"}
            )
        except self._failures as error:
            raise Refused("", f"{self._base} does not answer ({error or type(error).__name__}).") from error
        try:
            found = answer.json()
        except ValueError:
            found = {"error": answer.text[:200]}
        if answer.status_code != 200:
            told = found.get("error", "") if isinstance(found, dict) else ""
            raise Refused(str(answer.status_code), str(told) or answer.reason_phrase)
        return found


class _Grpc:
    """TensorFlow Serving's PredictionService and ModelService."""

    def __init__(self, target: str, model: str, version: int | None, timeout: float) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
        except ImportError as error:
            raise RelightError("gRPC needs tensorflow-serving-api. Install the extra `serve`.") from error
        sizes = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(target, options=[*sizes, ("grpc.enable_http_proxy", 0)])
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._failure = grpc.RpcError
        self._model, self._version, self._timeout = model, version, timeout

    def close(self) -> None:
        self._channel.close()

    def state(self) -> str:
        from tensorflow_serving.apis import get_model_status_pb2

        request = self._addressed(get_model_status_pb2.GetModelStatusRequest())
        found = self._ask(self._models.GetModelStatus, request).model_version_status[0].state
        return get_model_status_pb2.ModelVersionStatus.State.Name(found)

    def types(self) -> dict[str, dict[str, dict[str, str]]]:
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = self._addressed(get_model_metadata_pb2.GetModelMetadataRequest())
        request.metadata_field.append("signature_def")
        response = self._ask(self._predictions.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)

        def named(sides: Any) -> dict[str, str]:
            return {name: types_pb2.DataType.Name(each.dtype) for name, each in sides.items()}

        return {
            name: {"inputs": named(each.inputs), "outputs": named(each.outputs)}
            for name, each in signatures.signature_def.items()
        }

    def predict(self, signature: str, inputs: Inputs) -> dict[str, np.ndarray]:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = self._addressed(predict_pb2.PredictRequest())
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            # Lists of numbers become float32, NumPy's own choice being float64, which no signature takes.
            plain = values if isinstance(values, np.ndarray) or _is_bytes(values) else np.float32(values)
            request.inputs[name].CopyFrom(tf.make_tensor_proto(plain))
        response = self._ask(self._predictions.Predict, request)
        return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}

    def _addressed(self, request: Any) -> Any:
        request.model_spec.name = self._model
        if self._version:
            request.model_spec.version.value = self._version
        return request

    def _ask(self, call: Any, request: Any) -> Any:
        try:
            return call(request, timeout=self._timeout)
        except self._failure as error:
            raise Refused(error.code().name, error.details() or "no reason given") from error


def _is_bytes(values: Any) -> bool:
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    return isinstance(values, bytes)


def _to_json(values: Any) -> Any:
    if isinstance(values, bytes):
        return {"b64": base64.b64encode(values).decode("ascii")}
    if isinstance(values, (np.ndarray, np.generic)):
        return _to_json(values.tolist())
    return [_to_json(each) for each in values] if _is_bytes(values) else values


def _from_json(values: Any, kind: str) -> np.ndarray:
    if kind == "DT_STRING":
        return np.array(_texts(values), dtype=object)
    return np.array(values, dtype=_TYPES.get(kind))


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
