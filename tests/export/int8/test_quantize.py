"""Files of each number format, on a network of four convolutions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from export.bounds import BOUNDS
from export.int8 import quantize
from export.litert import graph_tools
from export.litert.inspection import delegations
from tests.export.tiny_network import SIZES, decibels, pictures, run, tiny

FREE = replace(BOUNDS["fp16"], size_ratio=None, psnr=0.0)
"""Asks for nothing."""


def made(quantisation: str, bounds) -> quantize.Rounded:
    if quantisation == "fp16":
        return quantize.float16(tiny(), pictures(), bounds)
    if quantisation == "dynamic_int8":
        return quantize.dynamic_int8(tiny("dynamic_int8"), tiny(), pictures(), bounds)
    return quantize.static_int8(tiny(), pictures(), bounds)


@pytest.mark.parametrize(("quantisation", "least"), [("fp16", 70), ("dynamic_int8", 40), ("static_int8", 35)])
def test_files_are_near_and_run_on_xnnpack_in_one_piece(quantisation, least, tmp_path):
    found = made(quantisation, FREE)
    assert found.layers == "all"
    for size in SIZES:
        reached = decibels(run(tiny(), size, tmp_path), run(found.content, size, tmp_path))
        assert least < reached < 110
    assert all(each.complete for each in delegations(tmp_path / "run.tflite").values())
    assert len(found.content) < len(graph_tools.compact(tiny()))


@pytest.mark.parametrize("quantisation", ["fp16", "dynamic_int8", "static_int8"])
def test_a_higher_bound_leaves_more_as_it_was(quantisation, tmp_path):
    free = made(quantisation, FREE)
    strict = made(quantisation, replace(FREE, psnr=free.psnr + 2))
    assert strict.layers.startswith("all but ") and strict.psnr > free.psnr
    assert len(strict.content) >= len(free.content)
    assert all(decibels(run(tiny(), size, tmp_path), run(strict.content, size, tmp_path)) for size in SIZES)
    assert all(each.complete for each in delegations(tmp_path / "run.tflite").values())


def test_no_file_becomes_larger_than_allowed():
    free = made("fp16", FREE)
    ratio = len(free.content) / len(graph_tools.compact(tiny()))
    # Room for one of the small kernels, not for all four.
    tight = made("fp16", replace(FREE, psnr=200.0, size_ratio=ratio + 0.002 + 1500 / len(tiny())))
    assert tight.layers == "all but 1 convolutions" or tight.layers == "all"
    assert len(tight.content) <= (ratio + 1500 / len(tiny())) * len(graph_tools.compact(tiny()))
