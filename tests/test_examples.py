"""The examples in docstrings are run as they stand."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "tf_relight.contract.stage",
    "tf_relight.data.folder",
    "tf_relight.data.heads",
    "tf_relight.data.humans",
    "tf_relight.data.mixture",
    "tf_relight.data.options",
    "tf_relight.data.photos",
    "tf_relight.data.portraits.dataset",
    "tf_relight.data.scenes",
    "tf_relight.data.sfsnet",
    "tf_relight.data.shards",
    "tf_relight.data.vidit.dataset",
    "tf_relight.light.light",
    "tf_relight.methods.listing",
    "tf_relight.pipelines.distribution",
    "tf_relight.pipelines.keras_model",
    "tf_relight.pipelines.random_relight",
    "tf_relight.relighting.in_python",
    "tf_relight.relighting.photos",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert tried > 0 and failed == 0
