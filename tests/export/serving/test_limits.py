"""Sizes of pictures from their headers, against Pillow, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from export.serving.hostile import bomb
from export.serving.limits import pixels_of_file
from export.serving.refusals import Reason, Refusal, told_by_tensorflow
from tests.export.serving.tiny_model import picture

KINDS = ("PNG", "JPEG", "WEBP")


@pytest.mark.parametrize("kind", [*KINDS, "lossy WEBP", "WEBP with alpha", "progressive JPEG"])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (513, 2)])
def test_headers_tell_the_size(kind, size):
    pixels = np.zeros((*size, 4 if "alpha" in kind else 3), np.uint8)
    stream = io.BytesIO()
    more = {"lossy WEBP": {"lossless": False}, "progressive JPEG": {"progressive": True}}.get(
        kind, {"lossless": True} if "WEBP" in kind else {}
    )
    Image.fromarray(pixels).save(
        stream, kind.replace("lossy ", "").split(" ")[-1 if "JPEG" in kind else 0], **more
    )
    assert pixels_of_file(stream.getvalue(), 0, 10**9) == size[0] * size[1]


def test_jpeg_with_long_metadata():
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    stream = io.BytesIO()
    Image.new("RGB", (30, 20)).save(stream, "JPEG", exif=exif, comment=b"y" * 40_000)
    assert pixels_of_file(stream.getvalue(), 0, 600) == 600


def test_too_many_pixels_are_told_from_the_header():
    content = bomb(30_000)
    assert len(content) < 10_000
    with pytest.raises(
        Refusal, match="Picture 3 has 30000 x 30000 pixels, more than the limit of 1,000"
    ) as told:
        pixels_of_file(content, 3, 1000)
    assert told.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_itself_is_allowed(kind):
    content = picture(0, (10, 20), kind)
    assert pixels_of_file(content, 0, 200) == 200
    with pytest.raises(Refusal, match="20 x 10"):
        pixels_of_file(content, 0, 199)


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_is_cut_off(kind):
    with pytest.raises(Refusal, match="cut off"):
        pixels_of_file(picture(0, kind=kind)[:18], 0, 10**9)


def test_animations_are_refused():
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(Refusal, match="animation"):
        pixels_of_file(stream.getvalue(), 0, 10**9)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_damaged_headers_never_break_the_reader(kind, data):
    content = bytearray(picture(0, kind=kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert 0 < pixels_of_file(cut, 0, 10**6) <= 10**6
    except Refusal as refusal:
        assert refusal.reason in (Reason.INVALID, Reason.TOO_LARGE)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            "Graph execution error:\n\nDetected at node Assert defined at:\n  File x\nassertion failed: "
            "[Picture] [2] [has] [30] [x] [40] [pixels, more than the limit of 10. Make it smaller.]\n\t"
            " [[{{node Assert/Assert}}]] [Op:__inference_f_12]",
            "Picture 2 has 30 x 40 pixels, more than the limit of 10. Make it smaller.",
        ),
        ("assertion failed: [light holds NaN.] [[{{node A}}]]", "light holds NaN."),
        (
            "Graph execution error:\n\nDetected at node x\nInvalid PNG data, size 12\n\t [[{{node D}}]]",
            "A picture is damaged or cut off (Invalid PNG data, size 12).",
        ),
        ("", "The model could not use these inputs."),
    ],
)
def test_one_sentence_of_tensorflows_message(message, sentence):
    assert told_by_tensorflow(message) == sentence
