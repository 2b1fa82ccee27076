"""How a residue method begins from trained SfSNet weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError

if TYPE_CHECKING:
    from tf_relight.methods.sfsnet_residue import Config

_SHARED = ("width", "affine", "normals", "zero_border")


def begin_from(
    tensors: Mapping[str, np.ndarray],
    theirs: Mapping[str, Any],
    config: Config,
    fresh: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the tensors of a residue network whose body is a trained SfSNet.

    Heads begin as they are; a second stack of albedo features begins as SfSNet's own.

    Args:
        tensors: SfSNet's. theirs: its Config as the weights store it. fresh: of the new network.

    Raises:
        RelightError: a SkipNet, or an SfSNet of another shape than `config` asks for.
    """
    if theirs.get("network", "sfsnet") != "sfsnet":
        raise RelightError("The seven residue methods begin from SfSNet, not from SkipNet.")
    for key in _SHARED:
        wanted = getattr(config, key)
        given = theirs.get(key, type(config).model_fields[key].default)
        if given != wanted:
            raise RelightError(
                f"The SfSNet weights were made with model.{key}={given}, but this run asks for {wanted}: "
                f"set model.{key}={given} or choose other weights."
            )
    begun = {**fresh, **tensors}
    second = "albedo_stack_2/"
    for name in fresh:
        if name.startswith(second):
            begun[name] = tensors[f"body/albedo_stack/{name.removeprefix(second)}"]
    return begun
