"""Which engine runs a network: LiteRT, which is ready in milliseconds, or Keras, which does everything."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tf_relight import litert
from tf_relight.errors import RelightError
from tf_relight.methods.trained import LoadedModel, describe, load_model
from tf_relight.networks.prepared import PreparedNetwork
from tf_relight.relighting.request import SMALLEST_SIZE
from tf_relight.weights.file import resolve
from tf_relight.weights.prepared import Prepared, Record, beside, find, in_cache, write
from tf_relight.weights.record import KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

Engine = Literal["auto", "litert", "keras"]
LARGEST_SIZE = 4096
ENGINES: tuple[Engine, ...] = ("auto", "litert", "keras")


def load_network(path_or_name: Path | str, method: str | None = None, engine: Engine = "auto") -> LoadedModel:
    """Load weights for relighting, with the engine that suits them.

    Args:
        engine: "auto" takes LiteRT on a machine without a GPU where the weights are prepared
            (`prepare_weights`), and Keras else; which one, the log says.

    Returns:
        the loaded model; with LiteRT its `model` is a `PreparedNetwork`.

    Raises:
        RelightError: as `load_model`; a prepared file of other weights; with "litert" weights that are not
            prepared, or a machine without LiteRT.
    """
    if engine not in ENGINES:
        raise RelightError(f"There is no engine '{engine}'. Give one of {', '.join(ENGINES)}.")
    if engine == "keras":
        return _by_keras(path_or_name, method, "it was asked for")
    path = resolve(path_or_name)
    if engine == "auto" and has_gpu():
        return _by_keras(path_or_name, method, "there is a GPU")
    prepared = find(path)
    if engine == "auto" and prepared is None:
        return _by_keras(path_or_name, method, "these weights are not prepared for LiteRT")
    if engine == "auto" and not litert.is_here():
        return _by_keras(path_or_name, method, "LiteRT is not installed")
    if prepared is None:
        raise RelightError(
            f"The weights {path_or_name} are not prepared for LiteRT: run `relight weights prepare "
            f"{path_or_name}`, or leave out --engine litert."
        )
    loaded = describe(path, method)

    def build() -> keras.Model:
        return load_model(path).model

    _log("LiteRT, %s", prepared.path.name)
    network = PreparedNetwork(prepared, build if engine == "auto" else None)
    return LoadedModel(network, loaded.method, loaded.config, loaded.metadata)


def prepare_weights(path_or_name: Path | str, sizes: Sequence[int] = ()) -> Prepared:
    """Make weights ready for LiteRT, once; what is prepared already is made anew.

    Args:
        sizes: sides of the squares; none takes the size of the training.

    Returns:
        what was written, into the cache folder or, for weights that ship, beside them.

    Raises:
        RelightError: as `load_model`; a network that LiteRT cannot run, or that differs from Keras there.
    """
    from tf_relight.networks.prepare import largest_difference, tflite_of, versions
    from tf_relight.networks.running import training_size
    from tf_relight.weights.checksum import sha256_of

    path = resolve(path_or_name)
    loaded = load_model(path)
    sizes = tuple(sizes) or (training_size(loaded),)
    info = loaded.method.info
    _check_sizes(sizes, info.size_multiple)
    content = tflite_of(loaded.model, info, sizes)
    difference = largest_difference(content, loaded.model, info, sizes)
    known = KNOWN.get(str(path_or_name))
    target = beside(path) if known is not None and known.shipped and os.access(path.parent, os.W_OK) else None
    target = target or in_cache(sha256_of(path))
    record = Record(
        method=loaded.method.name,
        weights=sha256_of(path),
        tflite=_sha256(content),
        sizes=sizes,
        difference=difference,
        made_with=versions(),
    )
    write(target, content, record)
    return Prepared(target, record, content)


def has_gpu() -> bool:
    """Return whether there is an NVIDIA GPU that may be used, without importing TensorFlow."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1") and Path("/dev/nvidiactl").exists()


def _by_keras(path_or_name: Path | str, method: str | None, why: str) -> LoadedModel:
    _log("Keras, as %s", why)
    return load_model(path_or_name, method=method)


def _check_sizes(sizes: Sequence[int], multiple: int) -> None:
    least = max(SMALLEST_SIZE, multiple)
    for size in sizes:
        if size % multiple or not least <= size <= LARGEST_SIZE:
            raise RelightError(
                f"Size {size} cannot be prepared: give a multiple of {multiple}, {least} to {LARGEST_SIZE}."
            )
    if len(set(sizes)) != len(sizes):
        raise RelightError("A size is given twice.")


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _log(text: str, *values: object) -> None:
    logging.getLogger(__name__).info("engine: " + text, *values)
