"""A method that takes faces apart, as a SavedModel: files come out as `relight image` makes them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.mark.long
def test_files_keep_the_photos_exposure_as_relight_image_does(tmp_path):
    import keras
    import tensorflow as tf

    from export.saved_model.write import WeightsOrigin, export_savedmodel
    from tf_relight.light.light import Light
    from tf_relight.methods.trained import load_model
    from tf_relight.photo.picture import Picture
    from tf_relight.relighting.coloured import relight_in_colour
    from tf_relight.relighting.request import RelightOptions

    keras.utils.set_random_seed(1)
    loaded = load_model("sfsnet-humans-64-v3")
    origin = WeightsOrigin("sfsnet-humans-64-v3", "0", "none")
    folder = Path(export_savedmodel(loaded, tmp_path, side=32, origin=origin, warmup=False))
    coarse = np.random.default_rng(2).integers(40, 220, (9, 12, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    photo.save(stream, "PNG")
    made = tf.saved_model.load(str(folder)).signatures["relight_angles"](
        image_bytes=tf.constant([stream.getvalue()]),
        azimuth=tf.constant([60.0]),
        elevation=tf.constant([20.0]),
        temperature=tf.constant([3000.0]),
    )
    found = np.asarray(Image.open(io.BytesIO(made["relit_bytes"].numpy()[0])).convert("RGB"))
    # The photo has no face, so that the toolkit takes all of it, as the graph does.
    options = RelightOptions(light=Light.from_direction(60, 20), size=32, temperature=3000)
    relit = relight_in_colour(Picture(np.asarray(photo)), loaded, options).pixels
    stream = io.BytesIO()
    Image.fromarray(np.rint(relit * 255).astype(np.uint8)).save(stream, "JPEG", quality=95, subsampling=0)
    expected = np.asarray(Image.open(stream))
    error = np.mean(np.square((found.astype(np.float64) - expected) / 255))
    assert -10 * np.log10(error + 1e-12) > 50
    assert np.abs(relit - np.asarray(photo, np.float32) / 255).mean() > 0.02
