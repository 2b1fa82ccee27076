"""Types, shapes and batches of inputs, without a server."""

from __future__ import annotations

import numpy as np
import pytest

from export.serving.inputs import ServedSignature, ServedTensor, prepare
from export.serving.limits import Limits
from export.serving.refusals import Refusal

FLOAT, INT, STRINGS = np.dtype(np.float32), np.dtype(np.int32), np.dtype(object)
PIXELS = ServedSignature("pixels", (ServedTensor("image", (None, None, None, 3), FLOAT),), (), batched=True)
OTHER = ServedSignature("other", PIXELS.inputs, (), batched=True)
NUMBERS = ServedSignature("numbers", (ServedTensor("count", (None,), INT),), (), batched=True)
WORDS = ServedSignature("words", (ServedTensor("word", (None,), STRINGS),), (), batched=True)
SINGLE = ServedSignature("single", (ServedTensor("x", (), FLOAT),), (), batched=False)
LIMITS = Limits()


def image(*shape):
    return {"image": np.zeros((*shape, 3), np.float32)}


def test_only_the_same_signature_and_size_share_a_batch():
    first = prepare(PIXELS, image(1, 4, 5), LIMITS)
    assert first.group == prepare(PIXELS, image(2, 4, 5), LIMITS).group
    assert first.group != prepare(PIXELS, image(1, 5, 4), LIMITS).group
    assert first.group != prepare(OTHER, image(1, 4, 5), LIMITS).group


def test_what_has_no_batch_axis_runs_alone():
    first, second = (prepare(SINGLE, {"x": 1.0}, LIMITS) for _ in range(2))
    assert first.group != second.group
    assert first.rows == 1


def test_rows_and_pixels_are_counted():
    found = prepare(PIXELS, image(2, 4, 5), LIMITS)
    assert (found.rows, found.pixels) == (2, 40)
    with pytest.raises(Refusal, match="have 40 pixels, more than the limit of 39"):
        prepare(PIXELS, image(2, 4, 5), Limits(max_pixels=39))


@pytest.mark.parametrize(
    ("signature", "given", "words"),
    [
        (NUMBERS, {"count": [1.5]}, "whole numbers"),
        (NUMBERS, {"count": [True]}, "takes numbers"),
        (NUMBERS, {"count": None}, "takes numbers"),
        (NUMBERS, {"count": {"a": 1}}, "takes numbers"),
        (NUMBERS, {"count": 3}, r"shape \[\], but takes \[any\]"),
        (NUMBERS, {"count": [10**30]}, "takes numbers"),
        (NUMBERS, {"count": np.array([1], np.int64)}, "type int64, but takes int32"),
        (WORDS, {"word": ["a"]}, "takes bytes"),
        (WORDS, {"word": [[b"a"]]}, "takes bytes"),
        (WORDS, {"word": b"a"}, r"shape \[\]"),
        (PIXELS, {"image": np.full((1, 1, 1, 3), np.inf, np.float32)}, "NaN or infinity"),
        (PIXELS, image(1, 4), r"shape \[1, 4, 3\]"),
        (PIXELS, {}, "lacks the input 'image'"),
        (PIXELS, {"image": [], "x" * 500: 1}, "unknown input 'x{80}'"),
    ],
)
def test_what_does_not_fit(signature, given, words):
    with pytest.raises(Refusal, match=words) as told:
        prepare(signature, given, LIMITS)
    assert told.value.reason.http == 400


def test_lists_take_the_type_of_the_signature():
    found = prepare(NUMBERS, {"count": [1, 2]}, LIMITS)
    assert found.arrays["count"].dtype == np.int32
    words = prepare(WORDS, {"word": [b"a\0", b"bc"]}, LIMITS).arrays["word"]
    assert words.tolist() == [b"a\0", b"bc"]
