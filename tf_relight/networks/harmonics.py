"""The harmonics as operations on Keras tensors: shading, and maps of a light, inside a network.

Matrix products only, which phones run whole; frames and order are those of `light.spherical_harmonics`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from keras import ops

from tf_relight.light.spherical_harmonics import ATTENUATION, AXES, ORDER, SCALE, Frame


def basis(normals: Any, axes: Frame = "dpr", homogeneous: bool = False) -> Any:
    """Return the attenuated harmonics of frame "dpr" for a Keras tensor of normals (..., 3), as (..., 9).

    Matrix products and one product of two tensors: phones run these whole, slices and stacks of them not.

    Args:
        axes: the frame whose axes the normals are in.
        homogeneous: normals need not have length 1; 2 z^2 - x^2 - y^2 stands in place of 3 z^2 - 1, as in
            SfSNet's release.
    """
    normals = ops.convert_to_tensor(normals)
    left, right, linear, quadratic, constant = (
        ops.convert_to_tensor(form, dtype=normals.dtype) for form in _forms(axes, homogeneous)
    )
    products = ops.matmul(normals, left) * ops.matmul(normals, right)
    return ops.matmul(normals, linear) + ops.matmul(products, quadratic) + constant


@functools.cache
def _forms(axes: Frame, homogeneous: bool) -> tuple[np.ndarray, ...]:
    """Return (3, 6), (3, 6), (3, 9), (6, 9) and (9,): the harmonics as sums of products of two axes.

    They are `((n @ left) * (n @ right)) @ quadratic + n @ linear + constant`.
    """
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))
    sums = {
        "xy": {3: 1.0},
        "yz": {4: 1.0},
        "xz": {5: 1.0},
        "xx-yy": {0: 1.0, 1: -1.0},
        "zz": {0: -1.0, 1: -1.0, 2: 2.0} if homogeneous else {2: 3.0},
    }
    linear, quadratic, constant = np.zeros((3, 9)), np.zeros((6, 9)), np.zeros(9)
    for place, name in enumerate(ORDER["dpr"]):
        scale = SCALE[name] * ATTENUATION[place]
        if name in sums:
            for pair, factor in sums[name].items():
                quadratic[pair, place] = scale * factor
        elif name != "1":
            linear["xyz".index(name), place] = scale
        if name == "1" or name == "zz" and not homogeneous:
            constant[place] = scale if name == "1" else -scale
    turned = AXES[axes]
    left, right = (turned[:, [pair[side] for pair in pairs]] for side in (0, 1))
    return left, right, turned @ linear, quadratic, constant


def shading(normals: Any, light: Any, axes: Frame = "dpr", homogeneous: bool = False) -> Any:
    """Return the shading of tensors: normals (B, H, W, 3), light (B, 9) or (B, 9, C) -> (B, H, W, C).

    `axes` and `homogeneous` are those of `basis`; the light is of frame "dpr" in any case.
    """
    if len(light.shape) == 2:
        light = light[..., None]
    harmonics, light = basis(normals, axes, homogeneous), ops.cast(light, normals.dtype)
    # A matrix product: TensorFlow Lite fails to convert two einsums in a row.
    batch, height, width = (ops.shape(harmonics)[axis] for axis in range(3))
    flat = ops.matmul(ops.reshape(harmonics, (batch, height * width, 9)), light)
    return ops.reshape(flat, (batch, height, width, light.shape[-1]))


def apply_map(matrix: Any, light: Any) -> Any:
    """Return a light (B, 9) or (B, 9, C) changed by a (9, 9) matrix or tensor, such as `image_map`."""
    turned = ops.transpose(ops.cast(ops.convert_to_tensor(matrix), light.dtype))
    if len(light.shape) == 2:
        return ops.matmul(light, turned)
    return ops.transpose(ops.matmul(ops.transpose(light, (0, 2, 1)), turned), (0, 2, 1))
