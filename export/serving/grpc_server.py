"""TensorFlow Serving's gRPC interface: Predict, GetModelMetadata and GetModelStatus.

Classify, Regress and MultiInference answer UNIMPLEMENTED: relighting has nothing to say there.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from export.serving.inputs import Signature
from export.serving.metadata import SIGNATURES, metadata_message
from export.serving.refusals import Reason, Refusal, invalid
from export.serving.service import Answer, Service
from tf_relight.errors import RelightError

PROTOCOL = "grpc"
_OVERHEAD = 1 << 16  # of a message around its pictures
_log = logging.getLogger("export.serving")


async def start(service: Service, host: str, port: int) -> tuple[Any, int]:
    """Start the gRPC server in the running event loop and return it with its port.

    Args:
        port: 0 takes a free one.

    Raises:
        RelightError: the port cannot be had.
    """
    import grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    limits = service.limits
    seconds = int(limits.read_timeout * 1000)
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limits.max_body + _OVERHEAD),
            ("grpc.max_send_message_length", -1),
            # Otherwise a second server on the same port would silently take half of the calls.
            ("grpc.so_reuseport", 0),
            # Callers that vanished, and those that never get their message across, are cut in the end.
            ("grpc.keepalive_time_ms", seconds),
            ("grpc.keepalive_timeout_ms", seconds),
            ("grpc.max_connection_age_ms", 20 * seconds),
            ("grpc.max_connection_age_grace_ms", 2 * seconds),
        ],
        maximum_concurrent_rpcs=limits.max_connections,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_predictions(service), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_models(service), server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise RelightError(
            f"gRPC cannot use {host}:{port}: it is taken or not allowed. Give another --grpc-port."
        ) from error
    await server.start()
    return server, bound


def _predictions(service: Service) -> Any:
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
        """Answers Predict and GetModelMetadata."""

        async def Predict(self, request: Any, context: Any) -> Any:
            """Return the outputs of a signature."""
            async with _told(context):
                with service.metrics.request(PROTOCOL) as labels:
                    spec = request.model_spec

                    def inputs(signature: Signature) -> dict[str, np.ndarray]:
                        most = service.limits.max_body
                        return {name: array_of(name, proto, most) for name, proto in request.inputs.items()}

                    answer = await service.predict(
                        spec.name, _version(spec), spec.signature_name, inputs, labels
                    )
                    return await asyncio.to_thread(_response, answer, list(request.output_filter))

        async def GetModelMetadata(self, request: Any, context: Any) -> Any:
            """Return the signatures."""
            async with _told(context):
                if list(request.metadata_field) not in ([], [SIGNATURES]):
                    raise invalid(f"Only the metadata field {SIGNATURES} is known.")
                return metadata_message(service.model(request.model_spec.name, _version(request.model_spec)))

    return Predictions()


def _models(service: Service) -> Any:
    from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

    states = get_model_status_pb2.ModelVersionStatus.State

    class Models(model_service_pb2_grpc.ModelServiceServicer):
        """Answers GetModelStatus."""

        async def GetModelStatus(self, request: Any, context: Any) -> Any:
            """Return the state of the version that is served."""
            async with _told(context):
                version = service.version(request.model_spec.name, _version(request.model_spec))
                response = get_model_status_pb2.GetModelStatusResponse()
                response.model_version_status.add(version=version, state=states.Value(service.state.value))
                return response

    return Models()


def array_of(name: str, proto: Any, max_bytes: int) -> np.ndarray:
    """Return a TensorProto as an array, objects of bytes for strings.

    A shape of a few bytes may ask for terabytes, so it is checked before anything is made.

    Raises:
        Refusal: a shape that does not fit its values, or a type that cannot be an input.
    """
    import tensorflow as tf

    if proto.tensor_shape.unknown_rank or any(each.size < 0 for each in proto.tensor_shape.dim):
        raise invalid(f"Input '{name}' has a shape with unknown sides.")
    count = math.prod(each.size for each in proto.tensor_shape.dim)
    try:
        dtype = np.dtype(tf.dtypes.as_dtype(proto.dtype).as_numpy_dtype)
    except (TypeError, KeyError, NotImplementedError):
        raise invalid(f"Input '{name}' has a type that is not known.") from None
    strings = dtype.kind == "O"
    # TensorFlow repeats the last number where there are fewer than the shape has places.
    fits = len(proto.string_val) == count if strings else count * dtype.itemsize <= max_bytes
    if not fits:
        raise invalid(f"Input '{name}' has a shape of {count:,} entries, which does not fit what was sent.")
    try:
        if not strings:
            return tf.make_ndarray(proto)
        values = np.empty(count, dtype=object)
        values[:] = list(proto.string_val)
        return values.reshape([each.size for each in proto.tensor_shape.dim])
    except (TypeError, ValueError) as error:
        raise invalid(f"Input '{name}' is not a tensor ({error}).") from None


def _response(answer: Answer, wanted: list[str]) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    unknown = [name for name in wanted if name not in answer.outputs]
    if unknown:
        raise invalid(f"There is no output '{unknown[0][:80]}'. There is {', '.join(answer.outputs)}.")
    response = predict_pb2.PredictResponse()
    response.model_spec.name = answer.model.name
    response.model_spec.version.value = answer.model.version
    response.model_spec.signature_name = answer.signature
    for name in wanted or answer.outputs:
        response.outputs[name].CopyFrom(tf.make_tensor_proto(answer.outputs[name]))
    return response


def _version(spec: Any) -> int | None:
    if spec.WhichOneof("version_choice") == "version_label":
        raise Refusal(Reason.NOT_FOUND, "Versions have no labels here. Give a number, or nothing.")
    return spec.version.value if spec.HasField("version") else None


@asynccontextmanager
async def _told(context: Any) -> AsyncIterator[None]:
    """Turn errors into status codes."""
    import grpc

    try:
        yield
    except Refusal as refusal:
        await context.abort(getattr(grpc.StatusCode, refusal.reason.grpc), refusal.sentence)
    except Exception as error:
        _log.error("a request failed", exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, "The server failed on the request. Its log says why.")
