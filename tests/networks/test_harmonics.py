"""The harmonics on tensors agree with those on arrays."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tf_relight.light import spherical_harmonics as sh
from tf_relight.networks import harmonics


def directions(rng: np.random.Generator, count: int = 500) -> np.ndarray:
    normals = rng.standard_normal((count, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_tensors_give_the_same_shading():
    rng = np.random.default_rng(0)
    normals, light = directions(rng, 60).reshape(2, 5, 6, 3), rng.standard_normal((2, 9, 3))
    tensor = keras.ops.convert_to_numpy(
        harmonics.shading(normals.astype(np.float32), light.astype(np.float32))
    )
    expected = np.stack([sh.shading(n, c) for n, c in zip(normals, light, strict=True)])
    np.testing.assert_allclose(tensor, expected, atol=1e-5)  # float32 sums of nine products
    grey = keras.ops.convert_to_numpy(
        harmonics.shading(normals.astype(np.float32), light[..., 0].astype(np.float32))
    )
    np.testing.assert_allclose(grey[..., 0], expected[..., 0], atol=1e-5)


@pytest.mark.parametrize("axes", sh.FRAMES)
def test_tensors_in_the_axes_of_any_frame_give_the_same_harmonics(axes):
    normals = directions(np.random.default_rng(1), 50)
    told = normals @ sh.AXES[axes].T
    for homogeneous in (False, True):
        found = keras.ops.convert_to_numpy(harmonics.basis(told, axes, homogeneous))
        np.testing.assert_allclose(found, sh.basis(normals), atol=1e-12)


def test_homogeneous_harmonics_grow_with_the_power_of_their_band():
    normals = directions(np.random.default_rng(2), 50)
    found = keras.ops.convert_to_numpy(harmonics.basis(2.0 * normals, homogeneous=True))
    np.testing.assert_allclose(found, sh.basis(normals) * 2.0**sh.BAND, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 9), (2, 9, 3)])
def test_tensors_of_lights_are_changed_alike(shape):
    light, matrix = np.random.default_rng(0).standard_normal(shape), sh.image_map("rot90")
    changed = keras.ops.convert_to_numpy(harmonics.apply_map(matrix, light.astype(np.float32)))
    np.testing.assert_allclose(changed, np.stack([matrix @ each for each in light]), atol=1e-6)
