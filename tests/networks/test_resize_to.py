"""Resizing inside networks, against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tf_relight.networks.layers import resize_to


@pytest.mark.parametrize("size", [(12, 20), (7, 9), (40, 33), (12, 9)])
def test_pictures_grow_bilinearly_and_shrink_by_averages(size):
    picture = np.random.default_rng(0).random((2, 12, 20, 3)).astype(np.float32)
    found = np.asarray(resize_to(picture, *size))
    assert found.shape == (2, *size, 3)
    if size[0] >= 12 and size[1] >= 20:
        expected = cv2.resize(picture[0], size[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(found[0], expected, atol=1e-4)
    np.testing.assert_allclose(found.mean(), picture.mean(), atol=0.02)


def test_an_even_picture_stays_even():
    even = np.full((1, 5, 6, 1), 0.3, np.float32)
    np.testing.assert_allclose(np.asarray(resize_to(even, 11, 3)), 0.3, atol=1e-6)
