"""Requests that TensorFlow Serving plays on a model as it loads, so that no user waits for the first run.

The file is a TFRecord of `PredictionLog` messages in `assets.extra`; TensorFlow Serving looks for it there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.reading import foreign

if TYPE_CHECKING:
    from export.saved_model.signatures import Signature

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
LARGEST_FLOAT_SIDE = 256  # the file stays small, and a larger one warms nothing more
PICTURE_SIZE = (480, 640)
_LIGHT = (0.76, 0.0, 0.1, -0.2, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class WarmupRequest:
    """One call: the signature's name and its inputs as arrays."""

    signature: str
    inputs: dict[str, np.ndarray]


def require_serving_api() -> None:
    """Raise RelightError when tensorflow-serving-api is not installed."""
    try:
        import tensorflow_serving.apis.prediction_log_pb2  # noqa: F401
    except ImportError as error:
        raise RelightError(
            "Warm-up requests need tensorflow-serving-api. Install the extra `serve`, or give --no-warmup."
        ) from error


def requests_for(signatures: Sequence[Signature], side: int, max_pixels: int) -> list[WarmupRequest]:
    """Return one request for each signature, on a made-up picture.

    Args:
        side: long side at which the network works on picture files.
        max_pixels: the model refuses larger picture files.
    """
    import tensorflow as tf

    height, width = PICTURE_SIZE
    scale = min(1.0, math.sqrt(max_pixels / (height * width)))
    pixels = _picture(max(1, int(height * scale)), max(1, int(width * scale)))
    content = tf.io.encode_jpeg(np.rint(pixels * 255).astype(np.uint8)).numpy()
    small = min(side, LARGEST_FLOAT_SIDE)
    values: dict[str, np.ndarray] = {
        "image": _picture(small, small)[None],
        "image_bytes": np.array([content], dtype=object),
        "light": np.array([_LIGHT], np.float32),
        "azimuth": np.array([-45], np.float32),
        "elevation": np.array([30], np.float32),
        "temperature": np.array([6500], np.float32),
    }
    return [
        WarmupRequest(each.name, {spec.name: values[spec.name] for spec in each.inputs})
        for each in signatures
    ]


def write_warmup(folder: Path, model: str, requests: Sequence[WarmupRequest]) -> Path:
    """Write the requests into the SavedModel in `folder` and return the file.

    Args:
        model: the name under which a server offers it.

    Raises:
        RelightError: tensorflow-serving-api is missing.
    """
    require_serving_api()
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for each in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = model
            request.model_spec.signature_name = each.signature
            for name, values in each.inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
    return path


def read_warmup(folder: Path | str) -> list[WarmupRequest]:
    """Return the requests that a SavedModel holds.

    Raises:
        RelightError: there are none, the file is damaged, or tensorflow-serving-api is missing.
    """
    require_serving_api()
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(folder) / FILE
    if not path.is_file():
        raise RelightError(f"{folder} holds no warm-up requests ({FILE.name}). Export the model again.")
    found = []
    with foreign(f"{path} is damaged. Export the model again."):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            found.append(WarmupRequest(request.model_spec.signature_name, inputs))
    return found


def replay(model: Any, requests: Sequence[WarmupRequest]) -> list[dict[str, np.ndarray]]:
    """Run the requests on a loaded SavedModel (`tf.saved_model.load`) and return what each gave.

    Raises:
        RelightError: the model has no such signature.
    """
    import tensorflow as tf

    answers = []
    for each in requests:
        if each.signature not in model.signatures:
            raise RelightError(
                f"The model has no signature '{each.signature}'. It has {', '.join(model.signatures)}."
            )
        inputs = {name: tf.constant(values) for name, values in each.inputs.items()}
        found = model.signatures[each.signature](**inputs)
        answers.append({name: values.numpy() for name, values in found.items()})
    return answers


def _picture(height: int, width: int) -> np.ndarray:
    """Return a made-up photo (height, width, 3) float32 0..1: soft shapes with fine texture."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    shape = 0.5 + 0.3 * np.sin(7 * x + 3 * y) * np.cos(5 * y)
    texture = 0.05 * np.sin(140 * x) * np.sin(160 * y)
    tint = np.array([1.0, 0.85, 0.7])
    return np.clip((shape + texture)[..., None] * tint, 0, 1).astype(np.float32)
