"""Retinex-Net: its losses by hand, and its two stages."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.methods.retinexnet.losses import illumination_smoothness
from tf_relight.networks.relight_model import StepOptions


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.fixture
def model():
    import keras

    keras.utils.set_random_seed(4)
    method = methods.get("retinexnet")
    return method.build_model(method.config({"width": 8, "layers": 1}))


def prepared(model, number: int, **recipe):
    from tf_relight.training.optimizers import make_optimizers

    method = methods.get("retinexnet")
    stage = method.stages(method.config(), method.recipe(recipe))[number]
    model.prepare_stage(stage, make_optimizers(stage, 10), StepOptions())
    return stage


def steps(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|x[i+1, j+1] - x[i+1, j]| and |x[i+1, j+1] - x[i, j+1]| with zeros beyond the last row and column."""
    x = np.pad(x, ((0, 1), (0, 1)))
    return np.abs(x[1:, 1:] - x[1:, :-1]), np.abs(x[1:, 1:] - x[:-1, 1:])


def averaged(x: np.ndarray) -> np.ndarray:
    height, width = x.shape
    return np.array(
        [
            [x[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean() for j in range(width)]
            for i in range(height)
        ]
    )


def smoothness_by_hand(illumination: np.ndarray, reflectance: np.ndarray) -> float:
    grey = reflectance @ np.array([0.2989, 0.587, 0.114])
    pairs = zip(steps(illumination[..., 0]), steps(grey), strict=True)
    return float(sum((own * np.exp(-10 * averaged(other))).mean() for own, other in pairs))


def test_smoothness_is_the_step_of_the_illumination_excused_by_that_of_the_reflectance():
    light, reflectance = picture(1, 7, 9, 1), picture(1, 7, 9, 3, seed=1)
    by_hand = smoothness_by_hand(light[0], reflectance[0])
    assert float(illumination_smoothness(light, reflectance)) == pytest.approx(by_hand, rel=1e-5)
    flat = np.full_like(reflectance, 0.5)
    assert float(illumination_smoothness(light, flat)) > 2 * by_hand


def test_decomposition_stage_is_the_sum_of_its_seven_terms(model):
    stage = prepared(model, 0)
    batch = {"image": picture(1, 12, 12, 3), "target": picture(1, 12, 12, 3, seed=1)}
    low_r, low_i = (np.asarray(x) for x in model.decomposition(batch["image"]))
    high_r, high_i = (np.asarray(x) for x in model.decomposition(batch["target"]))

    def l1(a, b):
        return np.abs(a - b).mean()

    expected = l1(low_r * low_i, batch["image"]) + l1(high_r * high_i, batch["target"])
    expected += 1e-3 * (l1(high_r * low_i, batch["image"]) + l1(low_r * high_i, batch["target"]))
    expected += 0.1 * (smoothness_by_hand(low_i[0], low_r[0]) + smoothness_by_hand(high_i[0], high_r[0]))
    expected += 0.01 * l1(low_r, high_r)
    loss, terms = model.stage_loss(batch, training=True)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert len(terms) == len(stage.losses) == 7


def test_relighting_stage_compares_the_relit_picture(model):
    stage = prepared(model, 1)
    assert stage.builds_on == ("decomposition",) and stage.trains == ("relighting",)
    batch = {"image": picture(1, 12, 12, 3), "target": picture(1, 12, 12, 3, seed=1)}
    reflectance, illumination = (np.asarray(x) for x in model.decomposition(batch["image"]))
    relit = np.asarray(model.relighting(reflectance, illumination))
    expected = np.abs(reflectance * relit - batch["target"]).mean()
    expected += 3 * smoothness_by_hand(relit[0], reflectance[0])
    assert float(model.stage_loss(batch, training=True)[0]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(model(batch["image"]), reflectance * relit, atol=1e-6)


def test_terms_without_weight_are_left_out(model):
    stage = prepared(model, 0, exchanged=0, same_reflectance=0)
    assert len(stage.losses) == 4
    assert len(prepared(model, 1, relit_smoothness=0).losses) == 1


def test_rate_drops_once(model):
    rate = prepared(model, 0).learning_rate
    assert (rate.initial, rate.final, rate.drops) == (1e-3, 1e-4, (0.2,))


def test_parts_lie_in_range_and_sizes_need_not_divide(model):
    reflectance, illumination = model.decomposition(picture(1, 13, 7, 3))
    assert reflectance.shape == (1, 13, 7, 3) and illumination.shape == (1, 13, 7, 1)
    for part in (np.asarray(reflectance), np.asarray(illumination)):
        assert 0 < part.min() and part.max() < 1
    assert methods.get("retinexnet").relight(model, picture(1, 1, 3)).shape == (1, 1, 3)
