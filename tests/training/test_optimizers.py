"""Learning-rate curves of a stage."""

from __future__ import annotations

import pytest

from tf_relight.contract.stage import LossTerm, Schedule, Stage


@pytest.mark.parametrize("kind", ["exponential", "cosine", "linear"])
def test_curve_goes_from_initial_to_final_and_never_up(kind):
    from tf_relight.training.optimizers import StageCurve

    curve = StageCurve(Schedule(2e-3, 5e-5, kind=kind), 100)
    rates = [float(curve(step)) for step in range(0, 101, 5)]
    assert rates[0] == pytest.approx(2e-3)
    # float32: 2e-3 carries an error of 1e-10, which is 2e-6 of the final rate.
    assert rates[-1] == pytest.approx(5e-5, rel=1e-5)
    assert rates == sorted(rates, reverse=True)


def test_exponential_curve_is_straight_in_the_logarithm():
    from tf_relight.training.optimizers import StageCurve

    curve = StageCurve(Schedule(1e-2, 1e-4, kind="exponential"), 10)
    assert float(curve(5)) == pytest.approx(1e-3, rel=1e-5)


def test_polynomial_curve_of_power_one_is_the_line_and_of_less_falls_late():
    from tf_relight.training.optimizers import StageCurve

    line = StageCurve(Schedule(1e-3, 1e-4, kind="linear"), 10)
    same = StageCurve(Schedule(1e-3, 1e-4, kind="polynomial"), 10)
    late = StageCurve(Schedule(1e-4, 0.0, kind="polynomial", power=0.3), 10)
    assert [float(same(step)) for step in range(11)] == pytest.approx([float(line(s)) for s in range(11)])
    assert float(late(5)) == pytest.approx(1e-4 * 0.5**0.3, rel=1e-5)
    assert float(late(10)) == 0.0


def test_steps_fall_by_one_factor_at_each_drop():
    from tf_relight.training.optimizers import StageCurve

    curve = StageCurve(Schedule(1e-3, 1e-5, kind="step", drops=(0.2, 0.7)), 10)
    rates = [float(curve(step)) for step in range(11)]
    assert rates == pytest.approx([1e-3] * 2 + [1e-4] * 5 + [1e-5] * 4, rel=1e-5)


def test_warm_up_rises_to_the_initial_rate():
    from tf_relight.training.optimizers import StageCurve

    curve = StageCurve(Schedule(1e-3, kind="constant", warmup=0.1), 100)
    assert float(curve(0)) == pytest.approx(1e-4)
    assert float(curve(9)) == pytest.approx(1e-3)
    assert float(curve(50)) == pytest.approx(1e-3)


@pytest.mark.parametrize("name,kind", [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimiser_of_a_stage(name, kind):
    from tf_relight.training.optimizers import make_optimizers

    stage = Stage("s", 1.0, (LossTerm("l2"),), Schedule(1e-3), optimizer=name, betas=(0.5, 0.9))
    optimizer = make_optimizers(stage, 10)["model"]
    assert type(optimizer).__name__ == kind
    if name != "sgd":
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.9)
