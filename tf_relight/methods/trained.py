"""Models with weights: loading, saving, and assigning tensors by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ValidationError

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.weights.file import (
    FORMAT,
    StorageType,
    StoredWeights,
    finite,
    plain,
    read_weights,
    resolve,
    with_sorted_header,
)

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LoadedModel:
    """A model with its weights, and what is known about them.

    Attributes:
        model: a `keras.Model`, or a `PreparedNetwork` that stands in for it.
    """

    model: Any
    method: methods.Method
    config: BaseModel
    metadata: dict[str, Any]


def tensor_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return {tensor name: variable} of every weight of `model`, trainable or not, in the model's order.

    The model's own name is cut off the variable path, because Keras numbers it ('dmshn_3') by how many such
    models the process has built.

    Raises:
        RelightError: two weights have the same name, so that a file could not tell them apart.
    """
    root = f"{model.name}/"
    variables: dict[str, keras.Variable] = {}
    for variable in model.weights:
        name = variable.path.removeprefix(root)
        if name in variables:
            raise RelightError(
                f"Two weights of {model.name} are called '{name}': give its layers unique names."
            )
        variables[name] = variable
    return variables


def save_weights(
    model: keras.Model,
    path: Path | str,
    *,
    method: str,
    config: BaseModel,
    dtype: StorageType = "float32",
    **metadata: Any,
) -> Path:
    """Write the weights of `model` to `path` (`.safetensors`); the same weights always give the same bytes.

    Args:
        method: name in the method table.
        config: the network's Config, enough to build `model` again.
        dtype: how floating-point tensors are stored.
        **metadata: anything JSON can hold (pydantic models too), for example steps=, seed=, scores=, size=.

    Returns:
        The path written.

    Raises:
        RelightError: a weight is NaN or infinite or too large for `dtype`, or the file cannot be written.
    """
    from safetensors.numpy import save

    path = Path(path)
    if path.suffix != ".safetensors":
        raise RelightError(f"Weights are written as .safetensors, not as '{path.name}': change the ending.")
    tensors = {}
    for name, variable in tensor_variables(model).items():
        stored = _stored(np.asarray(variable), dtype)
        if not finite(stored):
            raise RelightError(
                f"Weight '{name}' is not finite as {dtype}, so {path.name} was not written: the training "
                "diverged; lower its learning rate or store float32."
            )
        tensors[name] = np.ascontiguousarray(stored)
    header = {key: json.dumps(plain(value), sort_keys=True) for key, value in metadata.items()}
    header |= {"format": FORMAT, "method": method, "model": config.model_dump_json()}
    content = with_sorted_header(save(tensors, metadata=header))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def release_weights(path_or_name: Path | str, out: Path | str, **metadata: Any) -> Path:
    """Write a float16 copy of a weights file for passing on, with more metadata if given.

    Raises:
        RelightError: the weights cannot be read, or a weight is too large for float16.
    """
    loaded = load_model(path_or_name)
    known = {**loaded.metadata, **metadata}
    method = loaded.method.name
    return save_weights(loaded.model, out, method=method, config=loaded.config, dtype="float16", **known)


def load_model(path_or_name: Path | str, method: str | None = None) -> LoadedModel:
    """Build the model that a weights file describes and fill it.

    Args:
        path_or_name: a `.safetensors` file, or a name from the record such as "dmshn-scenes-256-v2".
        method: the method the caller expects; None takes whatever the file says.

    Raises:
        RelightError: no such file or name, weights of another method, or anything wrong with the file.
    """
    stored, described = _described(path_or_name, method)
    model = described.method.build_model(described.config)
    assign_weights(model, stored.tensors, source=str(stored.path))
    return replace(described, model=model)


def describe(path_or_name: Path | str, method: str | None = None) -> LoadedModel:
    """Return what a weights file says, without a model in it and without Keras; raises as `load_model`."""
    return _described(path_or_name, method)[1]


def _described(path_or_name: Path | str, method: str | None) -> tuple[StoredWeights, LoadedModel]:
    stored = read_weights(resolve(path_or_name))
    if method is not None:
        check_made_for(stored, method)
    chosen, config = methods.get(_known_method(stored)), _config_of(stored)
    return stored, LoadedModel(None, chosen, config, stored.metadata)


def check_made_for(stored: StoredWeights, method: str, config: BaseModel | None = None) -> None:
    """Check that a file belongs to `method` and, when `config` is given, to that very network.

    Raises:
        RelightError: another method, or a network of another width or wiring.
    """
    if stored.method != method:
        raise RelightError(
            f"{stored.path} holds {stored.method} weights, not {method}: "
            f"pass --method {stored.method} or choose other weights."
        )
    if config is None:
        return
    asked = config.model_dump(mode="json")
    made = _config_of(stored).model_dump(mode="json")
    for key, ours in asked.items():
        theirs = made.get(key)
        if ours != theirs:
            raise RelightError(
                f"{stored.path} was made with model.{key}={json.dumps(theirs)}, but this run asks "
                f"for {json.dumps(ours)}: set model.{key}={json.dumps(theirs)} or choose other weights."
            )


def assign_weights(model: keras.Model, tensors: Mapping[str, np.ndarray], source: str = "The file") -> None:
    """Copy `tensors` into `model`; names and shapes must agree exactly, and nothing is copied otherwise.

    Args:
        tensors: name (see `tensor_variables`) to array of any floating type.
        source: what to call the tensors in errors, for example the file's path.

    Raises:
        RelightError: a tensor is missing, left over, or of another shape; says the first and how many.
    """
    variables = tensor_variables(model)
    missing = [name for name in variables if name not in tensors]
    extra = [name for name in tensors if name not in variables]
    if missing or extra:
        parts = [f"lacks {_listing(missing)}"] if missing else []
        parts += [f"holds {_listing(extra)} too many"] if extra else []
        raise RelightError(f"{source} does not fit the model {model.name}: it {' and '.join(parts)}.")
    wrong = [name for name, variable in variables.items() if tuple(variable.shape) != tensors[name].shape]
    if wrong:
        name = wrong[0]
        raise RelightError(
            f"{source} does not fit the model {model.name}: '{name}' is {tensors[name].shape} there and "
            f"{tuple(variables[name].shape)} here ({len(wrong)} tensors differ): it is of another width."
        )
    for name, variable in variables.items():
        variable.assign(tensors[name].astype(variable.dtype))


def _known_method(stored: StoredWeights) -> str:
    if stored.method not in methods.names():
        raise RelightError(f"{stored.path} is for the method '{stored.method}', unknown to this version.")
    return stored.method


def _config_of(stored: StoredWeights) -> BaseModel:
    """Return the Config that the file describes; options younger than the file have their defaults."""
    try:
        return methods.get(_known_method(stored)).config(stored.config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RelightError(
            f"{stored.path} does not describe a {stored.method} network of this version: "
            f"model.{place}: {first['msg']}."
        ) from error


def _stored(values: np.ndarray, dtype: StorageType) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.floating):
        return values
    if dtype == "bfloat16":
        from ml_dtypes import bfloat16

        return values.astype(bfloat16)
    # A value beyond the range of float16 becomes infinite here and is reported by the caller.
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"'{names[0]}'{more}"
