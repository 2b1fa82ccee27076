"""One version of a SavedModel, ready to be asked: what it takes, checks of inputs, and running a batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.serving.inputs import Arrays, Prepared, ServedSignature, ServedTensor
from export.serving.limits import MAX_PIXELS, Limits
from export.serving.refusals import Reason, Refusal, invalid, told_by_tensorflow
from tf_relight.errors import RelightError, suggest
from tf_relight.guarded.reading import foreign, read_bytes

GRAPH_FILE = "saved_model.pb"
LARGEST_GRAPH = 2 << 30
"""Bytes: protocol buffers have no larger ones."""
DEFAULT_SIGNATURE = "serving_default"
_log = logging.getLogger("export.serving")


@dataclass(eq=False)
class ServedModel:
    """A loaded version; make it with `load`.

    Attributes:
        signature_defs: as in the file, for metadata.
    """

    name: str
    version: int
    signatures: dict[str, ServedSignature]
    signature_defs: dict[str, Any]
    limits: Limits
    _functions: dict[str, Any]
    _owner: Any  # holds the variables, and must live as long as the functions

    def signature(self, name: str) -> ServedSignature:
        """Return a signature; an empty name asks for the default one.

        Raises:
            Refusal: there is none of that name.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            known = sorted(self.signatures)
            raise invalid(
                f"Model {self.name} has no signature '{name[:80]}'.{suggest(name[:80], known)} "
                f"It has {', '.join(known)}."
            )
        return self.signatures[name]

    def run(self, requests: Sequence[Prepared]) -> list[Arrays | Exception]:
        """Run requests of one group as one batch and return the outputs of each.

        When the batch fails, every request runs again alone, so that one bad picture fails alone.
        """
        try:
            return list(self._run_together(requests))
        except Exception as error:
            if len(requests) == 1:
                return [_refusal(error)]
        return [self.run([each])[0] for each in requests]

    def _run_together(self, requests: Sequence[Prepared]) -> list[Arrays]:
        import tensorflow as tf

        signature = requests[0].signature
        joined = {
            spec.name: tf.constant(np.concatenate([each.arrays[spec.name] for each in requests]))
            if len(requests) > 1
            else tf.constant(requests[0].arrays[spec.name])
            for spec in signature.inputs
        }
        found = {name: value.numpy() for name, value in self._functions[signature.name](**joined).items()}
        if len(requests) == 1:
            return [found]
        rows = sum(each.rows for each in requests)
        if any(np.shape(values)[:1] != (rows,) for values in found.values()):
            raise RuntimeError(f"the answer to {rows} rows has another number of rows")
        ends = np.cumsum([each.rows for each in requests])[:-1]
        parts = {name: np.split(values, ends) for name, values in found.items()}
        return [{name: parts[name][place] for name in parts} for place in range(len(requests))]


def find_models(folder: Path | str) -> dict[str, Path]:
    """Return {name: its folder of versions} of a folder of models, or of one model's own folder.

    Raises:
        RelightError: there is no SavedModel at the expected place.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RelightError(f"There is no folder {folder}. Write one with `relight export savedmodel`.")
    if (folder / GRAPH_FILE).is_file():
        raise RelightError(f"{folder} is one version of a model. Give the folder above it: {folder.parent}.")
    if _versions(folder):
        return {folder.resolve().name: folder}
    found = {each.name: each for each in sorted(folder.iterdir()) if each.is_dir() and _versions(each)}
    if not found:
        raise RelightError(
            f"{folder} holds no model: expected {folder}/<model>/<version>/{GRAPH_FILE} with a number as "
            "version. Write one with `relight export savedmodel`."
        )
    return found


def newest_version(folder: Path) -> int:
    """Return the highest version in a model's folder, which is the one that is served."""
    return max(_versions(folder))


def load(name: str, folder: Path, limits: Limits, max_pixels: int | None = None) -> ServedModel:
    """Load the newest version of a model and play its warm-up requests.

    Args:
        folder: of the versions.
        max_pixels: None takes the model's own limit where it names one.

    Raises:
        RelightError: the version cannot be loaded, or fails on its own warm-up requests.
    """
    import dataclasses

    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    version = newest_version(folder)
    place = folder / str(version)
    # TensorFlow raises anything from OSError to KeyError for a damaged folder.
    with foreign(f"{place} cannot be loaded as a SavedModel ({{reason}})."):
        loaded = tf.saved_model.load(str(place))
        content = read_bytes(place / GRAPH_FILE, LARGEST_GRAPH, what="the graph", advice="export it again")
        graph = saved_model_pb2.SavedModel.FromString(content)
    functions = dict(loaded.signatures)
    if not functions:
        raise RelightError(f"{place} has no signatures, so it cannot be asked. Export the model again.")
    limits = dataclasses.replace(limits, max_pixels=max_pixels or _own_limit(place))
    model = ServedModel(
        name,
        version,
        {key: _described(key, function) for key, function in functions.items()},
        {key: definition for key, definition in graph.meta_graphs[0].signature_def.items()},
        limits,
        functions,
        loaded,
    )
    _warm_up(loaded, place)
    return model


def _warm_up(loaded: Any, place: Path) -> None:
    from export.saved_model.warmup import FILE, read_warmup, replay

    if not (place / FILE).is_file():
        _log.info("%s has no warm-up requests: the first request will be slow.", place)
        return
    try:
        replay(loaded, read_warmup(place))
    except RelightError:
        raise
    except Exception as error:
        raise RelightError(
            f"{place} fails on its own warm-up requests ({told_by_tensorflow(str(error))}) Export it again."
        ) from error


def _own_limit(place: Path) -> int:
    from export.saved_model.write import read_record

    try:
        return int(read_record(place)["limits"]["max_pixels"])
    except (RelightError, KeyError, TypeError, ValueError):
        return MAX_PIXELS  # a SavedModel that somebody else wrote


def _versions(folder: Path) -> list[int]:
    return [
        int(each.name)
        for each in folder.iterdir()
        if each.name.isdecimal() and str(int(each.name)) == each.name and (each / GRAPH_FILE).is_file()
    ]


def _described(name: str, function: Any) -> ServedSignature:
    inputs = tuple(_tensor(key, spec) for key, spec in sorted(function.structured_input_signature[1].items()))
    outputs = tuple(_tensor(key, spec) for key, spec in function.structured_outputs.items())
    batched = all(spec.shape[:1] == (None,) for spec in (*inputs, *outputs))
    return ServedSignature(name, inputs, outputs, batched)


def _tensor(name: str, spec: Any) -> ServedTensor:
    shape = () if spec.shape.rank is None else tuple(spec.shape.as_list())
    return ServedTensor(name, shape, np.dtype(spec.dtype.as_numpy_dtype))


def _refusal(error: Exception) -> Exception:
    """Return what the caller is told about a failed run."""
    import tensorflow as tf

    if isinstance(error, tf.errors.InvalidArgumentError):
        return invalid(told_by_tensorflow(error.message))
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return Refusal(
            Reason.OVERLOADED, "Not enough memory for the request. Send smaller pictures, or try again later."
        )
    _log.error("a request failed", exc_info=error)
    return Refusal(Reason.INTERNAL, "The model failed on the request. The server's log says why.")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
