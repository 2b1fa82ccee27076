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

from export.serving.inputs import ServedSignature
from export.serving.metadata import SIGNATURES, metadata_message
from export.serving.refusals import Reason, Refusal, Seldom, invalid
from export.serving.service import Answer, Service
from tf_relight.errors import RelightError
from tf_relight.guarded.reading import reason_of
from tf_relight.terminal import shown

PROTOCOL = "grpc"
_OVERHEAD = 1 << 16  # of a message around its pictures
_failures = Seldom(logging.getLogger("export.serving"))


async def start(service: Service, host: str, port: int) -> tuple[Any, int]:
    """Start the gRPC server in the running event loop and return it with its port.

    Args:
        port: 0 takes a free one.

    Raises:
        RelightError: the port cannot be had.
    """
    import grpc

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
    server.add_generic_rpc_handlers((_predictions(service), _models(service)))
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise RelightError(
            f"gRPC cannot use {host}:{port}: it is taken or not allowed. Give another --grpc-port."
        ) from error
    await server.start()
    return server, bound


def _predictions(service: Service) -> Any:
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

    async def predict(request: Any, context: Any) -> Any:
        """Return the outputs of a signature."""
        async with _told(context):
            with service.metrics.request(PROTOCOL) as labels:
                spec = _whole(request).model_spec

                def inputs(signature: ServedSignature) -> dict[str, np.ndarray]:
                    most = service.limits.max_body
                    return {name: array_of(name, proto, most) for name, proto in request.inputs.items()}

                answer = await service.predict(spec.name, _version(spec), spec.signature_name, inputs, labels)
                return await asyncio.to_thread(_response, answer, list(request.output_filter))

    async def metadata(request: Any, context: Any) -> Any:
        """Return the signatures."""
        async with _told(context):
            if list(_whole(request).metadata_field) not in ([], [SIGNATURES]):
                raise invalid(f"Only the metadata field {SIGNATURES} is known.")
            return metadata_message(service.model(request.model_spec.name, _version(request.model_spec)))

    return _handler(
        "PredictionService",
        Predict=(predict, predict_pb2.PredictRequest),
        GetModelMetadata=(metadata, get_model_metadata_pb2.GetModelMetadataRequest),
    )


def _models(service: Service) -> Any:
    from tensorflow_serving.apis import get_model_status_pb2

    states = get_model_status_pb2.ModelVersionStatus.State

    async def status(request: Any, context: Any) -> Any:
        """Return the state of the version that is served."""
        async with _told(context):
            spec = _whole(request).model_spec
            version = service.version(spec.name, _version(spec))
            response = get_model_status_pb2.GetModelStatusResponse()
            response.model_version_status.add(version=version, state=states.Value(service.state.value))
            return response

    return _handler("ModelService", GetModelStatus=(status, get_model_status_pb2.GetModelStatusRequest))


def _handler(name: str, **methods: tuple[Any, Any]) -> Any:
    """Return the handler of a service of TensorFlow Serving; methods that are not given are UNIMPLEMENTED.

    The generated handlers let gRPC parse the messages, which answers UNKNOWN to a damaged one, and writes a
    traceback for each: whoever can call could fill the log.
    """
    import grpc

    return grpc.method_handlers_generic_handler(
        f"tensorflow.serving.{name}",
        {
            method: grpc.unary_unary_rpc_method_handler(
                answer,
                request_deserializer=_parser(kind),
                response_serializer=lambda response: response.SerializeToString(),
            )
            for method, (answer, kind) in methods.items()
        },
    )


class _Damaged:
    """Stands for a message that is no message."""


def _parser(kind: Any) -> Any:
    def parse(content: bytes) -> Any:
        # The library raises DecodeError, and others for texts that are not UTF-8.
        try:
            return kind.FromString(content)
        except Exception:
            return _Damaged()

    return parse


def _whole(request: Any) -> Any:
    """Return a request that could be parsed."""
    if isinstance(request, _Damaged):
        raise invalid("The message is damaged: it is not a protocol buffer of the kind this method takes.")
    return request


def array_of(name: str, proto: Any, max_bytes: int) -> np.ndarray:
    """Return a TensorProto as an array, objects of bytes for strings.

    A shape of a few bytes may ask for terabytes, so it is checked before anything is made.

    Raises:
        Refusal: a shape that does not fit its values, or a type that cannot be an input.
    """
    import tensorflow as tf

    if proto.tensor_shape.unknown_rank or any(each.size < 0 for each in proto.tensor_shape.dim):
        raise invalid(f"Input '{name[:80]}' has a shape with unknown sides.")
    count = math.prod(each.size for each in proto.tensor_shape.dim)
    try:
        dtype = np.dtype(tf.dtypes.as_dtype(proto.dtype).as_numpy_dtype)
    except Exception:
        raise invalid(f"Input '{name[:80]}' has a type that is not known.") from None
    strings = dtype.kind == "O"
    # TensorFlow repeats the last number where there are fewer than the shape has places.
    fits = len(proto.string_val) == count if strings else count * dtype.itemsize <= max_bytes
    if not fits:
        raise invalid(
            f"Input '{name[:80]}' has a shape of {count:,} entries, which does not fit what was sent."
        )
    try:
        if not strings:
            return tf.make_ndarray(proto)
        values = np.empty(count, dtype=object)
        values[:] = list(proto.string_val)
        return values.reshape([each.size for each in proto.tensor_shape.dim])
    except Exception as error:  # the library trusts what a message says of itself
        raise invalid(f"Input '{name[:80]}' is not a tensor ({reason_of(error)}).") from None


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
        await context.abort(getattr(grpc.StatusCode, refusal.reason.grpc), shown(refusal.sentence))
    except Exception as error:
        _failures.tell(error)
        await context.abort(grpc.StatusCode.INTERNAL, "The server failed on the request. Its log says why.")
