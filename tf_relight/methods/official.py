"""Official weights of other frameworks, converted once to our own format in the user's cache.

The weights may not be passed on, so users get the file from its authors; `relight weights import` reads it
without executing anything in it, checks it, and runs the network against stored answers of the official one.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from pydantic import BaseModel

from tf_relight import methods
from tf_relight.errors import RelightError, suggest
from tf_relight.weights import torch_file
from tf_relight.weights.checksum import sha256_of
from tf_relight.weights.fetch import download
from tf_relight.weights.record import KNOWN, WeightsRecord, path_of, record_of

__all__ = ["Imported", "fetch_and_import", "import_weights", "importable"]


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        path: of the converted weights.
        sha256: of the official file; `known` says whether it is the recorded one.
        tensors: how many the network took. dropped: how many others there were, by reason.
        parity: {what: largest difference from the official network's stored answers}.
        allowed: {what: bound on that difference}.
    """

    record: WeightsRecord
    path: Path
    sha256: str
    tensors: int
    dropped: Mapping[str, int]
    parity: Mapping[str, float]
    allowed: Mapping[str, float]

    @property
    def known(self) -> bool:
        """Whether the official file is the recorded one, or none is recorded to compare with."""
        return self.record.sha256 in ("", self.sha256)


def importable() -> dict[str, str]:
    """Return {method: name of its official weights} of the weights that can be imported."""
    return {record.method: name for name, record in KNOWN.items() if record.imported and record.method}


def import_weights(method: str, file: Path | str, *, allow_unknown: bool = False) -> Imported:
    """Convert the official checkpoint `file` of `method` and store it in the cache.

    Args:
        allow_unknown: take a file whose sha256 is not the recorded one, for example trained further.

    Raises:
        RelightError: nothing to import for this method; a file that cannot be read, is of another network or
            size, or is not the recorded one; or the converted network answers differently.
    """
    names = importable()
    if method not in names:
        hint = suggest(method, names)
        known = ", ".join(names)
        raise RelightError(f"There are no weights to import for '{method}'.{hint} Known: {known}.")
    record, file = record_of(names[method]), Path(file)
    network = methods.get(method)
    official = importlib.import_module(f"{network.module_name}.official")
    found = getattr(official, "read", torch_file.read)(file)
    try:
        config = network.config(official.config_of(found) if hasattr(official, "config_of") else None)
        used, dropped = official.used_tensors(found, config)
    except RelightError as error:
        raise RelightError(f"{file} cannot be imported as {method}: {error}.") from error
    sha256 = sha256_of(file)
    if record.sha256 and sha256 != record.sha256 and not allow_unknown:
        raise RelightError(
            f"{file} is not the recorded file of {record.name}: its sha256 is {sha256}, the record says "
            f"{record.sha256}. Get {record.url}, or add --allow-unknown if you trust this file."
        )
    path, parity = _convert(record, network, config, official, file, used, sha256)
    return Imported(record, path, sha256, len(used), dropped, parity, official.TOLERANCE)


def fetch_and_import(name: str, *, progress: bool = True) -> Imported:
    """Download the official file of `name`, import it and forget the download.

    Raises:
        RelightError: no connection, another file than recorded, or anything `import_weights` raises.
    """
    record = record_of(name)
    assert record.method is not None
    if not record.sha256:
        raise RelightError(
            f"No file of {name} is recorded that a download could be checked against: get a copy from "
            f"{record.url} and run `relight weights import {record.method} FILE`."
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / record.url.rsplit("/", 1)[-1]
            download(name, file, progress=progress)
            return import_weights(record.method, file)
    except OSError as error:
        raise RelightError(
            f"Cannot keep {record.url}: {error.strerror or error}. Free some space."
        ) from error


def _convert(
    record: WeightsRecord,
    network: methods.Method,
    config: BaseModel,
    official: ModuleType,
    file: Path,
    used: Mapping[str, np.ndarray],
    sha256: str,
) -> tuple[Path, dict[str, float]]:
    """Write the converted weights after comparing answers; return where, and how far the answers differ."""
    import keras

    from tf_relight.methods.trained import assign_weights, save_weights, tensor_variables

    # On the CPU: GPUs may multiply in fewer bits than the comparison needs.
    with keras.device("cpu:0"):
        model = network.build_model(config)
        shapes = {name: tuple(variable.shape) for name, variable in tensor_variables(model).items()}
        assign_weights(model, _in_our_layout(used, network.weight_map(config), shapes), source=str(file))
        parity = official.parity(model)
    wrong = [what for what, difference in parity.items() if not difference <= official.TOLERANCE[what]]
    if wrong and sha256 == record.sha256:
        what = wrong[0]
        raise RelightError(
            f"{file} was not imported: the converted network's {what} differs from the official one by "
            f"{parity[what]:.1e}, more than {official.TOLERANCE[what]:.0e}. "
            "Report this with your version of TensorFlow."
        )
    path = save_weights(
        model,
        path_of(record.name),
        method=network.name,
        config=config,
        source=record.url if sha256 == record.sha256 else file.name,
        source_sha256=sha256,
        licence=record.licence,
        paper=record.paper,
    )
    return path, parity


def _in_our_layout(
    tensors: Mapping[str, np.ndarray], mapping: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Return PyTorch tensors under our names; convolutions and linear layers have other orders of axes."""
    converted = {}
    for theirs, ours in mapping.items():
        tensor = tensors[theirs]
        if tensor.ndim == 4:
            tensor = tensor.transpose(2, 3, 1, 0)
        elif tensor.ndim == 2:
            tensor = tensor.T
        elif tensor.size == 1:
            # PyTorch's single weight of a PReLU has one axis, Keras' has three.
            tensor = tensor.reshape(shapes[ours])
        converted[ours] = tensor
    return converted
