"""Which steps of a run belong to which stage."""

from __future__ import annotations

from dataclasses import dataclass

from tf_relight.contract.stage import Stage
from tf_relight.errors import RelightError


@dataclass(frozen=True)
class StageSpan:
    """A stage and the steps it covers: first <= step < last."""

    stage: Stage
    first: int
    last: int


def plan(stages: list[Stage], steps: int) -> list[StageSpan]:
    """Divide `steps` among the stages by their shares; every stage gets at least one step.

    Raises:
        RelightError: there are fewer steps than stages.
    """
    if steps < len(stages):
        raise RelightError(f"train.steps is {steps}, but the recipe has {len(stages)} stages.")
    total = sum(stage.share for stage in stages)
    spans: list[StageSpan] = []
    first, share = 0, 0.0
    for number, stage in enumerate(stages):
        share += stage.share
        left = len(stages) - number - 1
        last = min(max(round(steps * share / total), first + 1), steps - left)
        spans.append(StageSpan(stage, first, last))
        first = last
    return spans
