"""The fields of samples in the form that networks take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tf_relight.contract.card import MethodInfo
from tf_relight.contract.stage import FIELDS
from tf_relight.light.lamps import light_as


def network_fields(sample: Mapping[str, np.ndarray], info: MethodInfo) -> dict[str, np.ndarray]:
    """Return a sample whose lights are (9, C), C as the method's networks have it; the rest as it is.

    Args:
        sample: lights (9,) or (9, C); numbers of VIDIT's lights are left alone.

    Raises:
        RelightError: a light of another shape.
    """
    port = info.light or info.source_light
    channels = 1 if port is None else port.channels
    return {
        name: light_as(array, channels) if _is_light(name, array) else array for name, array in sample.items()
    }


def _is_light(name: str, array: np.ndarray) -> bool:
    kind = FIELDS.get(name) or FIELDS.get(name.partition(".")[2])
    return kind == "light" and np.asarray(array).ndim > 0
