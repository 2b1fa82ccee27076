"""Scores of what a network gives beside the relit picture: the light that it reads, normals, albedo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.data.fields import network_fields
from tf_relight.scoring import metrics
from tf_relight.scoring.scores import check_value

if TYPE_CHECKING:
    from tf_relight.contract.stage import Check
    from tf_relight.methods.trained import LoadedModel


@dataclass(frozen=True)
class OwnChecks:
    """Scores of a method's outputs beside its relit picture, as its last stage of training names them."""

    loaded: LoadedModel
    checks: tuple[Check, ...]

    @property
    def fields(self) -> set[str]:
        """The fields of samples that they compare with."""
        return {name for check in self.checks for name in check.names}

    @property
    def columns(self) -> tuple[str, ...]:
        """Their columns in a table, beyond those that every table has."""
        return tuple(check.column for check in self.checks if check.column not in metrics.TABLE)

    def scores(self, image: np.ndarray, sample: Mapping[str, np.ndarray]) -> dict[str, float | None]:
        """Return the scores of one sample; None where it has no truth to compare with.

        Args:
            image: (H, W, 3) float32 sRGB 0..1. sample: as a source gives it.
        """
        method = self.loaded.method
        fields = {name: _scaled(array) for name, array in network_fields(sample, method.info).items()}
        inputs: dict[str, Any] = {method.info.picture.name: method.picture_input(image)}
        light = method.info.light
        if light is not None:
            inputs[light.name] = fields[light.batch_field]
        outputs = method.predict(self.loaded.model, **inputs)
        return {check.column: check_value(check, outputs, fields) for check in self.checks}


def own_checks(loaded: LoadedModel) -> OwnChecks | None:
    """Return the checks of a loaded method's outputs beside the relit picture; None where it has none."""
    method = loaded.method
    stages = method.stages(loaded.config, method.recipe())
    known = {port.name for port in method.info.outputs} - {"relit"}
    checks = tuple(check for check in stages[-1].checks if check.prediction in known)
    return OwnChecks(loaded, checks) if checks else None


def _scaled(array: np.ndarray) -> np.ndarray:
    """Pictures uint8 to float32 0..1; anything else as it is."""
    return array.astype(np.float32) / np.float32(255.0) if array.dtype == np.uint8 else array
