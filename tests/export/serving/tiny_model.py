"""A SavedModel small enough for tests, with the signatures of an exported portrait method.

It multiplies a picture by the first number of its light, so every answer can be told from every other.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_tiny_model(folder: Path, name: str = "tiny", version: int = 1) -> Path:
    """Write `folder`/<name>/<version> and return `folder`."""
    import tensorflow as tf

    light = tf.TensorSpec((None, 9), tf.float32, name="light")
    content = tf.TensorSpec((None,), tf.string, name="image_bytes")
    image = tf.TensorSpec((None, None, None, 3), tf.float32, name="image")

    class Tiny(tf.Module):
        """The three kinds of signatures."""

        def __init__(self) -> None:
            super().__init__()
            self.one = tf.Variable(1.0)

        @tf.function(input_signature=[content, light])
        def files(self, image_bytes: Any, light: Any) -> Any:
            """Files in, files out."""

            def relit(parts: Any) -> Any:
                pixels = tf.io.decode_image(parts[0], channels=3, expand_animations=False)
                brighter = tf.cast(pixels, tf.float32) * parts[1][0] * self.one
                return tf.io.encode_png(tf.cast(tf.clip_by_value(brighter, 0, 255), tf.uint8))

            done = tf.map_fn(relit, (image_bytes, light), fn_output_signature=tf.TensorSpec((), tf.string))
            return {"relit_bytes": done}

        @tf.function(input_signature=[image, light])
        def floats(self, image: Any, light: Any) -> Any:
            """Pixels in, pixels and the light out."""
            check = tf.debugging.Assert(
                tf.reduce_max(image) <= 1.0,
                ["image must stay below", tf.reduce_max(image)],
            )
            with tf.control_dependencies([check]):
                return {"relit": image * light[:, None, None, :1] * self.one, "source_light": light}

        @tf.function(input_signature=[tf.TensorSpec((), tf.float32, name="x")])
        def single(self, x: Any) -> Any:
            """No batch axis."""
            return {"y": x * 2 * self.one}

    tiny = Tiny()
    signatures = {
        "serving_default": tiny.files,
        "relight_jpeg": tiny.files,
        "relight": tiny.floats,
        "single": tiny.single,
    }
    tf.saved_model.save(tiny, str(folder / name / str(version)), signatures=signatures)
    return folder


def picture(number: int, size: tuple[int, int] = (12, 16), kind: str = "PNG") -> bytes:
    """Return the file of a made-up picture; other numbers give other pictures, all below half brightness."""
    pixels = np.random.default_rng(number).integers(0, 120, (*size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return stream.getvalue()


def pixels_of(content: bytes) -> np.ndarray:
    """Return the pixels of a file, (H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def light_of(strength: float) -> np.ndarray:
    """Return a light (1, 9) under which the tiny model multiplies by `strength`."""
    light = np.zeros((1, 9), np.float32)
    light[0, 0] = strength
    return light
