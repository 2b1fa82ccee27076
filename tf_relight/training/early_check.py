"""Every stage of a run, tried before its first step: a wrong name costs seconds, not half the training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_relight.contract.stage import Stage, is_field
from tf_relight.errors import RelightError
from tf_relight.networks.losses import LOSSES
from tf_relight.networks.relight_model import RelightModel
from tf_relight.scoring.scores import check_names


def check_stages(
    model: RelightModel,
    stages: list[Stage],
    batch: dict[str, Any],
    *,
    strategy: tf.distribute.Strategy,
    resources: dict[str, dict[str, Any]],
) -> None:
    """Trace the losses of every stage for one batch; nothing is computed and no variable changes.

    The model is left with the switches of the last stage.

    Args:
        batch: the element of a training dataset as `tf.TypeSpec`s.

    Raises:
        RelightError: the first thing that does not fit: an unknown part, loss, score, field or output, or
            arrays that cannot be compared.
    """
    for stage in stages:
        _check_names(model, stage, set(batch))
        given: dict[str, list[str]] = {}

        def trace(values: dict[str, Any], stage: Stage = stage, given: dict[str, list[str]] = given) -> Any:
            for training in (True, False):
                given[str(training)] = sorted(model.compute(values, training=training))
            known = set(given["True"])
            missing = [name for name in stage.losses_outputs() if name not in known]
            if missing:
                raise RelightError(
                    f"The stage '{stage.name}' asks for '{missing[0]}', which is neither a field of the "
                    f"batch nor an output of the network. The outputs are {', '.join(sorted(known))}."
                )
            check_names(stage.checks, given["False"])
            return model.stage_loss(values, training=True)[0]

        with strategy.scope():
            model.enter_stage(stage, resources)
            try:
                run = functools.partial(_on_replicas, strategy, trace)
                tf.function(run, autograph=False).get_concrete_function(batch)
            except RelightError:
                raise
            except (ValueError, TypeError, KeyError, tf.errors.InvalidArgumentError) as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise RelightError(
                    f"The stage '{stage.name}' cannot be computed on these data: {reason}"
                ) from error


def _on_replicas(strategy: tf.distribute.Strategy, trace: Callable[..., Any], values: Any) -> Any:
    return strategy.run(trace, args=(values,))


def _check_names(model: RelightModel, stage: Stage, fields: set[str]) -> None:
    """What can be said without running the network."""
    for part in (*(() if stage.trains == ("*",) else stage.trains), *stage.inference):
        model.find_part(part)
    for term in stage.losses:
        if term.loss not in model.own_losses and term.loss not in LOSSES:
            known = ", ".join((*model.own_losses, *LOSSES))
            raise RelightError(
                f"The stage '{stage.name}' has the unknown loss '{term.loss}'. Known: {known}."
            )
    lacking = sorted(name for name in stage.needs(()) if is_field(name) and name not in fields)
    if lacking:
        raise RelightError(
            f"The stage '{stage.name}' needs '{lacking[0]}' in its batches, which hold "
            f"{', '.join(sorted(fields))}."
        )
    check_names(stage.checks)
