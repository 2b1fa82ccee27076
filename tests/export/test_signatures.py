"""Names and shapes of exported networks, and which sizes they may have."""

from __future__ import annotations

import pytest

from export import signatures
from tf_relight import methods
from tf_relight.errors import RelightError


def test_scenes_take_and_give_a_picture():
    info = methods.get("dmshn").info
    (image,), (relit,) = signatures.inputs_of(info, 64), signatures.outputs_of(info, 64)
    assert (image.name, image.shape, image.dtype) == ("image", (1, 64, 64, 3), "float32")
    assert (relit.name, relit.shape) == ("relit", (1, 64, 64, 3))
    assert "sRGB" in image.meaning and "0..1" in image.meaning


def test_portraits_have_a_light_of_four_dimensions():
    info = methods.get("dpr512").info
    shapes = {spec.name: spec.shape for spec in signatures.inputs_of(info, 32)}
    assert shapes == {"image": (1, 32, 32, 1), "light": (1, 1, 1, 9)}
    shapes = {spec.name: spec.shape for spec in signatures.outputs_of(info, 32)}
    assert shapes == {"relit": (1, 32, 32, 1), "source_light": (1, 1, 1, 9)}


@pytest.mark.parametrize("method", ["dmshn", "dpr512"])
def test_without_a_size_batch_and_sides_are_open(method):
    info = methods.get(method).info
    assert signatures.inputs_of(info)[0].shape[:3] == (None, None, None)
    assert signatures.outputs_of(info)[-1].shape[0] is None


def test_names_say_the_size():
    assert signatures.signature_name(384) == "relight_384"
    assert signatures.size_of("relight_384") == 384
    for wrong in ("relight", "relight_", "relight_x", "serving_default", "384"):
        with pytest.raises(RelightError, match="not a signature"):
            signatures.size_of(wrong)


@pytest.mark.parametrize(
    ("method", "sizes", "said"),
    [
        ("dmshn", (250,), "Give 240 or 256"),
        ("dpr1024", (48,), "Give 32 or 64"),
        ("dmshn", (0,), "Give 16"),
        ("dmshn", (-16,), "Give 16"),
        ("dmshn", (8192,), "Give 4096"),
        ("dmshn", (), "No sizes"),
        ("dmshn", (64, 128, 64), "64 is given twice"),
    ],
)
def test_sizes_that_cannot_be(method, sizes, said):
    with pytest.raises(RelightError, match=said):
        signatures.check_sizes(method, methods.get(method).info, sizes)


def test_sizes_that_can_be():
    signatures.check_sizes("dmshn", methods.get("dmshn").info, (16, 256, 4096))
