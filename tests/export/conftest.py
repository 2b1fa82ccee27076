"""Two narrow networks with random weights as SavedModels, written once for all tests."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from pathlib import Path

import pytest

from tests.export.narrow import Exported, narrow_model


@pytest.fixture(scope="session")
def scene_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a narrow DMSHN, trained at 48 pixels as it says."""
    from tf_relight.methods.trained import save_weights

    loaded = narrow_model("dmshn")
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return save_weights(loaded.model, path, method="dmshn", config=loaded.config, size=48, licence="CC0")


@pytest.fixture(scope="session")
def scene(scene_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """DMSHN, written by the command; pictures of more than 200,000 pixels are refused."""
    from export.__main__ import main

    out = tmp_path_factory.mktemp("scene")
    words = ["savedmodel", "--method", "dmshn", "--weights", str(scene_weights), "--out", str(out)]
    words += ["--max-pixels", "200000"]
    if importlib.util.find_spec("tensorflow_serving") is None:
        words.append("--no-warmup")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(words) == 0
    return Exported(narrow_model("dmshn"), out / "dmshn" / "1", said.getvalue())


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """DPR 512 that works at 48 pixels."""
    from export.saved_model.write import WeightsOrigin, export_savedmodel

    loaded = narrow_model("dpr512")
    out = tmp_path_factory.mktemp("portrait")
    origin = WeightsOrigin("random", "0" * 64, "none")
    return Exported(loaded, export_savedmodel(loaded, out, origin=origin, warmup=False))
