"""What a strict type checker knows of every public name; `make lint` checks this file, nothing runs it.

A name that is `Any` fails `assert_type`; one that is not there, or an argument of another type, is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

import tf_relight
from tf_relight.methods.method import Method
from tf_relight.methods.trained import LoadedModel
from tf_relight.photo.picture import Picture
from tf_relight.pipelines.keras_model import PictureModel
from tf_relight.relighting.in_python import Relit
from tf_relight.relighting.outputs import Report
from tf_relight.relighting.photos import relight_photos


def lights() -> tf_relight.Light:
    """`Light`, by each way to make one, and what it tells."""
    light = tf_relight.Light.from_direction(azimuth=-60, elevation=30, temperature=3500)
    network = assert_type(tf_relight.load_model("weights.safetensors"), LoadedModel)
    made = [
        light,
        assert_type(tf_relight.Light.from_preset("rembrandt"), tf_relight.Light),
        assert_type(tf_relight.Light.from_file("light.txt"), tf_relight.Light),
        assert_type(tf_relight.Light.from_hdr("studio.hdr"), tf_relight.Light),
        assert_type(tf_relight.Light.from_vidit("NW_4500"), tf_relight.Light),
        assert_type(tf_relight.Light.from_photo(network, np.zeros((8, 8, 3))), tf_relight.Light),
        assert_type(tf_relight.Light.from_array([0.5] * 9), tf_relight.Light),
        assert_type(light + 0.5 * light, tf_relight.Light),
        assert_type(light.rotate(azimuth=20).mirror(), tf_relight.Light),
    ]
    assert_type(light.angles, tuple[float, float])
    light.to_file("light.txt")
    return assert_type(made[0].interpolate(light, 0.5), tf_relight.Light)


def pictures(pixels: NDArray[np.uint8], image: Image) -> Relit:
    """`relight`, for each form of a photo, and what it gives."""
    relit = tf_relight.relight("portrait.jpg", light=lights(), strength=0.5, keep_background=True)
    assert_type(relit.image, Image)
    assert_type(relit.pixels, NDArray[np.float32])
    assert_type(relit.picture, Picture)
    assert_type(relit.notes, tuple[str, ...])
    tf_relight.relight(Path("photo.jpg"), method="dmshn", size=256)
    tf_relight.relight(image, light="rembrandt", engine="litert")
    tf_relight.relight(relit, light="left", strenght=0.5)  # type: ignore[call-arg]
    assert_type(relight_photos(["photo.jpg", "holiday/"], "relit/", method="dmshn"), Report)
    return assert_type(tf_relight.relight(pixels), Relit)


def models() -> None:
    """`list_models`, `load`, `load_model` and `methods`."""
    assert_type(tf_relight.list_models("d*", pretrained=True), list[str])
    model = assert_type(tf_relight.load("lit_unet"), PictureModel)
    assert_type(model.lights([lights()]), NDArray[np.float32])
    assert_type(tf_relight.methods.get("dmshn"), Method)
    assert_type(tf_relight.methods.names(), list[str])
    tf_relight.lod("lit_unet")  # type: ignore[attr-defined]


def augmentation() -> None:
    """`LightDistribution` and `RandomRelight`."""
    drawn = tf_relight.LightDistribution(presets=("split",))
    assert_type(drawn.draw(3, seed=0), list[tf_relight.Light])
    assert_type(tf_relight.RandomRelight(drawn, value_range=(0, 1), rate=0.5), tf_relight.RandomRelight)
    tf_relight.RandomRelight(rate="often")  # type: ignore[arg-type]


def errors() -> str:
    """`RelightError` and the version."""
    assert_type(tf_relight.RelightError("what, and how to mend it"), tf_relight.RelightError)
    return assert_type(tf_relight.__version__, str)
