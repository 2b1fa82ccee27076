"""Pictures as L of Lab, on every kind of source."""

from __future__ import annotations

import cv2
import numpy as np

from tf_relight.data import open_source
from tf_relight.data.lightness import as_luminance
from tf_relight.data.options import DataConfig
from tf_relight.data.pipeline import cached
from tf_relight.data.source import FormedSource, PooledSource


class Plain:
    """Two samples with pictures and an albedo."""

    fields = ("image", "albedo", "light")

    def __len__(self):
        return 2

    def key(self, index):
        return f"sample{index}"

    def read(self, index):
        picture = np.random.default_rng(index).integers(0, 256, (6, 8, 3), np.uint8)
        return {"image": picture, "albedo": picture, "light": np.ones(9, np.float32)}


def test_pictures_become_lightness_and_the_rest_stays():
    source = as_luminance(Plain())
    sample, before = source.read(1), Plain().read(1)
    expected = cv2.cvtColor(before["image"], cv2.COLOR_RGB2LAB)[..., :1]
    np.testing.assert_array_equal(sample["image"], expected)
    np.testing.assert_array_equal(sample["albedo"], before["albedo"])
    assert (len(source), source.key(1), source.fields) == (2, "sample1", Plain.fields)


def test_formed_sources_stay_formed():
    config = DataConfig(name="heads", size=32, scenes=1, validation_scenes=1)
    source = open_source(config, "validation", "lightness")
    assert isinstance(source, FormedSource) and source.on_the_fly
    source.prepare(progress=False)
    rgb = open_source(config, "validation")
    np.testing.assert_array_equal(
        source.read(3)["original"], cv2.cvtColor(rgb.read(3)["original"], cv2.COLOR_RGB2LAB)[..., :1]
    )
    assert source.fingerprint() != rgb.fingerprint()


def test_coloured_lights_become_their_luminance():
    config = DataConfig(name="heads", size=32, scenes=1, validation_scenes=1, coloured_light=True)
    coloured, plain = open_source(config, "validation"), open_source(config, "validation", "lightness")
    for field in ("light", "target_light"):
        before, after = coloured.read(2)[field], plain.read(2)[field]
        assert (before.shape, after.shape, after.dtype) == ((9, 3), (9,), np.float32)
        np.testing.assert_allclose(after, before @ [0.299, 0.587, 0.114], rtol=1e-6)


def test_pooled_sources_cache_luminance(vidit):
    vidit.pairs("input", "target", range(3))
    config = vidit.config(name="folder")
    source = open_source(config, "train", "lightness")
    assert isinstance(source, PooledSource)
    kept = cached(source, None, progress=False)
    assert kept.read(0)["image"].shape == (16, 16, 1)
    np.testing.assert_array_equal(kept.read(1)["target"], source.read(1)["target"])
