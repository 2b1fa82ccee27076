"""A small folder of exported files, made once for the tests that look at such folders."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

import keras

from export.litert.manifest import FileRecord, WeightsOrigin
from export.tflite.write import export_tflite
from tf_relight import methods
from tf_relight.methods.trained import load_model, save_weights
from tf_relight.weights.checksum import sha256_of

SIZES = {"dmshn": (32,), "dpr512": (32, 48)}
CONFIGS = {"dmshn": {"width": 4}, "dpr512": {"width": 4}}


def small_weights(method: str, path: Path, seed: int = 0) -> Path:
    """Write the weights of a small untrained network."""
    keras.utils.set_random_seed(seed)
    chosen = methods.get(method)
    config = chosen.config(CONFIGS[method])
    return save_weights(chosen.build_model(config), path, method=method, config=config, size=32)


def weights_record(path: Path) -> WeightsOrigin:
    return WeightsOrigin(name=str(path), sha256=sha256_of(path), licence="made for a test")


@functools.cache
def _made(method: str) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="exported-")
    weights = small_weights(method, Path(folder.name) / "small.safetensors")
    out = Path(folder.name) / "out"
    loaded, record = load_model(weights), weights_record(weights)
    export_tflite(loaded, out, quantisations=("fp32", "dynamic_int8"), sizes=SIZES[method], weights=record)
    return folder


def exported_copy(method: str, folder: Path) -> Path:
    """Return a copy, inside `folder`, of a small network's files: float32 and dynamic int8."""
    return Path(shutil.copytree(Path(_made(method).name) / "out", folder / "out"))


def described(record: FileRecord, folder: Path) -> FileRecord:
    """Return the record with the size and the sha256 that the file has now."""
    path = folder / record.name
    return record.model_copy(update={"sha256": sha256_of(path), "size_bytes": path.stat().st_size})
