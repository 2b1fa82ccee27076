"""State and signatures of a model as TensorFlow Serving's messages, and those as JSON."""

from __future__ import annotations

import json
from typing import Any

from export.serving.model import ServedModel

SIGNATURES = "signature_def"
"""The only field of metadata there is."""


def status_json(version: int, state: str) -> bytes:
    """Return the state of a version as JSON."""
    status = {"error_code": "OK", "error_message": ""}
    return json.dumps(
        {"model_version_status": [{"version": str(version), "state": state, "status": status}]}
    ).encode()


def metadata_message(model: ServedModel) -> Any:
    """Return the signatures as a GetModelMetadataResponse."""
    from tensorflow_serving.apis import get_model_metadata_pb2

    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in model.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = model.name
    response.model_spec.version.value = model.version
    response.metadata[SIGNATURES].Pack(signatures)
    return response


def metadata_json(model: ServedModel) -> bytes:
    """Return the signatures as JSON."""
    from google.protobuf import json_format

    return json_format.MessageToJson(
        metadata_message(model),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    ).encode()
