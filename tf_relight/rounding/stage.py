"""The stage of training with the rounding of 8-bit inference."""

from __future__ import annotations

from dataclasses import replace

from tf_relight.contract.stage import FOLLOWED, LossTerm, Stage

FOLLOWING = 1000.0
"""Weight of the losses of a stage with rounding: 45 dB are 3e-5, so small that Adam's epsilon would count."""


def with_rounding(stages: list[Stage], share: float) -> list[Stage]:
    """Append a stage with the rounding of 8-bit inference, which follows what the network gave before it.

    The true pictures are left out: their loss is a hundred times as large as that of the rounding, which
    would drown in its changes from batch to batch. The network without rounding follows too, so that the same
    weights stay good for other number formats.

    The learning rate rises to a tenth of where that of the last stage ends, and falls to a hundredth of it.

    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015; here the teacher is
    the network itself before it is rounded.

    Args:
        share: of all steps; 1 leaves the other stages out.
    """
    last = stages[-1]
    ended = last.learning_rate.initial if last.learning_rate.final is None else last.learning_rate.final
    rounding = replace(
        last,
        name="following_int8",
        share=share,
        losses=(
            LossTerm("l2", FOLLOWING, prediction="rounded", target="reachable"),
            LossTerm("l2", FOLLOWING, prediction="unrounded", target=FOLLOWED),
        ),
        learning_rate=replace(last.learning_rate, initial=ended / 10, final=ended / 100, warmup=0.1),
        adversaries=(),
        switches={**last.switches, "quantise": True},
    )
    total = sum(stage.share for stage in stages)
    kept = [replace(stage, share=stage.share * (1 - share) / total) for stage in stages]
    return [*kept, rounding] if share < 1 else [rounding]
